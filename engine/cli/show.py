"""`passerelle show ID`: one message with its deliveries and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.terminal import View, Word, lasting, local


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--content", is_flag=True, help="Show its content too; needs --purpose.")
@click.option("--purpose", help="Why its content is looked at; kept in the journal.")
@at_desk
def show(desk: Desk, identifier: str, content: bool, purpose: str | None) -> None:
    """Show one message; its content only for a purpose."""
    view = desk.ask(f"messages/{identifier}", content=content, purpose=purpose)
    if desk.as_json:
        desk.terminal.answer(view)
        return
    partner = f" {desk.say('partner')} {view['partner']}" if view["partner"] else ""
    desk.terminal.line(
        f"{view['id']} {desk.say(view['disposition'])} {local(view['received'])} {view['listener']}{partner}"
    )
    print_deliveries(desk, view["deliveries"])
    desk.table(
        "Attempts",
        ("delivery", "number", "endpoint", "started", "took", "result", "code", "remark"),
        [
            (
                row["delivery"],
                each["number"],
                each["endpoint"],
                local(each["started"]),
                lasting(each["took_ms"] / 1000),
                Word(each["result"]),
                each["code"],
                each["remark"],
            )
            for row in view["deliveries"]
            for each in row["tries"]
        ],
    )
    print_reports(desk, view["losses"])
    for role, text in view.get("content", {}).items():
        desk.terminal.line(f"--- {role}")
        # HL7 ends its segments with a carriage return: a terminal would write one over the other
        desk.terminal.line(text.replace("\r\n", "\n").replace("\r", "\n"))


def print_reports(desk: Desk, reports: Sequence[Mapping[str, Any]]) -> None:
    """Print what two-way mappers could not carry of a message: places and reasons, never a value."""
    for report in reports:
        from engine.cli.map.losses import losses, print_losses  # few messages pass a two-way mapper

        part = f" #{report['part']}" if "part" in report else ""
        told = f"{report['mapper']} {report['version']}: {report['from']} -> {report['to']}{part}"
        desk.terminal.line(told)
        if remark := report.get("remark"):
            desk.terminal.line(f"  {remark}")
        if "mapped" in report:
            print_losses(desk, losses(report), only_lost=True, margin="  ")


def print_deliveries(desk: Desk, deliveries: list[View]) -> None:
    """Print deliveries with state, attempts and what comes next."""
    desk.table(
        "Deliveries",
        ("delivery", "route", "destination", "state", "reason", "endpoint", "attempts", "due", "settled"),
        [
            (
                row["delivery"],
                row["route"],
                row["destination"] or row["kind"],
                Word(row["state"]),
                row["reason"],
                row["endpoint"],
                row["attempts"],
                local(row["due"]),
                local(row["settled"]),
            )
            for row in deliveries
        ],
    )
