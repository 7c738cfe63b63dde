"""The campaign over MLLP: orders as ADT messages, a sender that insists by MSH-10, a receiver that fails one in five.

What the journals name a message by is its MSH-10: an acknowledgement tells no other id.

Source: HL7 v2.5.1 2.9.2 (original mode), appendix C (MLLP).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.crash.checker import StoreJournal, read_store
from tests.crash.project import Ports
from tests.crash.receiver import Receiver
from tests.crash.sender import REPLY_SECONDS, Order, Sender, Unanswered

START, END = b"\x0b", b"\x1c\r"
_FRAME_MAX = 2**20

_CONFIG = """\
engine: {{name: crash, zone: UTC, drain: 10s}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
logs: {{level: info}}
defaults: {{timeout: 5s, retry: {{backoff: 20ms..800ms, for: 1h}}, breaker: {{failures: 100000000}}}}
listen:
  feed: {{mllp: "127.0.0.1:{port}", partner: hospital}}
partners:
  hospital: {{}}
  clinic:
    endpoints:
      ris: {{mllp: "127.0.0.1:{receiver}", phi: full, limits: {{concurrency: 32}}}}
"""
_ROUTE = "route: orders\nfrom: feed\naccept: {types: ADT^A08}\norder_by: msg.PID-3.1\nto: [clinic.ris]\n"


def write_mllp_project(folder: Path, ports: Ports) -> Path:
    """Write MLLP to MLLP, ordered by patient; return config.yaml."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(port=ports.engine, receiver=ports.receiver))
    (folder / "routes/orders.yaml").write_text(_ROUTE)
    return config


def message(order: Order) -> bytes:
    """Return an order as a message: the key is the patient, MSH-10 is `key.seq`."""
    text = (
        f"MSH|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114093011||ADT^A08^ADT_A01|{order.control_id}|P|2.5.1\r"
        f"PID|1||{order.key}^^^HSJ^MR||Fictive^Zelie\rNTE|1||{'x' * order.padding}\r"
    )
    return text.encode()


class MllpConnection:
    """One connection to the engine's listener, made again when it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, order: Order) -> str:
        """Send one message and return its MSH-10.

        Raises:
            Unanswered: the connection broke, time ran out, or the answer is not AA with this MSH-10.
        """
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port)
                reader, writer = self._streams
                writer.write(START + message(order) + END)
                answer = await reader.readuntil(END)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise Unanswered(type(error).__name__) from error
        if f"\rMSA|AA|{order.control_id}\r".encode() not in answer:
            raise Unanswered("no AA")
        return order.control_id

    def close(self) -> None:
        """Drop the connection; the next message makes another."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class MllpSender(Sender):
    """Sends over MLLP, and each message again until its AA comes."""

    def line(self) -> MllpConnection:
        return MllpConnection(self.port)


class MllpReceiver(Receiver):
    """Acknowledges over MLLP: AA, AE with 207, or no answer at all."""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        received = (await reader.readuntil(END)).removeprefix(START)
        control_id = received.split(b"|", 10)[9].decode()
        key, _, seq = control_id.rpartition(".")
        await self.held_open.wait()
        answer = self.judge("/ris", control_id, {"key": key, "seq": seq})
        if answer in ("cut", "lost"):
            return False
        code, error = (
            ("AA", "") if answer == "200" else ("AE", "ERR|||207^Application internal error^HL70357|E\r")
        )
        head = "MSH|^~\\&|RIS|CLINIC|SIH|HSJ|20260114093012||ACK^A08^ACK|R1|P|2.5.1\r"
        writer.write(START + f"{head}MSA|{code}|{control_id}\r{error}".encode() + END)
        return True


def read_by_control_id(database: Path) -> StoreJournal:
    """Read the store, its messages named by MSH-10."""
    found = read_store(database)
    names = {duty.message_id: duty.control_id for duty in found.duties}
    duties = tuple(replace(duty, message_id=duty.control_id) for duty in found.duties)
    return StoreJournal(frozenset(names.get(each, each) for each in found.messages), duties)
