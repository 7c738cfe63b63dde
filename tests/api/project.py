"""A small project that needs nothing outside: one door, an inbox that takes all, endpoints where nobody is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from engine.app import Engine, running
from engine.cli.wire import LocalSocket, Wire

CONFIG = """\
engine: {name: test}
listen:
  door: {rest: 127.0.0.1:0}
alerts:
  ops: {to: clinic.box, settle: 1s}
partners:
  clinic:
    endpoints:
      box: {inbox: clinic, phi: full}
      emr: {webhook: "http://127.0.0.1:9/hook", retry: none, phi: full}
      away: {webhook: "http://127.0.0.1:9/hook", retry: {backoff: 4h..8h, for: 7d}, phi: full}
"""
ROUTE = """\
route: notes
from: {door: POST /notes}
keys: {note: msg.id}
steps:
  - require: {that: msg.id != "", at: id, message: has no id}
to:
  - {endpoint: clinic.box, when: msg.to == "box"}
  - {endpoint: clinic.emr, when: msg.to == "emr"}
  - {endpoint: clinic.away, when: msg.to == "away"}
"""


def write_project(folder: Path, *, extra: str = "") -> Path:
    """Write the project and return its config.yaml; `extra` are further keys of it."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    (folder / "routes" / "notes.yaml").write_text(ROUTE, encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text(CONFIG + extra, encoding="utf-8")
    return config


@asynccontextmanager
async def running_project(folder: Path, *, extra: str = "") -> AsyncIterator[tuple[Engine, Speaker]]:
    """Run the project's engine; the speaker calls its API as the command line does."""
    async with running(write_project(folder, extra=extra)) as engine:
        yield engine, Speaker(folder / "var" / "passerelle.sock", engine)


class Speaker:
    """Calls a running engine over its socket, from a thread as another process would."""

    def __init__(self, socket: Path, engine: Engine) -> None:
        self.wire = Wire(LocalSocket(socket))
        self._engine = engine

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await run_sync(partial(self.wire.call, "GET", path, query))

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        return await run_sync(partial(self.wire.call, "POST", path, body=body))

    async def accept(self, identifier: str, to: str = "box") -> str:
        """Put a note in and wait until nothing is in flight; return its message id."""
        view = await self.put(identifier, to)
        await asyncio.wait_for(self._engine.dispatcher.wait_idle(), 30)
        assert view["disposition"] == "accepted"
        return str(view["id"])

    async def put(self, identifier: str, to: str = "box") -> dict[str, Any]:
        """Put a note in and return the answer."""
        from base64 import b64encode

        content = json.dumps({"id": identifier, "to": to}).encode()
        return await self.post("inject", route="notes", content=b64encode(content).decode(), file="note.json")
