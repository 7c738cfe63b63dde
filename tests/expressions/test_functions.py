"""The published functions, each by what it gives and what it refuses."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.json import CODEC
from engine.expressions import ExpressionFailed, compile_expression, function_reference
from engine.expressions.functions import FUNCTIONS
from tests.expressions.scopes import scope, value

EASTERN = "'America/Toronto'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("first(msg.none, msg.appointment.note, msg.a)", "E"),
        ("first(msg.none, 0, 1)", 0),
        ("first(msg.codes)", "X"),
        ("first(msg.none)", ""),
        ("first()", ""),
        ("default(msg.none, 'x')", "x"),
        ("default(msg.appointment.note, 'x')", "x"),
        ("default(msg.a, 'x')", "E"),
        ("table('units', 'A1')", "Urgence"),
        ("table('units', 3 + 4)", "Sept"),
        ("table('units', 'B', miss='keep')", "B"),
        ("table('units', 'B', 'empty')", ""),
        ("now()", "2026-11-02T14:00:00.250Z"),
        ("short_id()", "00000000000000000001"),
        ("text(1.50) + text(True) + text(None)", "1.50true"),
        ("upper('é') + lower('É')", "Éé"),
        ("trim('  a b\n')", "a b"),
        ("replace('a.b.c', '.', '')", "abc"),
        ("split('a,b,,c', ',')", ["a", "b", "", "c"]),
        ("split(msg.none, ',')", []),
        ("join(msg.codes, '-')", "X-Y"),
        ("join([1, '', None, 'b'], '-')", "1-b"),
        ("length('été')", 3),
        ("length(msg.codes)", 2),
        ("length(msg.appointment)", 8),
        ("length(msg.none) + length(None)", 0),
        ("contains(msg.text, 'jour')", True),
        ("contains(msg.codes, 'Z')", False),
        ("starts_with(msg.text, 'Bon') and ends_with(msg.text, 'jour')", True),
        ("matches('01234', '\\d{5}')", True),
        ("matches('012345', '\\d{5}')", False),
        ("matches('élan', '.lan')", True),
        ("matches(12, '1.')", True),
        ("slice('abcdef', 1, 3)", "bc"),
        ("slice('abcdef', -2)", "ef"),
        ("pad(7, 3)", "007"),
        ("pad('x', 3, ' ')", "  x"),
        ("pad('long', 2)", "long"),
        ("number(' 012 ')", 12),
        ("number('-1.50')", Decimal("-1.50")),
        ("number(2.5)", Decimal("2.5")),
        ("round(2.5)", 3),
        ("round(-2.5)", -3),
        ("round(1.005, 2)", Decimal("1.01")),
        ("round('2', 2)", Decimal("2.00")),
        ("url('a b/é?')", "a%20b%2F%C3%A9%3F"),
        ("sha256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("base64('é')", "w6k="),
        ("unbase64('w6\nk=')", "é"),
    ],
)
def test_a_function_gives(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("readable(msg.appointment.start, 'fr')", "2 novembre 2026 à 9 h 00"),
        ("readable(msg.appointment.start, 'en')", "November 2, 2026 at 9:00 AM"),
        (f"readable(msg.appointment.end, 'fr-CA', {EASTERN})", "2 novembre 2026 à 9 h 30"),
        (f"readable('2026-08-01T04:05:00Z', 'fr', {EASTERN})", "1er août 2026 à 0 h 05"),
        (f"readable('2026-08-01T04:05:00Z', 'en', {EASTERN})", "August 1, 2026 at 12:05 AM"),
        (f"readable('2026-08-01T16:05:00Z', 'en', {EASTERN})", "August 1, 2026 at 12:05 PM"),
        ("readable('2026-12-24')", "24 décembre 2026"),
        ("readable('20261224', 'en')", "December 24, 2026"),
        ("readable('2026-12-24T23:59', 'fr', partner.zone)", "24 décembre 2026 à 23 h 59"),
        (f"date(msg.appointment.end, '%Y%m%d%H%M%S%z', {EASTERN})", "20261102093000-0500"),
        ("date(msg.appointment.end, '%Y-%m-%dT%H:%M:%S.%L%:z')", "2026-11-02T14:30:00.000+00:00"),
        ("date('2026-03-01', '%d/%m/%Y, %j %%')", "01/03/2026, 060 %"),
        ("date('2026-03-01T13:04', '%I:%M %p')", "01:04 PM"),
        ("parse_time('02/11/2026 09h05', '%d/%m/%Y %Hh%M', 'America/Toronto')", "2026-11-02T09:05:00-05:00"),
        ("parse_time('20261102090000.123-0530', '%Y%m%d%H%M%S.%L%z')", "2026-11-02T09:00:00.123-05:30"),
        ("parse_time('2026 %', '%Y %%', 'UTC')", "2026-01-01T00:00:00+00:00"),
        ("add_minutes(msg.appointment.start, 30)", "2026-11-02T09:30:00-05:00"),
        ("add_minutes('2026-11-02T00:00:00Z', -0.5)", "2026-11-01T23:59:30Z"),
        # over the end of daylight saving time, 1 November 2026 at 2 o'clock
        (f"add_minutes('2026-11-01T00:30:00-04:00', 120, {EASTERN})", "2026-11-01T01:30:00-05:00"),
        (f"text(time('2026-07-01T12:00', {EASTERN}))", "2026-07-01T12:00:00-04:00"),
        (f"text(time('202607011200', {EASTERN}))", "2026-07-01T12:00:00-04:00"),
        (f"text(time('2026-07-01', {EASTERN}))", "2026-07-01T00:00:00-04:00"),
        (f"text(time('2026-07-01T12:00:00Z', {EASTERN}))", "2026-07-01T08:00:00-04:00"),
        ("text(time('20260701120000.1234+0100'))", "2026-07-01T12:00:00.123400+01:00"),
    ],
)
def test_a_date_function_gives(text: str, expected: str) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("table('none', 'x')", "there is no table none"),
        ("table('units', 'B')", "the table units has no such key"),
        ("table('units', msg.codes)", "a list cannot stand in a text"),
        ("short_id(msg.appointment.version)", "8 to 20"),
        ("upper(msg.codes)", "a list cannot stand in a text"),
        ("replace('a', '', 'b')", "needs a text to look for"),
        ("split('a', '')", "needs a separator"),
        ("join('ab')", "join needs a list"),
        ("slice('a', '1')", "whole numbers"),
        ("pad('a', -1)", "width"),
        ("pad('a', 3, 'xy')", "one character"),
        ("number('12a')", "a text is no number"),
        ("number(msg.none)", "an absent value is no number"),
        ("number('1e5')", "a text is no number"),
        ("round(1, 99)", "0 to 30"),
        ("round('9' + '99999999999999999999', 2.5)", "0 to 30"),
        ("unbase64('*')", "no base64"),
        ("unbase64('/w==')", "no base64"),
        ("time('2026-11-02T09:00')", "needs a zone"),
        (f"time('2026-11-01T01:30', {EASTERN})", "exists twice"),
        (f"time('2026-03-08T02:30', {EASTERN})", "exists never"),
        ("time('2026-13-01', 'UTC')", "no such day"),
        ("time('2026-02-30T00:00:00Z')", "this text is no date"),
        ("time('202611', 'UTC')", "this text is no date"),
        ("time('2026-1102', 'UTC')", "this text is no date"),
        ("time(msg.none)", "an absent value is no date"),
        ("time(3)", "a number is no date"),
        ("time('2026-11-02', msg.a)", "no such time zone"),
        ("time('2026-11-02', 'America')", "no such time zone"),
        ("date('2026-11-02', '%H')", "a day without time has no %H"),
        ("date('2026-11-02T09:00', '%z')", "without offset"),
        ("date('2026-11-02', msg.text + '%Q')", "has no %Q"),
        ("readable(msg.appointment.start, msg.a)", "fr and en"),
        ("parse_time('x', '%Y')", "does not fit"),
        ("parse_time('2026', '%Y')", "needs a zone"),
        ("parse_time('2026', msg.none + '%Y%Y')", "or once"),
        ("add_minutes(msg.appointment.start, '3')", "minutes are a number"),
        ("add_minutes(msg.appointment.start, 99999999999)", "no such day or time"),
        ("add_minutes('9999-12-31T23:59:00Z', 5)", "no such day or time"),
    ],
)
def test_a_function_refuses(text: str, message: str) -> None:
    if text in ("time('2026-11-02', 'America')", "round(1, 99)"):
        text = text.replace("'America'", "vars.zone")
    with pytest.raises(ExpressionFailed) as caught:
        value(text, vars={"zone": "America"})
    assert message in str(caught.value)


def test_short_ids_differ_and_have_their_length() -> None:
    here = scope()
    asked = compile_expression("short_id(8)", CODEC)
    made = {asked.evaluate(here) for _ in range(500)}
    assert len(made) == 500
    assert all(len(one) == 8 and set(one) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for one in made)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_encodings_give_back_what_they_were_given(text: str) -> None:
    here = scope(vars={"text": text})

    def of(expression: str) -> Any:
        return compile_expression(expression, CODEC).evaluate(here)

    assert unquote(of("url(vars.text)")) == text
    assert base64.b64decode(of("base64(vars.text)")).decode() == text == of("unbase64(base64(vars.text))")
    assert of("sha256(vars.text)") == hashlib.sha256(text.encode()).hexdigest()


_ARGUMENTS = st.sampled_from(
    [
        "msg.a",
        "msg.none",
        "msg.codes",
        "msg.appointment",
        "msg.appointment.start",
        "msg.appointment.note",
        "1",
        "-3",
        "2.5",
        "'x'",
        "'2026-11-02'",
        "True",
        "vars.amount",
        "partner.zone",
        "'%Y'",
        "'fr'",
        "time('2026-11-02T00:00:00Z')",
    ]
)


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(_ARGUMENTS, max_size=4))
def test_any_function_takes_or_refuses_any_arguments(name: str, arguments: list[str]) -> None:
    from engine.errors import ExpressionError

    try:
        asked = compile_expression(f"{name}({', '.join(arguments)})", CODEC)
    except ExpressionError:
        return
    try:
        asked.evaluate(scope())
    except ExpressionFailed as error:
        assert "the values do not fit here" not in str(error), "a function must say what is wrong"


def test_every_function_is_described_for_the_reference() -> None:
    reference = {entry.name: entry for entry in function_reference()}
    assert set(reference) == set(FUNCTIONS)
    assert all(entry.description.endswith((".", ")")) and entry.group for entry in reference.values())
    assert reference["table"].usage == "table(name, key, miss='error')"
    assert reference["first"].usage == "first(*values)"
