"""The model of `*.test.yaml`: a route's golden tests, in the words of the people who write routes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from engine.config.models import (
    Count,
    Duration,
    EndpointName,
    FilePath,
    Many,
    Name,
    Reading,
    StrictModel,
    matching,
)
from engine.model import State

LINES = ("accept", "absent", "refuse", "busy", "silent", "drop", "AA", "AE", "AR")


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError from None  # the reading says what a time looks like
    if moment.tzinfo is None:
        raise ValueError("the time has no offset")
    return moment


Instant = Annotated[
    datetime, Reading("a time", "write 2026-11-02T09:00:00-05:00", datetime, _instant, {"type": "string"})
]


class Line(StrictModel):
    """One answer of a scripted partner; the last line of a script repeats."""

    answer: Annotated[
        str,
        matching(
            "an answer",
            "write " + ", ".join(LINES) + " or an HTTP status",
            "|".join((*LINES, "[2-5][0-9][0-9]")),
        ),
    ]
    """`accept`, `absent`, `refuse`, `busy`, `silent`, `drop`, an HTTP status with the webhook's meaning, or an
    acknowledgement of HL7 v2: `AA` takes it, `AE` wants it again, `AR` refuses it."""
    says: FilePath | None = None
    """A file with the body of its answer, relative to the test file."""
    retry_after: Duration | None = None
    """When a busy partner asks us to come back."""
    takes: Duration | None = None
    """How long the partner takes to answer."""


def _line(value: Any) -> Any:
    return value if isinstance(value, dict | Line) else {"answer": value}


ScriptLine = Annotated[Line, BeforeValidator(_line)]


class Arrival(StrictModel):
    """One message that comes in."""

    file: FilePath
    """Its content, relative to the test file."""
    at: Instant
    """When it comes; arrivals stand in the order of their times."""
    listener: Name | None = None
    """The door it comes through; the first of the route's where it is not given."""
    control_id: str = ""
    """The sender's id, where the content has none."""
    set: dict[str, str] = Field(default_factory=dict)
    """Paths -> other values: variants without a file of their own. Dotted from the root of a JSON file; `PID-3.1` in an
    HL7 message."""


class BodyExpectation(StrictModel):
    """What was sent, compared as JSON or by the fields of HL7 v2 where both are."""

    file: FilePath
    """The golden file, relative to the test file; `passerelle test --update` writes it."""
    ignore: tuple[str, ...] = ()
    """Dotted paths, or fields (`MSH-7`), that are not compared."""


class Expectation(StrictModel):
    """One thing that must be so at the end; exactly one of `reply`, `endpoint`, `route` and `alerts` is given."""

    reply: Annotated[str, matching("a reply", "write 202, or AA", "[2-5][0-9][0-9]|A[AER]")] | None = None
    """Reply to the n-th arrival, in the order of the `reply` lines: an HTTP status, for HL7 v2 `AA`, `AE` or `AR`."""
    path: str = ""
    """With `reply`: a path that the refusal names."""
    endpoint: EndpointName | None = None
    """The destination's first endpoint; the n-th line of an endpoint is about its n-th delivery."""
    route: Name | None = None
    """The route in which a message waits, or is a dead letter, as it came: it was not routed, or goes nowhere."""
    state: Literal[
        "pending", "retrying", "held", "parked", "awaiting", "delivered", "delivered_by_fallback", "filtered",
        "superseded", "recalled", "expired", "dead",
    ] | None = None  # fmt: skip
    """Its state at the end."""
    by: EndpointName | None = None
    """The endpoint that took it."""
    after: Duration | None = None
    """Time from its arrival to its end, to the second."""
    within: Duration | None = None
    """Most time from its arrival to its end."""
    attempts: Count | None = None
    """How many attempts were made, over all endpoints."""
    reason: str = ""
    """Its reason code."""
    body: BodyExpectation | None = None
    """What was sent."""
    alerts: Annotated[tuple[str, ...], *Many] | None = None
    """`none`, or all alerts that were opened, as `kind:subject`."""


class Case(StrictModel):
    """One golden test: no network, virtual time."""

    name: Annotated[str, Field(min_length=1)]
    """What it shows, as a sentence."""
    arrivals: tuple[Arrival, ...] = Field(alias="in", min_length=1)
    """Messages that come in."""
    partners: dict[EndpointName, tuple[ScriptLine, ...]] = Field(default_factory=dict)
    """What each endpoint answers; one that is not named accepts."""
    until: Duration | None = None
    """Look at the end state this long after the last arrival; without it, when nothing is left to do."""
    expect: tuple[Expectation, ...] = Field(min_length=1)
    """What must be so."""


def state_of(word: str) -> State:
    """Return the state that a word names."""
    return State[word.upper()]


def cases_beside(route_file: Path) -> Path:
    """Return where the tests of a route file stand: `x.yaml` -> `x.test.yaml`."""
    return route_file.with_suffix(".test.yaml")
