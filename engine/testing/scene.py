"""What `passerelle dev` plays beside a configuration: simulated clinics, and messages fed through the real door."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import aiohttp

from engine.config.compose import compose_file
from engine.config.gather import printed
from engine.config.loaded import Loaded
from engine.config.models import FilePath, Name, StrictModel, matching
from engine.config.nodes import MapNode
from engine.config.plugins import installed
from engine.config.validate import validate
from engine.errors import ConfigurationError, Problem
from engine.security.tls import TlsFiles, client_context
from engine.testing.clinics import SimulatedClinic

CERTIFICATES = "certs"
"""Folder of the local authority, below the project."""

_SECONDS = 10.0


class Feed(StrictModel):
    """Messages that are sent in once the engine is ready."""

    listener: Name
    """The door that they come through."""
    selector: Annotated[str, matching("a selector", "write POST /path", "POST /[^ ]*")]
    """Its path."""
    certificate: Name
    """Name of the development certificate that the sender shows."""
    files: tuple[FilePath, ...] = ()
    """CloudEvents, relative to the scene's file."""


class Scene(StrictModel):
    """A scene: who is there, how they behave, what comes in."""

    clinics: dict[
        Name, Annotated[str, matching("an answer", "write a status or absent", "absent|[2-5][0-9][0-9]")]
    ]
    """Partner -> the HTTP status that its simulated server answers, or `absent`."""
    feed: Feed
    """What comes in."""

    def names(self) -> list[str]:
        """Return the names that need certificates of the local authority."""
        return [self.feed.certificate, *self.clinics]

    def simulated(self, loaded: Loaded) -> list[SimulatedClinic]:
        """Return the clinics, each where its partner's webhook points."""
        found: list[SimulatedClinic] = []
        for name, answer in self.clinics.items():
            partner = loaded.partners.get(name)
            for endpoint in partner.endpoints.values() if partner else ():
                if endpoint.type == "webhook":
                    url = str(getattr(endpoint, "webhook"))  # noqa: B009  the field is the channel's own
                    found.append(SimulatedClinic(name, url, None if answer == "absent" else int(answer)))
        return found


def load_scene(path: Path) -> Scene:
    """Read a scene.

    Raises:
        ConfigurationError: it cannot be understood.
    """
    problems: list[Problem] = []
    tree = compose_file(path, printed(path), problems)
    scene = validate(Scene, tree, installed(), problems) if isinstance(tree, MapNode) else None
    if scene is None or problems:
        raise ConfigurationError(problems or [Problem(printed(path), 1, 1, "expected a mapping")])
    return scene


@dataclass(frozen=True, slots=True)
class Fed:
    """One message that was sent in: its file, its appointment, the clinic's name as the event says it, the reply."""

    file: str
    subject: str
    clinic: str
    kind: str
    status: int
    message_id: str
    remark: str


async def feed(scene: Scene, folder: Path, root: Path, address: str, run: str) -> AsyncIterator[Fed]:
    """Post the scene's messages over mutual TLS; `run` makes their ids fresh, so that none is a duplicate."""
    certificates = root / CERTIFICATES
    name = scene.feed.certificate
    tls = client_context(
        TlsFiles(
            cert=certificates / f"{name}.pem", key=certificates / f"{name}.key", ca=certificates / "ca.pem"
        )
    )
    url = f"https://{address}{scene.feed.selector.removeprefix('POST ')}"
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for file in scene.feed.files:
            event = json.loads((folder / file).read_bytes())
            event["id"] = f"{event['id']}-{run}"
            appointment = event["data"]["appointment"]
            appointment["id"] = f"{appointment['id']}-{run}"
            yield await _post(session, url, tls, str(file), event)


async def _post(
    session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext, file: str, event: dict[str, Any]
) -> Fed:
    headers = {"content-type": "application/cloudevents+json"}
    async with session.post(url, data=json.dumps(event).encode(), headers=headers, ssl=tls) as response:
        answer = await response.json(content_type=None)
    errors: Sequence[dict[str, str]] = answer.get("errors", ())
    return Fed(
        file=file,
        subject=event["data"]["appointment"]["id"],
        clinic=event["data"]["clinic"].get("name", ""),
        kind=event["type"],
        status=response.status,
        message_id=answer.get("id", ""),
        remark="; ".join(f"{each.get('path')}: {each.get('detail')}" for each in errors),
    )
