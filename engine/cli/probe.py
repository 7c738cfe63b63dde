"""`passerelle probe [PARTNER.ENDPOINT...]`: try the way to endpoints without sending a message."""

from __future__ import annotations

import click

from engine.cli.desk import Desk, at_desk
from engine.cli.exits import Exit
from engine.cli.terminal import View


@click.command()
@click.argument("endpoints", nargs=-1, metavar="[PARTNER.ENDPOINT]...")
@at_desk
def probe(desk: Desk, endpoints: tuple[str, ...]) -> int:
    """Try dns, tcp, tls, certificate and protocol of endpoints, all by default; ends with 1 when one fails."""
    answers: list[View] = []
    with desk.engine() as engine:
        names = endpoints or tuple(row["endpoint"] for row in engine.call("GET", "endpoints")["endpoints"])
        with desk.terminal.progress("probe", len(names)) as advance:
            for name in names:
                answers.append(engine.call("POST", "probe", body={"endpoint": name}))
                advance()
    if desk.as_json:
        desk.terminal.answer({"probes": answers})
    else:
        desk.table(
            "Endpoints",
            ("endpoint", "stage", "well", "remark"),
            [
                (each["endpoint"], row["stage"], row["well"], row["remark"])
                for each in answers
                for row in each["stages"]
            ],
        )
    return Exit.OK if all(each["well"] for each in answers) else Exit.FAILED
