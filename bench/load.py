"""The sender, a process of its own: so many connections, each with one message that is not yet acknowledged.

    python -m bench.load --port P --connections N --seconds S --first NUMBER --sent FILE --acked FILE [--speech mllp]

Ends with one line of JSON on standard output: `first` and `last` number, `refused`, the seconds `began` and `ended` and
the seconds of CPU it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from bench.booking import Booking
from bench.speech import SPEECHES, Admission, Speech
from bench.timings import CAPACITY, Timings
from bench.wire import Numbered


@dataclass(slots=True)
class Campaign:
    """What all connections share."""

    messages: Sequence[Numbered | Admission | Booking]
    speech: Speech
    sent: Timings
    acked: Timings
    next: int
    until: float
    last: int
    lanes: int
    open: int = 0
    refused: int = 0
    broken: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Sender(asyncio.Protocol):
    """Sends, waits for the answer, sends the next; a lane belongs to one connection."""

    def __init__(self, campaign: Campaign, which: int) -> None:
        self._campaign = campaign
        self._lane = which
        self._step = max(1, campaign.open)
        self._number = -1
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def go(self) -> None:
        """Send the next message, or close when the time is over."""
        campaign, transport = self._campaign, self._transport
        assert transport is not None
        now = time.monotonic()
        if now >= campaign.until or campaign.next >= campaign.last:
            self._number = -1
            transport.close()
            return
        self._number = number = campaign.next
        campaign.next += 1
        if campaign.lanes > self._step:
            self._lane = (self._lane + self._step) % campaign.lanes
        campaign.sent.mark(number, now)
        message = campaign.messages[number % len(campaign.messages)]
        transport.write(message.request(number, self._lane))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        answer = self._campaign.speech.taken(self._buffer)
        if answer is None:
            return
        if self._campaign.speech.good(answer):
            self._campaign.acked.mark(self._number, time.monotonic())
        else:
            if not self._campaign.refused:
                print(bytes(answer[:600]).decode("latin-1"), file=sys.stderr)
            self._campaign.refused += 1
        self.go()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._number >= 0:
            self._campaign.broken += 1
        self._campaign.open -= 1
        if not self._campaign.open:
            self._campaign.done.set()


async def send(given: argparse.Namespace) -> dict[str, float]:
    """Run one campaign."""
    tls = None
    if given.certificates is not None:
        tls = ssl.create_default_context(cafile=str(given.certificates / "ca.pem"))
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.load_cert_chain(given.certificates / "platform.pem", given.certificates / "platform.key")
    posted = [Numbered(f"{int(given.permit) + which:05d}") for which in range(given.clinics)]
    campaign = Campaign(
        _of_mllp(given.message) if given.speech == "mllp" else posted,
        SPEECHES[given.speech],
        Timings(given.sent),
        Timings(given.acked),
        next=given.first,
        until=0.0,
        last=min(CAPACITY, given.first + given.messages) if given.messages else CAPACITY,
        lanes=given.lanes,
    )
    loop = asyncio.get_running_loop()
    senders = []
    campaign.open = given.connections
    for which in range(given.connections):
        _, sender = await loop.create_connection(
            lambda which=which: Sender(campaign, which),
            "127.0.0.1",
            given.port,
            ssl=tls,
            server_hostname="127.0.0.1" if tls else None,
        )
        senders.append(sender)
    began = time.monotonic()
    campaign.until = began + given.seconds
    for sender in senders:
        sender.go()
    await campaign.done.wait()
    return {
        "first": given.first,
        "last": campaign.next,
        "refused": campaign.refused,
        "broken": campaign.broken,
        "began": began,
        "ended": time.monotonic(),
        "cpu": time.process_time(),
    }


def _of_mllp(message: str) -> Sequence[Admission | Booking]:
    return [Booking()] if message == "booking" else [Admission()]


def main() -> None:
    """Read the command line and send."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--messages", type=int, default=0, help="stop after so many; 0 = by time only")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=0, help="patients; 0 = one per connection")
    parser.add_argument("--permit", default="01234")
    parser.add_argument("--clinics", type=int, default=1, help="take turns over so many clinics")
    parser.add_argument("--sent", type=Path, required=True)
    parser.add_argument("--acked", type=Path, required=True)
    parser.add_argument("--speech", choices=list(SPEECHES), default="http")
    parser.add_argument("--message", choices=["admission", "booking"], default="admission", help="by MLLP")
    parser.add_argument("--certificates", type=Path)
    print(json.dumps(uvloop.run(send(parser.parse_args()))))


if __name__ == "__main__":
    main()
