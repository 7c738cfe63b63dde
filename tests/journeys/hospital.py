"""A hospital's engine for journeys: MLLP doors and partners over real sockets, and what its store says of them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.app import Engine, running
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.model import State
from engine.store.protocol import AttemptRow, DeliveryRow, Query
from tests.channels.mllp.wire import wire
from tests.journeys.house import until

HEAD = """
engine: {name: journey, drain: 5s}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
defaults: {timeout: 5s, retry: {backoff: 50ms..200ms, for: 24h}, breaker: {failures: 1000}}
"""
"""What every journey's configuration begins with: neither retries nor a breaker keep a test waiting."""


@dataclass(frozen=True, slots=True)
class Hospital:
    """A running engine, senders that knock at its doors, and its rows."""

    engine: Engine

    async def sent(
        self, listener: str, *messages: bytes, tls: ssl.SSLContext | None = None
    ) -> list[tuple[str, str]]:
        """Send messages on one connection, each after the answer to the one before; return MSA-1 and MSA-2 of each."""
        async with wire(self.engine.supervisor.addresses[listener], tls) as connection:
            return [_msa(await connection.ask(message)) for message in messages]

    async def rows(self, **query: str) -> list[DeliveryRow]:
        """Return deliveries, oldest first."""
        found = await self.engine.store.deliveries(Query(limit=500, **query))  # type: ignore[arg-type]  # all text
        return sorted(found, key=lambda row: row.delivery.sequence)

    async def ended(self, count: int, **query: str) -> list[DeliveryRow]:
        """Return the deliveries once `count` of them are there and all ended; TimeoutError."""

        async def all_ended() -> list[DeliveryRow] | None:
            found = await self.rows(**query)
            done = len(found) >= count and all(row.delivery.state.terminal for row in found)
            return found if done else None

        return await until(all_ended)

    async def in_state(self, state: State, **query: str) -> DeliveryRow:
        """Return the first delivery that is in a state; TimeoutError."""

        async def there() -> DeliveryRow | None:
            return next((row for row in await self.rows(**query) if row.delivery.state is state), None)

        return await until(there)

    async def attempts(self, row: DeliveryRow) -> Sequence[AttemptRow]:
        """Return the attempts of a delivery in order."""
        return await self.engine.store.attempts(row.delivery.sequence)


@asynccontextmanager
async def hospital(
    folder: Path, config: str, routes: Mapping[str, str] | None = None
) -> AsyncIterator[Hospital]:
    """Run an engine in a folder; the same folder again, without routes, is the same engine after a restart."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(HEAD + config)
    for name, text in (routes or {}).items():
        (folder / "routes" / f"{name}.yaml").write_text(text)
    async with running(folder / "config.yaml") as engine:
        yield Hospital(engine)


def _msa(ack: bytes) -> tuple[str, str]:
    message = parse(ack)
    return str(compile_path("MSA-1").get(message)), str(compile_path("MSA-2").get(message))
