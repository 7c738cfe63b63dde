"""The model of a partner: who it is, how it proves it, when it rests, and its endpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Annotated

from pydantic import Field, GetJsonSchemaHandler, SerializeAsAny
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from engine.config.models import (
    EndpointConfig,
    Expr,
    FilePath,
    Labelled,
    Many,
    Name,
    RateLimit,
    Reading,
    Sha256,
    StrictModel,
    ZoneName,
    matching,
)
from engine.config.plugins import picked_channel
from engine.config.text import shown

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of the day; it ends on the next one where `end` is not after `start`."""

    start: time
    end: time

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """Hours that begin on some days of the week; 0 is Monday."""

    days: frozenset[int]
    hours: Hours


def read_hours(text: str) -> Hours:
    """Read `08:00-17:00`; ValueError otherwise."""
    match = re.fullmatch(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})", text, re.ASCII)
    if not match:
        raise ValueError
    try:
        hours = Hours(time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4])))
    except ValueError:
        raise ValueError from None
    if hours.start == hours.end:
        raise ValueError("begins and ends at the same time")
    return hours


def read_weekly_hours(text: str) -> WeeklyHours:
    """Read `tue 22:00-02:00`, `mon-fri 12:00-13:00`, `sat,sun 00:00-06:00` or `daily 03:00-03:30`; else ValueError."""
    words, blank, hours = text.partition(" ")
    if not blank:
        raise ValueError
    days: set[int] = set()
    for word in ["mon-sun"] if words == "daily" else words.split(","):
        first, _, last = word.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f'"{shown(text)}" names no day of the week')
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days.update(range(begin, end + 1) if begin <= end else [*range(begin, 7), *range(end + 1)])
    return WeeklyHours(frozenset(days), read_hours(hours))


class Contact(StrictModel):
    """Whom to call when messages do not get through."""

    name: str = ""
    """Person or service."""

    phone: str = ""
    """Telephone number as it is dialled."""

    email: str = ""
    """Mail address."""

    hours: (
        Annotated[Hours, Reading("hours", "write 08:00-17:00", Hours, read_hours, {"type": "string"})] | None
    ) = None
    """When they can be reached, in the partner's time zone."""


class CertificateTrust(StrictModel):
    """A certificate that proves to be this partner: an issuer and one subject alternative name, or its SHA-256."""

    issuer: FilePath | None = None
    """PEM file of the authority that must have issued it."""

    san: (
        Annotated[
            str, matching("a subject alternative name", "write dns:host or uri:urn:x", r"(dns|uri):\S+")
        ]
        | None
    ) = None
    """Subject alternative name that it must bear; the common name never counts."""

    sha256: Sha256 | None = None
    """SHA-256 of the certificate itself, in hex."""


class Maintenance(StrictModel):
    """A time in which the partner is expected to be away: no attempt is spent, no alert opens."""

    every: Annotated[
        WeeklyHours,
        Reading(
            "a weekly time",
            "write tue 22:00-02:00, mon-fri 12:00-13:00 or daily 03:00-03:30",
            WeeklyHours,
            read_weekly_hours,
            {"type": "string"},
        ),
    ]
    """Days and hours, in the partner's time zone; hours may pass midnight."""

    catch_up: RateLimit | None = None
    """Most messages per time afterwards, until nothing waits any more."""


Endpoint = Annotated[SerializeAsAny[EndpointConfig], picked_channel("endpoint")]


class Subscription(StrictModel):
    """Domain events that a partner wants, and which of its endpoints gets them."""

    events: Annotated[tuple[Name, ...], *Many] = ()
    """Types of the events; all, where it is not given."""

    endpoint: Name
    """The endpoint that gets them, by its name here."""

    when: Expr | None = None
    """Only events for which this holds: `msg` is the event's data, `meta.event` its envelope, `partner` whoever
    subscribes."""

    as_: Name = Field("event", alias="as")
    """The form in which it wants them: routes deliver each form by an entry of their own (`to: [{subscribers: fhir}]`);
    `event` is the CloudEvent itself."""


class PartnerConfig(Labelled):
    """A clinic, hospital, laboratory or system that messages come from or go to."""

    identifiers: dict[Name, Annotated[tuple[Annotated[str, Field(min_length=1)], ...], *Many]] = Field(
        default_factory=dict
    )
    """What it is found by in messages (`permit`, `facility`, ...): one value, or several."""

    contact: Contact = Contact()
    """Whom to call."""

    zone: ZoneName | None = None
    """Its time zone; the engine's where it is not given."""

    certificates: tuple[CertificateTrust, ...] = ()
    """Certificates that prove who it is."""

    maintenance: tuple[Maintenance, ...] = ()
    """Times in which it is expected to be away."""

    endpoints: dict[Name, Endpoint] = Field(default_factory=dict)
    """Where messages for it go, by name; routes say `partner.endpoint`."""

    subscriptions: tuple[Subscription, ...] = ()
    """Events that it wants, whichever route brings them (`to: [{subscribers: event}]`). An endpoint gets an event once,
    by the first that holds."""

    formerly: tuple[Name, ...] = ()
    """Names it had before: what is stored under them belongs to it."""


class PartnerFile(PartnerConfig):
    """A partner in a file of its own, found by `include:`."""

    partner: Name
    """Its name."""


@dataclass(frozen=True, slots=True)
class OrDirectory:
    """Metadata for partners by name: `csv` and `template` beside them make one of each line of a CSV file."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        csv = "CSV file with a header line; its column `name` names the partner. UTF-8, commas or semicolons."
        named = {
            "csv": csv,
            "template": "Name of the template under `templates:` that is filled with each line.",
        }
        return {
            **handler(schema),
            "properties": {key: {"type": "string", "description": told} for key, told in named.items()},
        }
