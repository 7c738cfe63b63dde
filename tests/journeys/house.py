"""One house for all journeys: the shipped route and mappers, a configuration for the peers at hand, and a platform."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from engine.app import Doubles, Engine, running
from engine.model import State
from engine.runtime.watch import LISTENER
from engine.security.tls import client_context
from engine.store.protocol import AttemptRow, DeliveryRow, Query
from tests.peers.emr import Emr
from tests.peers.ports import free_port
from tests.security.handshakes import files_of

Answer = TypeVar("Answer")

TOP = Path(__file__).parents[2]
PATIENCE = 30.0
QUICK = "{backoff: 50ms..200ms, for: 24h}"
DOOR = "/v1/appointments"
PERMIT = "01234"

CONFIG = """
engine: {{name: journey, drain: 5s}}
store: sqlite:var/passerelle.db
listen:
  public: {{rest: 127.0.0.1:{port}, tls: server}}
tls:
  server: {{cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem, clients: required}}
  engine: {{cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}}
{connections}
profiles:
  patient-hooks: {{timeout: {timeout}, retry: {retry}}}
alerts:
  ops: {{to: operations.alerts, settle: {settle}}}
partners:
  platform:
    certificates: [{{issuer: certs/ca.pem, san: "uri:urn:passerelle:dev:clinique-ghi"}}]
  clinique-abc:
    identifiers: {{permit: "01234"}}
    zone: America/Toronto
    endpoints:
{endpoints}
  clinique-def:
    identifiers: {{permit: "05678"}}
    endpoints:
      emr: {{webhook: "https://127.0.0.1:9/hooks", tls: engine, phi: full}}
  operations:
    endpoints:
      alerts: {{inbox: operations}}
"""


@dataclass(slots=True)
class Plan:
    """What a journey's configuration says; `endpoints` are YAML lines below the clinic's `endpoints:`."""

    endpoints: Mapping[str, str]
    timeout: str = "5s"
    retry: str = QUICK
    settle: str = "1s"
    connections: str = ""
    after: str = "15m"
    route: Callable[[str], str] = lambda text: text
    seed: int = 7

    def write(self, folder: Path, certs: Path, port: int) -> Path:
        """Write the project into a folder and return its config.yaml."""
        for name in ("routes", "mappings"):
            shutil.copytree(TOP / name, folder / name, dirs_exist_ok=True)
        shutil.copytree(certs, folder / "certs", dirs_exist_ok=True)
        route = folder / "routes" / "appointment-to-clinic.yaml"
        text = (TOP / "routes" / route.name).read_text().replace("after: 15m", f"after: {self.after}")
        route.write_text(self.route(text))
        endpoints = "\n".join(f"      {name}: {written}" for name, written in self.endpoints.items())
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(
                port=port,
                timeout=self.timeout,
                retry=self.retry,
                settle=self.settle,
                endpoints=endpoints,
                connections=self.connections,
            )
        )
        return config


def webhook(emr: Emr, more: str = "") -> str:
    """Return the YAML of a clinic's signed webhook."""
    sign = 'sign: {standard_webhooks: "${file:certs/clinique-abc.whsec}"}'
    return f"{{webhook: {emr.url}/hooks, tls: engine, {sign}, phi: full{', ' + more if more else ''}}}"


@dataclass(slots=True, kw_only=True)
class Platform:
    """Posts events over mutual TLS."""

    session: aiohttp.ClientSession
    url: str
    tls: ssl.SSLContext
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def post(self, event: Mapping[str, Any] | bytes) -> tuple[int, dict[str, Any]]:
        """Post one event as the platform and return status and body."""
        data = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"content-type": "application/cloudevents+json"}
        async with self.session.post(self.url, data=data, headers=headers, ssl=self.tls) as response:
            return response.status, await response.json(content_type=None)

    def event(
        self, kind: str = "booked", appointment: str = "RDV-1", version: int = 1, **changed: Any
    ) -> dict[str, Any]:
        """Make an event with a fresh id."""
        found = json.loads((TOP / "routes" / "samples" / "booked.json").read_text())
        found |= {"id": f"evt-{next(self._numbers)}", "type": f"appointment-{kind}"}
        found["data"]["appointment"] |= {"id": appointment, "version": version}
        for dotted, value in changed.items():
            *parents, last = dotted.split("__")
            node = found["data"]
            for name in parents:
                node = node[name]
            node[last] = value
        return dict(found)


