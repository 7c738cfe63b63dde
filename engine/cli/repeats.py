"""`passerelle repeats`: let a partner send again on purpose what it sent before."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import local


@click.command()
@click.argument("partner")
@click.option("--until", help="A time, or how long from now: 30m, 2h; needed unless --end.")
@click.option("--end", is_flag=True, help="Recognise its copies again, now.")
@click.option("--reason", help="Why; kept in the journal.")
@at_desk
def repeats(desk: Desk, partner: str, until: str | None, end: bool, reason: str | None) -> int:
    """Take copies of a partner's messages as new until a moment, instead of answering them as copies."""
    if bool(until) == end:
        raise click.UsageError("say until when (--until 2h), or --end")
    if end:
        view = desk.order("no-repeats", partner=partner, reason=reason)
        was = view["was_allowed"]
        text = "copies from {name} are recognised again" if was else "copies from {name} were recognised"
        said = desk.say(text, name=partner)
    else:
        view = desk.order("repeats", partner=partner, until=until, reason=reason)
        said = desk.say("repeats from {name} until {until}", name=partner, until=local(view["until"]))
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        desk.terminal.line(said)
    return Exit.OK
