"""Asks an archive by hand: the channel `dicom_query` as the engine uses it, with a question from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import click

from engine.cli.desk import Desk
from engine.cli.dicom.reaching import reached
from engine.cli.exits import Exit
from engine.model import Attempt, Body, Disposition, Message, Receipt, Reply, Verdict

if TYPE_CHECKING:
    from engine.spi import ChannelContext, Exchange, Intake

LEVELS: Final = ("patient", "study", "series", "image")
_CONTENT_TYPE: Final = "application/json"


def question_of(keys: Sequence[str], *, level: str, limit: int = 0) -> bytes:
    """Return the message that asks: `PatientID=4711` is to match, `StudyDescription` is to be told.

    Raises:
        UsageError: two keys are the same.
    """
    match = dict(key.split("=", 1) for key in keys if "=" in key)
    shown = [key for key in keys if "=" not in key]
    if len(match) + len(shown) != len(keys):
        raise click.UsageError("a key is said twice")
    asked: dict[str, Any] = {"level": level, "match": match}
    if shown:
        asked["return"] = [*shown, *(key for key in match if key not in shown)]
    if limit:
        asked["limit"] = limit
    return json.dumps(asked).encode()


def asker(
    desk: Desk, target: str, *, ask: str, how: dict[str, Any], **keys: Any
) -> tuple[Any, ChannelContext]:
    """Return the configuration of an endpoint that asks, and a context for its channel; raises as `reached`."""
    from engine.registry import channel_type

    config, context = reached(desk, target, types=("dicom", "dicom_query"), **how)
    if config.type == "dicom_query":
        return config.model_copy(update={"ask": ask, "move_to": None, "into": None, **keys}), context
    model = channel_type("dicom_query").endpoint
    assert model is not None, "the channel dicom_query has endpoints"
    asks = model.model_validate({"dicom_query": str(config.dicom), "ae_title": config.ae_title})
    known = ("calling", "tls", "plaintext", "timeouts", "limits", "allow_addresses")
    update = {name: getattr(config, name) for name in known}
    return asks.model_copy(update={**update, "ask": ask, **keys}), context


async def answer(
    config: Any, context: ChannelContext, question: bytes, *, timeout: float, counted: Callable[[int], None]
) -> Reply:
    """Ask, and return the archive's answer; `counted` hears of instances as they are moved or brought.

    Raises:
        PasserelleError: the archive was not reached, or refuses.
    """
    from engine.registry import channel_type

    make = channel_type("dicom_query").outbound
    assert make is not None, "the channel dicom_query sends"
    context = replace(context, counters=_Counting(counted))
    attempt = Attempt(1, context.new_id(), 1, context.name, Body.of(question), _CONTENT_TYPE, timeout)
    async with make(config, context) as outbound:
        return await outbound.send(attempt)


def into(context: ChannelContext, folder: Path) -> ChannelContext:
    """Return a context whose listener is a folder: each instance that is brought becomes a file of its UID."""
    intake: Intake = _Files(folder)
    return replace(context, intake=lambda listener: intake)


F = TypeVar("F", bound=Callable[..., object])


def bringing_options(command: F) -> F:
    """Add what `get` and `move` are told alike: what they ask for, how far down, and how long they may take."""
    timeout = click.FloatRange(0, min_open=True)
    for option in (
        click.option("--timeout", type=timeout, default=3600.0, show_default=True, metavar="SECONDS"),
        click.option("--level", type=click.Choice(LEVELS), default="study", show_default=True),
        click.argument("keys", nargs=-1, required=True, metavar="KEY=VALUE..."),
    ):
        command = option(command)
    return command


def tell_brought(desk: Desk, reply: Reply, where: str) -> Exit:
    """Say how many instances went `where`, and return how the command ends: badly where one did not."""
    told = json.loads(reply.body)
    if desk.as_json:
        desk.terminal.answer({"status": reply.code, **told})
    else:
        desk.terminal.line(
            f"{told['completed']} -> {where}, {told['warning']} !, {told['failed']} x: {reply.code}"
        )
    return Exit.OK if not told["failed"] else Exit.FAILED


class _Counting:
    """The metrics of one question: its sub-operations."""

    def __init__(self, counted: Callable[[int], None]) -> None:
        self._counted = counted

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        if labels.get("event") == "suboperation":
            self._counted(round(amount))

    def observe(self, name: str, value: float, **labels: str) -> None:
        return None


class _Share:
    """Nothing is short where a command runs alone."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class _Files:
    """Writes instances to a folder; implements `spi.Intake`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def admit(self, partner: str | None, size: int, selector: str = "") -> _Share:
        return _Share()

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{message.control_id}.dcm"
        _write(message.body, path)
        verdict = Verdict(Disposition.ACCEPTED, message.id)
        return Receipt(verdict.disposition, message.id, exchange.reply(verdict))


def _write(body: Body, path: Path) -> None:
    """Write a body piece by piece: it may be larger than memory."""
    with path.open("wb") as out:
        out.writelines(body.chunks())
