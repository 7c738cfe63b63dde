"""`passerelle hl7 send HOST:PORT FILE...`: send messages over MLLP and say how they were answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.desk import Desk, desk_options
from engine.cli.exits import Exit
from engine.cli.hl7.connecting import HostPort, client_tls, tls_files, tls_options
from engine.cli.hl7.files import PATH, stored_in
from engine.cli.terminal import lasting

if TYPE_CHECKING:
    from engine.cli.hl7.sending import Tally

_SHOWN_REFUSALS = 10


@click.command()
@click.argument("address", type=HostPort(), metavar="HOST:PORT")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--count", type=click.IntRange(1), help="How many messages in all; begins again after the last one."
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Most messages a second.")
@click.option(
    "--connections", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many at once."
)
@click.option(
    "--new-ids", is_flag=True, help="Give each message an MSH-10 of its own; else a copy is a duplicate."
)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=30.0, show_default=True, metavar="SECONDS"
)
@tls_options
@desk_options("config", "env", "json", "lang")
def send(
    desk: Desk,
    address: tuple[str, int],
    files: tuple[Path, ...],
    count: int | None,
    rate: float | None,
    connections: int,
    new_ids: bool,
    timeout: float,
    **tls: Any,
) -> int:
    """Send the messages of files over MLLP, one in flight per connection; ends with 1 when one is not accepted.

    An answer counts by its MSA-1 where its MSA-2 is the MSH-10 that was sent. With several connections nothing is said
    of their order.
    """
    import asyncio

    from engine.cli.hl7.sending import Target, send_all
    from engine.clock import SystemClock

    stored = [each.data for path in files for each in stored_in(path)]
    total = count or len(stored)
    target = Target(*address, client_tls(tls_files(desk, **tls)), timeout)
    messages = islice(_endless(stored, new_ids=new_ids), total)
    clock = SystemClock()
    began = clock.monotonic()
    with desk.terminal.progress(f"{address[0]}:{address[1]}", total) as advance:
        tally = asyncio.run(
            send_all(
                target, messages, connections=min(connections, total), rate=rate, clock=clock, told=advance
            )
        )
    _tell(desk, tally, clock.monotonic() - began)
    return Exit.OK if tally.well else Exit.FAILED


def _endless(stored: Sequence[bytes], *, new_ids: bool) -> Iterator[bytes]:
    """Give the messages again and again, with ids of their own where that is asked for."""
    if not new_ids:
        yield from cycle(stored)
        return
    from engine.clock import SystemClock
    from engine.codecs.hl7v2.paths import compile_path
    from engine.codecs.hl7v2.reading import parse
    from engine.codecs.hl7v2.writing import write
    from engine.ids import IdSource

    ids, path = IdSource(SystemClock()), compile_path("MSH-10")
    for data in cycle(stored):
        message = parse(data)
        path.set(message, ids.next())
        yield write(message)


def _tell(desk: Desk, tally: Tally, seconds: float) -> None:
    per_second = tally.sent / seconds if seconds else 0.0
    shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    if desk.as_json:
        desk.terminal.answer(
            {
                "sent": tally.sent,
                "seconds": round(seconds, 6),
                "per_second": round(per_second, 1),
                "codes": dict(tally.codes.most_common()),
                "latency_ms": {name: round(tally.at(share) * 1000, 3) for name, share in shares},
                "refusals": [{"control_id": each, "errors": said} for each, said in tally.refusals],
            }
        )
        return
    codes = ", ".join(f"{code} {number}" for code, number in tally.codes.most_common())
    desk.terminal.line(f"{tally.sent} in {lasting(seconds)}, {per_second:.1f}/s: {codes}")
    if tally.latencies:
        desk.terminal.line(", ".join(f"{name} {lasting(tally.at(share))}" for name, share in shares))
    for control_id, said in tally.refusals[:_SHOWN_REFUSALS]:
        desk.terminal.line(f"  {control_id}: {said or '-'}")
    if len(tally.refusals) > _SHOWN_REFUSALS:
        desk.terminal.line(f"  ... {len(tally.refusals) - _SHOWN_REFUSALS}")
