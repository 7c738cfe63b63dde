"""`passerelle status`: what runs, waits and fails."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View, Word, lasting, local, octets


@click.command()
@at_desk
def status(desk: Desk) -> int:
    """Show what runs, waits and fails; ends with 1 when a running engine is not ready."""
    view = desk.ask("status")
    if desk.as_json:
        desk.terminal.answer(view)
    else:
        _print(desk, view)
    return Exit.FAILED if view["running"] and not view["ready"] else Exit.OK


def _print(desk: Desk, view: View) -> None:
    line, say = desk.terminal.line, desk.say
    if view["running"]:
        text = "running since {since}, ready" if view["ready"] else "running since {since}, not ready"
        line(say(text, since=local(view["started"])))
    else:
        line(say("stopped; this is what the store holds"))
    store = view["store"]
    if not store["writable"]:
        line(say("the store cannot be written: {detail}", detail=store["detail"] or ""))
    free, commit = octets(store["free_bytes"]), f"{store['commit_ms']:g}"
    line(say("disk: {free} free, a commit takes {commit} ms", free=free, commit=commit))
    if not view["conserved"]:
        line(say("counts do not add up: run `passerelle reconcile`"))
    print_alerts(desk, view["alerts"])
    print_routes(desk, view)
    _endpoints(desk, view.get("endpoints", []))
    _channels(desk, view.get("channels", []))
    desk.table(
        "Closed",
        ("kind", "subject", "since", "until", "by", "reason"),
        [
            (
                row["kind"],
                row["subject"],
                local(row["since"]),
                local(row["until"]),
                row["actor"],
                row["reason"],
            )
            for row in view.get("closed", [])
        ],
    )


def print_routes(desk: Desk, view: View) -> None:
    """Print what each route did and owes."""
    desk.table(
        "Routes",
        (
            "route",
            "in",
            "waiting",
            "retrying",
            "held",
            "delivered",
            "of them by fallback",
            "filtered",
            "ended otherwise",
            "dead",
            "oldest",
        ),
        [
            (
                row["route"],
                row["in"],
                row["waiting"],
                row["retrying"],
                row["held"],
                row["delivered"],
                row["by_fallback"],
                row["filtered"],
                row["ended_otherwise"],
                row["dead"],
                lasting(row["oldest_seconds"]),
            )
            for row in view["routes"]
        ],
    )


def print_alerts(desk: Desk, alerts: list[View]) -> None:
    """Print the alerts that are open."""
    desk.table(
        "Alerts",
        ("kind", "subject", "detail", "opened", "tells"),
        [(row["kind"], row["subject"], row["detail"], local(row["opened"]), row["tells"]) for row in alerts],
    )


def _endpoints(desk: Desk, endpoints: list[View]) -> None:
    desk.table(
        "Endpoints",
        ("endpoint", "in flight", "backlog", "breaker", "gate", "next", "empty at"),
        [
            (
                row["endpoint"],
                row["in_flight"],
                row["backlog"],
                Word(row["breaker"]),
                row["gate"]["kind"] if row["gate"] else None,
                local(row["opens"] or row["next_due"]),
                local(row["empty"]),
            )
            for row in endpoints
        ],
    )


def _channels(desk: Desk, channels: list[View]) -> None:
    desk.table(
        "Listeners",
        ("listener", "state", "address", "restarts", "remark"),
        [
            (row["listener"], Word(row["state"]), row["address"], row["restarts"], row["error"])
            for row in channels
            if "listener" in row
        ],
    )
