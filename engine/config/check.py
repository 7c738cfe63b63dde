"""Checks what no single model can see: names, files, dates, expressions, and what the routes are together."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from engine.config.check_answers import check_answers
from engine.config.check_app import check_app
from engine.config.check_phi import check_phi
from engine.config.check_routes import check_routes
from engine.config.check_structures import check_structures
from engine.config.check_texts import check_texts
from engine.config.findings import Findings
from engine.config.loaded import Loaded
from engine.config.mappers import Mappers
from engine.config.subscribers import check_subscribers
from engine.errors import Problem


def check(loaded: Loaded, *, now_ms: int, unread: Collection[str] = ()) -> list[Problem]:
    """Return all errors and warnings about a configuration that is valid by its models.

    `now_ms` (UTC milliseconds) is when dated exceptions are judged, in the engine's time zone. `unread` names routes
    that exist but are wrong themselves.
    """
    problems: list[Problem] = []
    findings = Findings(loaded.tree, problems)
    check_app(loaded, findings, _today(now_ms, loaded.app.engine.zone))
    check_routes(loaded, findings, problems, unread=unread)
    check_answers(loaded, problems)
    mappers = Mappers(loaded)
    check_texts(loaded, mappers, problems)
    check_phi(loaded, mappers, problems)
    check_structures(loaded, problems)
    check_subscribers(loaded, findings, problems)
    return [*problems, *mappers.problems]


def _today(now_ms: int, zone: str) -> date:
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()
