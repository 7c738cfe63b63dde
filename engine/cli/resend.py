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

PAGE = 50
"""Images that are put on the way before the next line of progress."""

_PATIENCE = 120.0


@click.command()
@click.argument("identifier", required=False, metavar="[ID]")
@click.option("--delivery", type=int, help="One delivery of the message.")
@click.option("--partner", help="All to the endpoints of this partner.")
@click.option("--endpoint", help="All for partner.endpoint.")
@click.option("--study", metavar="UID", help="All images of a study that the store holds; needs --to.")
@click.option("--to", metavar="PARTNER.ENDPOINT", help="Where the study is to go.")
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
    reason: str | None, study: str | None, to: str | None, **chosen: Any,
) -> None:  # fmt: skip
    """Send what has ended once more: the same bytes under the same id; ends with 3 when nothing matches.

    With --study and --to: the images of a study, to any endpoint that may be given them, whether it had them or not.
    """
    if bool(study) != bool(to):
        raise click.UsageError("--study and --to go together")
    if study and to:
        if identifier or any(chosen.values()):
            raise click.UsageError("--study is sent as a whole: nothing else narrows it")
        with desk.open() as caller:
            _replay(desk, caller, study, {"to": to, "reason": reason}, rate)
        return
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


def _replay(desk: Desk, caller: Caller, study: str, body: dict[str, Any], rate: float | None) -> None:
    """Put a study on the way in pages, and say how far it is."""
    sent: list[str] = []
    following: int | None = 0
    page = 1 if rate else PAGE
    while following is not None:
        asked = {"study": study, "offset": following, "limit": page, **body}
        view = caller.call("POST", "replay", body=asked, patience=_PATIENCE)
        sent += view["replayed"]
        following = view["following"]
        if following is not None:
            desk.terminal.note(desk.say("{count} images on their way", count=len(sent)))
            if rate:
                time.sleep(1 / rate)
    if desk.as_json:
        desk.terminal.answer({"replayed": sent, "count": len(sent)})
        return
    desk.terminal.note(desk.say("{count} images on their way", count=len(sent)))


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
