"""Names that an operator gives: one that nothing bears is told with what was probably meant, not kept in silence."""

from __future__ import annotations

from collections.abc import Collection

from engine.api.control import Control
from engine.config.suggest import hint
from engine.errors import NotFound
from engine.runtime.sending.gates import Subject


async def require_subject(control: Control, subject: Subject, name: str) -> None:
    """Raise NotFound unless a route, destination or endpoint bears the name, or did while rows still tell of it."""
    if subject is Subject.ENDPOINT:
        await require_endpoint(control, name)
        return
    route = name.partition("/")[0] if subject is Subject.DESTINATION else name
    running = {each.name: each.config for each in control.live.loaded().routes}
    _require(route, {*running, *await control.store.roster.names("route")}, "route")
    if subject is Subject.DESTINATION and route in running:
        _require(name, [f"{route}/{each.name}" for each in running[route].destinations()], "destination")


async def require_endpoint(control: Control, name: str) -> None:
    """Raise NotFound unless an endpoint bears the name, or did while rows still tell of it."""
    partners = control.live.loaded().partners
    configured = {f"{partner}.{short}" for partner, entry in partners.items() for short in entry.endpoints}
    _require(name, configured.union(await control.store.roster.names("endpoint")), "endpoint")


def require_partner(control: Control, name: str) -> None:
    """Raise NotFound unless a partner bears the name."""
    _require(name, control.live.loaded().partners, "partner")


def _require(name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        raise NotFound(f'there is no {what} "{name}"; {hint(name, known)}')
