"""An engine for one hostile message: doors that differ in what they are told, sinks that keep what left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.app import Engine, running
from engine.model import State
from engine.store.protocol import Query
from tests.corpus.campaign import END, START, Sink, raw, read_frame, sink

PATIENCE = 30.0
CONFIG = """
engine: {{name: hostile}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  all: {{mllp: 127.0.0.1:0, partner: hsj}}
  large: {{mllp: 127.0.0.1:0, partner: hsj, limits: {{body: 32MiB}}}}
  production: {{mllp: 127.0.0.1:0, partner: hsj, processing: [P]}}
  silent: {{mllp: 127.0.0.1:0, partner: hsj}}
  told: {{mllp: 127.0.0.1:0, partner: hsj, charset: windows-1252}}
  night: {{mllp: 127.0.0.1:0, partner: hsj}}
partners:
  hsj: {{}}
  ris:
    endpoints:
      same: {{mllp: "127.0.0.1:{same}", ack: {{match: in_turn, reason: it repeats no id}}, phi: full}}
      other: {{mllp: "127.0.0.1:{other}", ack: {{match: in_turn, reason: it repeats no id}}, phi: full}}
      utf8: {{mllp: "127.0.0.1:{other}", charset: UNICODE UTF-8, phi: full}}
"""
CHANGED = """
to:
  - ris.same
  - {endpoint: ris.other, steps: [{set: {MSH-5: RIS, MSH-8: "{msg.PID-5.1}"}}]}
"""
"""What stands in PID-5.1 is read and written again, so its escapes and its character set are seen."""

ROUTES = {
    "all": "route: all\nfrom: all\n" + CHANGED,
    "large": "route: large\nfrom: large\nto: [ris.same]\n",
    "production": "route: production\nfrom: production\nto: [ris.same]\n",
    "silent": "route: silent\nfrom: silent\nto: [ris.same, ris.utf8]\n",
    "told": "route: told\nfrom: told\nto: [ris.same, ris.utf8]\n",
    "night": "route: night\nfrom: night\nsteps: [{split: {batch: true}}]\nto: [ris.same]\n",
}
HEAD = b"MSH|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114093011||ADT^A01|H1|P|2.5.1\r"


@dataclass(frozen=True, slots=True)
class Hospital:
    """A running engine; `same` is sent what came, `other` what a route changed."""

    engine: Engine
    same: Sink
    other: Sink

    def address(self, door: str) -> tuple[str, int]:
        found = next(each for each in self.engine.supervisor.health() if each.name == door)
        host, _, port = found.address.rpartition(":")
        return host, int(port)

    async def ask(self, content: bytes, door: str = "all") -> bytes:
        """Send one message and return the MSA and the ERR of its answer; then prove that the connection stays up."""
        reader, writer = await asyncio.open_connection(*self.address(door))
        try:
            writer.write(START + content + END)
            answer = await read_frame(reader)
            writer.write(START + b"MSH|^~\\&|AFTER||||||ADT^A01|AFTER|P|2.5.1\r" + END)
            assert b"|AFTER" in await read_frame(reader)
        finally:
            writer.close()
        return answer

    async def left(self) -> tuple[bytes, bytes]:
        """Return what `same` and `other` got of the message; what asked whether the connection stays up apart."""
        await self.settled()
        same, other = (
            [each for each in one.received if not each.startswith(b"MSH|^~\\&|AFTER|")]
            for one in (self.same, self.other)
        )
        return b"".join(same), b"".join(other)

    async def settled(self) -> None:
        """Return once each delivery is at its end."""
        async with asyncio.timeout(PATIENCE):
            while True:
                tally = await self.engine.store.tally()
                if not any(count for state, count in tally.states.items() if not state.terminal):
                    return
                await asyncio.sleep(0.01)  # the store tells nobody outside that it is done

    async def dead(self) -> Sequence[tuple[str, bytes]]:
        """Return reason and bytes of each dead letter."""
        await self.settled()
        rows = await self.engine.store.deliveries(Query(states=(State.DEAD,)))
        store = self.engine.store
        return [(row.delivery.reason, await raw(store, row.delivery.message)) for row in rows]


@asynccontextmanager
async def hospital(folder: Path) -> AsyncIterator[Hospital]:
    """Run the engine in a folder."""
    (folder / "routes").mkdir()
    for name, text in ROUTES.items():
        (folder / f"routes/{name}.yaml").write_text(text)
    async with sink(lambda read: ("AA",)) as same, sink(lambda read: ("AA",)) as other:
        (folder / "config.yaml").write_text(CONFIG.format(same=same.port, other=other.port))
        async with running(folder / "config.yaml") as engine:
            yield Hospital(engine, same, other)


def msa(answer: bytes) -> bytes:
    """Return the MSA segment of an answer."""
    return next(segment for segment in answer.split(b"\r") if segment.startswith(b"MSA"))
