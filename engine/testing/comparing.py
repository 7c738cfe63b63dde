"""Compares what a golden test found with what it expects, in sentences that say what to do."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.model import Result, State
from engine.runtime.routing.paper import routing_endpoint
from engine.store.protocol import AttemptRow, DeliveryRow
from engine.testing.cases import BodyExpectation, Case, Expectation, state_of
from engine.testing.fields import field_differences, is_hl7, is_instance

_TAKEN = (State.DELIVERED, State.DELIVERED_BY_FALLBACK)
_SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class Found:
    """The end of one golden test: replies as (status, refused paths), deliveries by first endpoint in order, their
    attempts, alerts opened as `kind:subject`, and bodies by (endpoint, message id)."""

    answers: Sequence[tuple[str, Sequence[str]]]
    rows: Mapping[str, Sequence[DeliveryRow]]
    attempts: Mapping[int, Sequence[AttemptRow]]
    alerts: Sequence[str]
    sent: Mapping[tuple[str, str], bytes]


def differences(case: Case, found: Found, folder: Path, *, update: bool) -> tuple[list[str], list[Path]]:
    """Return what differs, and the golden files that `update` wrote."""
    told: list[str] = []
    written: list[Path] = []
    replies = iter(enumerate(found.answers, 1))
    met: dict[str, int] = {}
    for expected in case.expect:
        if expected.reply is not None:
            told.extend(_reply(expected, next(replies, None)))
        elif name := _name_of(expected):
            index = met.get(name, 0)
            met[name] = index + 1
            rows = found.rows.get(name, ())
            if index >= len(rows):
                told.append(f"{name}: expected delivery {index + 1}, found {len(rows)}")
                continue
            told.extend(_delivery(expected, rows[index], found))
            if expected.body is not None:
                told.extend(_body(expected.body, rows[index], found, folder, written, update=update))
        elif expected.alerts is not None:
            wanted = sorted(alert for alert in expected.alerts if alert != "none")
            if wanted != list(found.alerts):
                told.append(f"alerts: expected {_listed(wanted)}, found {_listed(found.alerts)}")
    return told, written


def _reply(expected: Expectation, found: tuple[int, tuple[str, Sequence[str]]] | None) -> Iterator[str]:
    if found is None:
        yield f"reply {expected.reply}: no message came in for it"
        return
    number, (status, paths) = found
    if status != expected.reply:
        refused = f" naming {_listed(paths)}" if paths else ""
        yield f"reply {number}: expected {expected.reply}, found {status}{refused}"
    elif expected.path and expected.path not in paths:
        yield f"reply {number}: expected the path {expected.path}, found {_listed(paths)}"


def _name_of(expected: Expectation) -> str:
    """Return the endpoint that a line is about, "" for none."""
    if expected.endpoint is not None:
        return str(expected.endpoint)
    return routing_endpoint(expected.route) if expected.route is not None else ""


def _delivery(expected: Expectation, row: DeliveryRow, found: Found) -> Iterator[str]:
    duty = row.delivery
    name = _name_of(expected)
    attempts = found.attempts[duty.sequence]
    if expected.state and duty.state is not state_of(expected.state):
        last = f" (last attempt: {attempts[-1].result.word} {attempts[-1].code})" if attempts else ""
        yield f"{name}: expected {expected.state}, found {duty.state.word} {duty.reason}{last}".rstrip()
    if expected.by and (duty.state not in _TAKEN or duty.endpoint != expected.by):
        yield f"{name}: expected to be taken by {expected.by}, found {duty.endpoint} {duty.state.word}"
    if expected.attempts is not None and len(attempts) != expected.attempts:
        yield f"{name}: expected {expected.attempts} attempts, found {len(attempts)}"
    if expected.reason and duty.reason != expected.reason:
        yield f"{name}: expected the reason {expected.reason}, found {duty.reason or 'none'}"
    took = (row.settled_ms - duty.accepted_ms) / 1000
    if expected.after is not None and abs(took - expected.after.total_seconds()) >= 1:
        yield f"{name}: expected its end after {expected.after.total_seconds():g} s, found {took:g} s"
    if expected.within is not None and took > expected.within.total_seconds():
        yield f"{name}: expected its end within {expected.within.total_seconds():g} s, found {took:g} s"


def _body(
    expected: BodyExpectation,
    row: DeliveryRow,
    found: Found,
    folder: Path,
    written: list[Path],
    *,
    update: bool,
) -> Iterator[str]:
    duty = row.delivery
    taken = [each.endpoint for each in found.attempts[duty.sequence] if each.result is Result.DELIVERED]
    body = found.sent.get((taken[-1] if taken else duty.endpoint, duty.message_id))
    if body is None:
        yield f"{expected.file}: nothing was sent"
        return
    file = folder / expected.file
    if update:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body if is_hl7(body) else _pretty(_readable(body), expected.ignore).encode())
        written.append(file)
        return
    if not file.exists():
        yield f"{expected.file}: there is no such file; `passerelle test --update` writes it"
        return
    if is_hl7(body):
        if told := field_differences(file.read_bytes(), body, expected.ignore):
            yield "\n".join([f"{expected.file}: what was sent differs", *told[:_SHOWN_LINES]])
        return
    held = file.read_bytes()
    golden = _pretty(_readable(held), expected.ignore)
    sent = _pretty(_readable(body), expected.ignore, like=golden)
    if golden != sent:
        lines = list(
            difflib.unified_diff(golden.splitlines(), sent.splitlines(), "golden", "sent", lineterm="", n=1)
        )
        yield "\n".join([f"{expected.file}: what was sent differs", *lines[:_SHOWN_LINES]])
    elif is_instance(held) and held != body:
        yield f"{expected.file}: the attributes say the same, but the bytes differ"


def _readable(content: bytes) -> bytes:
    """Return what a golden file holds: of a DICOM instance a line per attribute, of all else the bytes."""
    if not is_instance(content):
        return content
    from engine.codecs.dicom.dumping import texts  # few tests send instances
    from engine.codecs.dicom.instances import open_instance
    from engine.codecs.dicom.source import Source

    found = texts(open_instance(Source(content)))
    return "".join(f"{path} {value}\n" for path, value in found.items()).encode()


def _pretty(content: bytes, ignored: Sequence[str], *, like: str = "") -> str:
    """Return JSON with its ignored paths blanked, one value a line; text as it is.

    Keys are in the order of `like`, since it tells nothing (RFC 8259 4): a difference that is shown is one.
    """
    try:
        root: Any = json.loads(content, parse_float=str)
        model: Any = json.loads(like) if like else None
    except ValueError:
        return content.decode("utf-8", "backslashreplace")
    for dotted in ignored:
        node = root
        *parents, last = dotted.split(".")
        for name in parents:
            node = node.get(name, {}) if isinstance(node, dict) else {}
        if isinstance(node, dict) and last in node:
            node[last] = "(not compared)"
    return json.dumps(_in_order(root, model), ensure_ascii=False, indent=2) + "\n"


def _in_order(value: Any, model: Any) -> Any:
    """Return JSON whose objects have their keys in the order of a model, those that it has not behind them."""
    if isinstance(value, dict) and isinstance(model, dict):
        keys = [*(key for key in model if key in value), *(key for key in value if key not in model)]
        return {key: _in_order(value[key], model.get(key)) for key in keys}
    if isinstance(value, list) and isinstance(model, list):
        rest = [None] * max(0, len(value) - len(model))
        return [_in_order(item, other) for item, other in zip(value, [*model, *rest], strict=False)]
    return value


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts) or "none"
