"""`passerelle dead`: dead letters by cause; show, release and discard them."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from engine.cli.calling import Caller
from engine.cli.chosen import MOST, chosen, each, told
from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.messages import search_options
from engine.cli.show import print_deliveries
from engine.cli.terminal import View, Word
from engine.errors import NotFound


@click.group()
def dead() -> None:
    """List, show, release and discard dead letters."""


@dead.command("list")
@search_options
@click.option(
    "--all", "also_closed", is_flag=True, help="Also those that were released, discarded or recalled."
)
@at_desk
def list_(desk: Desk, also_closed: bool, **query: Any) -> int:
    """List dead letters that need a human, grouped by cause; ends with 3 when there is none."""
    del query["state"]
    view = desk.ask("dead", all=also_closed, **query)
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.table(
            "Causes",
            ("endpoint", "reason", "count"),
            [(row["endpoint"], row["reason"], row["count"]) for row in view["causes"]],
        )
        desk.table(
            "Dead letters",
            ("delivery", "message", "route", "endpoint", "reason", "attempts", "remark"),
            [
                (
                    row["delivery"],
                    row["message_id"],
                    row["route"],
                    row["endpoint"],
                    row["reason"],
                    row["attempts"],
                    _last_words(row),
                )
                for row in view["dead"]
            ],
        )
        if not view["dead"]:
            desk.terminal.note(desk.say("no dead letter is open"))
    return Exit.OK if view["dead"] else Exit.NOTHING


@dead.command()
@click.argument("identifier", metavar="ID")
@at_desk
def show(desk: Desk, identifier: str) -> None:
    """Show the dead deliveries of a message with all their attempts."""
    view = desk.ask(f"messages/{identifier}")
    found = [row for row in view["deliveries"] if row["state"] == "dead"]
    if not found:
        raise NotFound(f"no delivery of {view['id']} is dead")
    if desk.as_json:
        desk.terminal.answer({**view, "deliveries": found})
        return
    print_deliveries(desk, found)
    desk.table(
        "Attempts",
        ("delivery", "number", "endpoint", "result", "code", "remark"),
        [
            (
                row["delivery"],
                each["number"],
                each["endpoint"],
                Word(each["result"]),
                each["code"],
                each["remark"],
            )
            for row in found
            for each in row["tries"]
        ],
    )


@dead.command()
@click.argument("deliveries", nargs=-1, type=int, metavar="[DELIVERY]...")
@click.option("--endpoint", help="All that are open for this endpoint.")
@click.option("--out-of-order", is_flag=True, help="Also where a later one of the lane was delivered.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def release(
    desk: Desk, deliveries: tuple[int, ...], endpoint: str | None, out_of_order: bool, reason: str | None
) -> int:
    """Reopen dead letters at their place in their lane."""
    with desk.open() as caller:
        wanted = chosen(deliveries, endpoint, partial(_open_for, caller))
        body = {"out_of_order": out_of_order, "reason": reason}
        answers = each(desk, caller, wanted, "dead/{}/release", body)
    line = "released: delivery {delivery} is {state}"
    return told(desk, "released", answers, wanted, line, "{count} released")


@dead.command()
@click.argument("deliveries", nargs=-1, type=int, metavar="[DELIVERY]...")
@click.option("--endpoint", help="All that are open for this endpoint.")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@at_desk
def discard(desk: Desk, deliveries: tuple[int, ...], endpoint: str | None, reason: str) -> int:
    """Close dead letters for good; what waits behind them in their lanes goes on."""
    with desk.open() as caller:
        wanted = chosen(deliveries, endpoint, partial(_open_for, caller))
        answers = each(desk, caller, wanted, "dead/{}/discard", {"reason": reason})
    return told(desk, "discarded", answers, wanted, "discarded: delivery {delivery}", "{count} discarded")


def _open_for(caller: Caller, endpoint: str) -> list[View]:
    """Return the dead letters of an endpoint that need a human."""
    found: list[View] = caller.call("GET", "dead", {"endpoint": endpoint, "limit": MOST})["dead"]
    return found


def _last_words(row: View) -> str:
    """Return what the last attempt came to."""
    if not row["tries"]:
        return ""
    last = row["tries"][-1]
    return f"{last['code']} {last['remark'] or ''}".strip()
