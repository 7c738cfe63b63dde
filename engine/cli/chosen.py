"""The deliveries that an operator means, named or found, and one call for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from engine.cli.calling import Caller
from engine.cli.desk import Desk
from engine.cli.exits import Exit
from engine.cli.terminal import View
from engine.errors import Conflict, NotFound

MOST = 5_000
"""The most that one search gives."""


def chosen(named: Sequence[int], endpoint: str | None, find: Callable[[str], list[View]]) -> list[int]:
    """Return the deliveries named, or all that `find` gives for an endpoint, the oldest first.

    Raises:
        UsageError: deliveries and an endpoint were both given, or neither.
        NotFound: nothing is there for the endpoint.
    """
    if bool(named) == bool(endpoint):
        raise click.UsageError("name deliveries, or --endpoint for all of one")
    if named or endpoint is None:
        return list(named)
    found = find(endpoint)
    if not found:
        raise NotFound(f"nothing fits for {endpoint}")
    return sorted(row["delivery"] for row in found)


def each(desk: Desk, caller: Caller, wanted: Sequence[int], path: str, body: View) -> list[View]:
    """Call `path`, in which `{}` is the delivery, for each; return them as they are now.

    Of several, one whose state does not allow it is told and left out: the others are not its hostages.

    Raises:
        Conflict: the state of the only one does not allow it.
    """
    answers: list[View] = []
    with desk.terminal.progress(path.rpartition("/")[2], len(wanted)) as advance:
        for delivery in wanted:
            try:
                answers.append(caller.call("POST", path.format(delivery), body=body)["delivery"])
            except Conflict as error:
                if len(wanted) == 1:
                    raise
                desk.terminal.note(str(error))
            advance()
    return answers


def told(desk: Desk, key: str, answers: Sequence[View], wanted: Sequence[int], line: str, total: str) -> int:
    """Print what was done: JSON below `key`, else a `line` for each and the `total`; 1 where some were left out."""
    if desk.as_json:
        desk.terminal.answer({key: list(answers)})
    else:
        for row in answers:
            state = desk.say.word(row["state"])
            desk.terminal.line(desk.say(line, delivery=row["delivery"], state=state))
        desk.terminal.note(desk.say(total, count=len(answers)))
    return Exit.OK if len(answers) == len(wanted) else Exit.FAILED
