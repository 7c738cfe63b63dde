"""`passerelle resend`: send the same bytes again, one message or many at a rate."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from engine.cli.calling import Caller
from engine.cli.desk import Desk, at_desk
from engine.cli.show import print_deliveries
from engine.cli.terminal import View, local
from engine.clock import SystemClock
from engine.errors import NotFound


@click.command()
@click.argument("identifier", required=False, metavar="[ID]")
@click.option("--delivery", type=int, help="One delivery of the message.")
@click.option("--partner", help="All to the endpoints of this partner.")
@click.option("--endpoint", help="All for partner.endpoint.")
@click.option("--since", help="A time, or how long ago: 30m, 2h, 7d.")
@click.option("--until", help="A time, or how long ago.")
@click.option("--rate", type=click.FloatRange(min=0.01, max=1000.0), help="Deliveries per second.")
@click.option(
    "--new-id", is_flag=True, help="Under a new id, so that the partner takes it for another message."
)
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def resend(
    desk: Desk, identifier: str | None, delivery: int | None, rate: float | None, new_id: bool,
    reason: str | None, **chosen: Any,
) -> None:  # fmt: skip
    """Send what has ended once more: the same bytes under the same id; ends with 3 when nothing matches."""
    if not (identifier or chosen["partner"] or chosen["endpoint"]):
        raise click.UsageError("say what: a message's ID, --partner or --endpoint")
    with desk.open() as caller:
        wanted = _wanted(caller, {"id": identifier, **chosen}, delivery)
        _announce(desk, len(wanted), rate)
        answers = _send(desk, caller, wanted, rate, {"new_id": new_id, "reason": reason})
    if desk.as_json:
        desk.terminal.answer({"resent": answers, "count": len(answers)})
        return
    print_deliveries(desk, answers)
    desk.terminal.note(desk.say("{count} sent again", count=len(answers)))


def _wanted(caller: Caller, query: dict[str, Any], delivery: int | None) -> list[tuple[str, int]]:
    """Return (message, delivery) of all that has ended and fits, the oldest first."""
    found = caller.call("GET", "deliveries", {**query, "limit": 5000})["deliveries"]
    fitting = [
        (row["message_id"], row["delivery"])
        for row in found
        if row["settled"] and row["destination"] and row["state"] != "filtered"
        if delivery in (None, row["delivery"])
    ]
    if not fitting:
        raise NotFound("nothing that has ended fits: what is still on its way needs no resend")
    return sorted(fitting, key=lambda pair: pair[1])


def _announce(desk: Desk, count: int, rate: float | None) -> None:
    if rate is None:
        desk.terminal.note(desk.say("{count} to send again", count=count))
        return
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    end = (now + timedelta(seconds=(count - 1) / rate)).isoformat()
    text = "{count} to send again at {rate}/s, done at {end}"
    desk.terminal.note(desk.say(text, count=count, rate=f"{rate:g}", end=local(end)))


def _send(
    desk: Desk, caller: Caller, wanted: list[tuple[str, int]], rate: float | None, body: dict[str, Any]
) -> list[View]:
    answers: list[View] = []
    with desk.terminal.progress("resend", len(wanted)) as advance:
        for number, (message, delivery) in enumerate(wanted):
            if rate and number:
                time.sleep(1 / rate)
            view = caller.call("POST", "resend", body={"id": message, "delivery": delivery, **body})
            answers.extend(view["resent"])
            advance()
    return answers