@dataclass(slots=True, kw_only=True)
class House(Platform):
    """A running engine, a platform that posts events to it, and what can be asked of both."""

    engine: Engine

    async def deliveries(self, **query: Any) -> list[DeliveryRow]:
        """Return deliveries of the sample route, oldest first."""
        found = await self.engine.store.deliveries(
            Query(**{"route": "appointment-to-clinic", "limit": 20_000, **query})
        )
        return sorted(found, key=lambda row: row.delivery.sequence)

    async def ended(self, count: int = 1, *, seconds: float = PATIENCE) -> list[DeliveryRow]:
        """Return the deliveries once `count` of them ended; TimeoutError."""

        async def enough() -> list[DeliveryRow] | None:
            found = [row for row in await self.deliveries() if row.delivery.state.terminal]
            return found if len(found) >= count else None

        return await until(enough, seconds=seconds)

    async def in_state(self, state: State, *, seconds: float = PATIENCE) -> DeliveryRow:
        """Return the first delivery that is in a state."""

        async def there() -> DeliveryRow | None:
            found = await self.deliveries()
            return next((row for row in found if row.delivery.state is state), None)

        return await until(there, seconds=seconds)

    async def attempts(self, row: DeliveryRow) -> list[AttemptRow]:
        """Return the attempts of a delivery in order."""
        return list(await self.engine.store.attempts(row.delivery.sequence))

    async def told(self) -> list[str]:
        """Return what the administrator was told so far: the control ids of alerts, oldest first."""
        found = await self.engine.store.messages(Query(listener=LISTENER, limit=500))
        return [row.control_id for row in sorted(found, key=lambda row: row.sequence)]

    async def told_times(self, count: int, *, seconds: float = PATIENCE) -> list[str]:
        """Return it once there are `count`."""

        async def enough() -> list[str] | None:
            found = await self.told()
            return found if len(found) >= count else None

        return await until(enough, seconds=seconds)


async def until(ask: Callable[[], Awaitable[Answer | None]], *, seconds: float = PATIENCE) -> Answer:
    """Ask until there is an answer that is not None; TimeoutError. Rows have no event to wait on."""
    async with asyncio.timeout(seconds):
        while True:
            found = await ask()
            if found is not None:
                return found
            await asyncio.sleep(0.02)  # what is asked for is a row in a database


@asynccontextmanager
async def house(
    folder: Path, certs: Path, plan: Plan, *, rng: random.Random | None = None
) -> AsyncIterator[House]:
    """Run the engine of a plan in a folder; the same folder again is the same engine after a restart."""
    config = folder / "config.yaml"
    if not config.exists():
        plan.write(folder, certs, free_port())
    doubles = Doubles(rng=rng or random.Random(plan.seed))
    async with (
        running(config, doubles=doubles) as engine,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=32)) as session,
    ):
        url = f"https://{engine.supervisor.addresses['public']}{DOOR}"
        yield House(session=session, url=url, tls=platform_tls(certs), engine=engine)


@asynccontextmanager
async def lateness() -> AsyncIterator[list[float]]:
    """Measure how late this machine runs what is due, in seconds: a test of real time must not blame the engine."""
    late = [0.0]
    loop = asyncio.get_running_loop()

    async def watch() -> None:
        while True:
            due = loop.time() + 0.005
            await asyncio.sleep(0.005)  # what is measured is time
            late.append(loop.time() - due)

    task = asyncio.create_task(watch())
    try:
        yield late
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def platform_tls(certs: Path) -> ssl.SSLContext:
    """Return what the platform connects with: the certificate that the configuration knows it by."""
    name = "clinique-ghi"
    return client_context(files_of(certs, name))
