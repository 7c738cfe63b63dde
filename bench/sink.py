"""The receiver, a process of its own: answers every POST with 202, or every HL7 message with AA, at once, and notes
when each number arrived.

    python -m bench.sink --arrived FILE [--speech mllp] [--certificates FOLDER]

Prints its port and serves until it is ended. Order is judged per patient: a number that comes after a later one is
counted.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from pathlib import Path
from typing import cast

import uvloop

from bench.speech import SPEECHES, Speech
from bench.timings import Timings
from bench.wire import lane_in, number_in


class Receiver(asyncio.Protocol):
    """One connection of the engine."""

    def __init__(self, speech: Speech, arrived: Timings, newest: dict[int, int]) -> None:
        self._speech = speech
        self._arrived = arrived
        self._newest = newest
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (request := self._speech.taken(self._buffer)) is not None:
            self._note(request)
            assert self._transport is not None
            self._transport.write(self._speech.answer(request))

    def _note(self, request: bytearray) -> None:
        number = number_in(request)
        if number < 0 or not self._arrived.mark(number, time.monotonic()):
            return
        lane = lane_in(request)
        if lane >= 0:
            if self._newest.get(lane, -1) > number:
                self._arrived.overtaken()
            else:
                self._newest[lane] = number


async def serve(arrived: Path, speech: Speech, certificates: Path | None) -> None:
    """Serve until the process is ended."""
    tls = None
    if certificates is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        tls.load_cert_chain(certificates / "clinic.pem", certificates / "clinic.key")
        tls.load_verify_locations(certificates / "ca.pem")
        tls.verify_mode = ssl.CERT_REQUIRED
    timings, newest = Timings(arrived), dict[int, int]()
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(speech, timings, newest), "127.0.0.1", 0, ssl=tls, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--arrived", type=Path, required=True)
    parser.add_argument("--certificates", type=Path)
    parser.add_argument("--speech", choices=list(SPEECHES), default="http")
    given = parser.parse_args()
    uvloop.run(serve(given.arrived, SPEECHES[given.speech], given.certificates))


if __name__ == "__main__":
    main()
