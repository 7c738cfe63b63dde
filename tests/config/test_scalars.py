"""Scalars are text, and each type reads its own: what is read, and what is told otherwise."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from engine.config.models import (
    Address,
    AmqpUrl,
    Backoff,
    BackoffRange,
    Bool,
    Count,
    Date,
    Duration,
    EndpointName,
    HostPort,
    HttpUrl,
    Locale,
    MailAddress,
    Name,
    Network,
    Rate,
    RateLimit,
    RetryPolicy,
    Secret,
    Size,
    Url,
    ZoneName,
    is_loopback,
    whole,
)
from engine.config.partner import Hours, WeeklyHours, read_hours, read_weekly_hours
from engine.config.quantities import duration_text, read_duration
from engine.config.text import Filling, Text
from engine.config.words import Expr, TemplateText


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refusal(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as refused:
        read(kind, value)
    return str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Duration, "250ms", timedelta(milliseconds=250)),
        (Duration, "30s", timedelta(seconds=30)),
        (Duration, "1.5h", timedelta(minutes=90)),
        (Duration, "7d", timedelta(days=7)),
        (Duration, "7y", timedelta(days=7 * 365)),
        (Duration, "0s", timedelta(0)),
        (BackoffRange, "2s..5m", Backoff(timedelta(seconds=2), timedelta(minutes=5))),
        (RateLimit, "5/s", Rate(5, timedelta(seconds=1))),
        (RateLimit, "100/10s", Rate(100, timedelta(seconds=10))),
        (Size, "10MB", 10_000_000),
        (Size, "128KiB", 131_072),
        (Count, "8", 8),
        (Bool, "true", True),
        (Bool, "false", False),
        (Date, "2027-06-30", date(2027, 6, 30)),
        (ZoneName, "America/Toronto", "America/Toronto"),
        (Locale, "fr-CA", "fr-CA"),
        (Address, "127.0.0.1:8443", HostPort("127.0.0.1", 8443)),
        (Address, "[::1]:0", HostPort("::1", 0)),
        (Address, "mail.example.org:587", HostPort("mail.example.org", 587)),
        (HttpUrl, "https://dme.example/hooks?x=1", "https://dme.example/hooks?x=1"),
        (AmqpUrl, "amqp://127.0.0.1", "amqp://127.0.0.1"),
        (Name, "clinique-abc", "clinique-abc"),
        (Name, "01234", "01234"),
        (EndpointName, "labo.adt", "labo.adt"),
        (MailAddress, "rdv@clinique.example", "rdv@clinique.example"),
        (Expr, "msg.a == 1", "msg.a == 1"),
        (TemplateText, "", ""),
    ],
)
def test_a_scalar_is_read_from_text(kind: Any, text: str, value: object) -> None:
    assert read(kind, Text(text)) == value


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (Duration, "30", '"30" has no unit'),
        (Duration, "5 minutes", '"5 minutes" is not a duration'),
        (Duration, "-1h", '"-1h" is not a duration'),
        (Duration, "", "expected a duration, found nothing"),
        (Duration, "٣s", '"٣s" is not a duration'),
        (Duration, "9" * 400 + "y", f'"{"9" * 400}y" is too long'),
        (BackoffRange, "2s", '"2s" is not a range of delays'),
        (
            BackoffRange,
            "5m..2s",
            '"5m..2s" does not grow: the first delay is above zero and at most the second',
        ),
        (
            BackoffRange,
            "0s..2s",
            '"0s..2s" does not grow: the first delay is above zero and at most the second',
        ),
        (RateLimit, "5", '"5" is not a rate'),
        (RateLimit, "0/s", '"0/s" is not a rate'),
        (RateLimit, "5/0s", '"5/0s" is not a rate'),
        (Size, "10", '"10" has no unit'),
        (Size, "10mb", '"10mb" is not a size'),
        (Count, "0", '"0" is out of range'),
        (Count, "1e3", '"1e3" is not a whole number'),
        (Annotated[int, whole(1, 5)], "6", '"6" is out of range'),
        (Bool, "yes", '"yes" is not true or false'),
        (Bool, "True", '"True" is not true or false'),
        (Date, "2027-02-29", 'there is no day "2027-02-29"'),
        (Date, "30/06/2027", '"30/06/2027" is not a date'),
        (ZoneName, "Toronto", '"Toronto" is not a time zone'),
        (ZoneName, "../etc/passwd", '"../etc/passwd" is not a time zone'),
        (Address, "127.0.0.1", '"127.0.0.1" has no port'),
        (Address, "127.0.0.1:70000", '"127.0.0.1:70000" has a port above 65535'),
        (Address, "300.0.0.1:1", '"300.0.0.1:1" is not an address'),
        (HttpUrl, "ftp://x.example", '"ftp://x.example" is not a URL'),
        (HttpUrl, "https://", '"https://" is not a URL'),
        (HttpUrl, "https://x.example:http/", '"https://x.example:http/" has no valid port'),
        (HttpUrl, "https://x.example/a b", '"https://x.example/a b" is not a URL'),
        (Network, "10.0.0.1/24", '"10.0.0.1/24" is an address inside a network, not a network'),
        (Name, "clinique abc", '"clinique abc" is not a name'),
        (EndpointName, "labo", '"labo" is not an endpoint'),
        (Expr, " ", '" " is not an expression'),
    ],
)
def test_what_cannot_be_read_is_told_in_words(kind: Any, text: str, told: str) -> None:
    assert refusal(kind, Text(text)) == told


def test_values_of_the_right_type_pass_unchanged() -> None:
    assert read(Duration, timedelta(seconds=3)) == timedelta(seconds=3)
    assert read(Address, HostPort("::1", 1)) == HostPort("::1", 1)
    assert refusal(Duration, {"a": "b"}) == "expected a duration, found a mapping"
    assert refusal(Duration, ["a"]) == "expected a duration, found a list"


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)))
def test_a_duration_is_written_as_it_is_read(value: timedelta) -> None:
    rounded = timedelta(milliseconds=round(value / timedelta(milliseconds=1)))

    assert read_duration(duration_text(rounded)) == rounded


def test_retry_none_is_one_attempt() -> None:
    from engine.config.models import Retry

    assert read(Retry, "none") == RetryPolicy(attempts=1)
    assert read(Retry, {"for": "1h"}).budget == timedelta(hours=1)


def test_a_secret_is_read_by_reference_only_and_never_shown() -> None:
    filled = Text("s3cret-value", None, Filling("${cred:smtp}", "${cred:smtp}"))

    secret = read(Secret, filled)

    assert secret.reveal() == "s3cret-value"
    assert "s3cret-value" not in f"{secret} {secret!r}"
    assert refusal(Secret, Text("s3cret-value")) == "a secret stands here in clear"


def test_a_refusal_quotes_the_reference_and_not_what_was_inserted() -> None:
    filled = Text("s3cret-value", None, Filling("${env:ADDRESS}", "s3cret-value"))

    assert refusal(Address, filled) == '"${env:ADDRESS}" has no port'


def test_a_url_is_printed_without_its_password() -> None:
    url = read(AmqpUrl, "amqps://reader:pw@mq.example:5671/vhost")

    assert isinstance(url, Url)
    assert url.masked == "amqps://reader:***@mq.example:5671/vhost"
    assert (url.scheme, url.host, url.port) == ("amqps", "mq.example", 5671)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("host", False),
    ],
)
def test_loopback_is_what_can_only_be_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) is here


def test_hours_and_weekly_hours() -> None:
    night = Hours(time(22), time(2))

    assert read_hours("22:00-02:00") == night
    assert read_weekly_hours("tue 22:00-02:00") == WeeklyHours(frozenset({1}), night)
    assert read_weekly_hours("sat-mon 22:00-02:00").days == {5, 6, 0}
    assert read_weekly_hours("mon,fri 22:00-02:00").days == {0, 4}
    assert read_weekly_hours("daily 22:00-02:00").days == set(range(7))
    for wrong in ("22:00", "25:00-26:00", "08:00-08:00"):
        with pytest.raises(ValueError):
            read_hours(wrong)
    for wrong in ("tuesday 08:00-09:00", "tue", "tue- 8-9"):
        with pytest.raises(ValueError):
            read_weekly_hours(wrong)
