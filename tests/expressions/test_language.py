"""What expressions mean: paths, operators, comparison of times, and what happens when a value does not fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.json import CODEC
from engine.codecs.text import CODEC as TEXT
from engine.codecs.text import Content
from engine.errors import ExpressionError, Rejected
from engine.expressions import ExpressionFailed, compile_expression
from engine.expressions.parsing import MAX_DEPTH, MAX_NODES
from tests.codecs.values import json_values
from tests.expressions.scopes import scope, value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('msg.a in ["I", "E"] or msg.b.c == "X"', True),
        ("msg.x-ray", "yes"),
        ("msg.participant[1].actor", "B"),
        ('msg.participant[.role == "patient"].actor', "B"),
        ("msg.participant[*].actor", ["A", "B"]),
        ("source.appointment.id == msg.appointment.id", True),
        ("vars.doctor.clinic", "clinique-abc"),
        ("meta.event.type", "appointment-booked"),
        ("memory.his_id", "H-1"),
        ("it.code", "ITEM"),
        ("partner", "clinique-abc"),
        ("sender", "plateforme"),
        ("partner.zone", "America/Toronto"),
        ("msg.none", ""),
        ("msg.appointment.note", None),
        ("msg.appointment.version + 1", 4),
        ("msg.appointment.fee * 2", Decimal("3.00")),
        ("vars.amount - 1", Decimal("1.50")),
        ("7 // 2 + 7 % 2", 4),
        ("-7 // 2", -4),
        ("-7.5 // 2", Decimal(-4)),
        ("-7.5 % 2", Decimal("0.5")),
        ("1 / 4", Decimal("0.25")),
        ("-msg.appointment.version", -3),
        ('"a" + msg.a + "b"', "aEb"),
        ("2 + 3 * 4 - 1", 13),
        ("(2 + 3) * 4", 20),
        ("not msg.none and not False", True),
        ("msg.none or msg.a", "E"),
        ("msg.none and msg.a", ""),
        ("True or False and False", True),
        ("not True == False", True),
        ('"yes" if msg.a == "E" else "no"', "yes"),
        ('"a" if False else "b" if False else "c"', "c"),
        ("1 < msg.appointment.version <= 3", True),
        ("1 < msg.appointment.version < 3", False),
        ("1 < 2 < 3 < 4 > 3", True),
        ('"jour" in msg.text', True),
        ('"X" in msg.codes', True),
        ('"Z" not in msg.codes', True),
        ("msg.a not in ('E', 'F')", False),
        ('msg.a in [msg.b.c, "E"]', True),
        ('"start" in msg.appointment', True),
        ("3 in msg.appointment", False),
        ("msg.appointment.video == True", True),
        ("msg.appointment.note == None", True),
        ("msg.codes == ['X', 'Y']", True),
        ("[1, 'a', None, (2,)]", [1, "a", None, [2]]),
        ("()", []),
        ("'it''s' ", None),
        ('"\\u00e9\\n\\"\\d"', 'é\n"\\d'),
        ("'say \"x\"'", 'say "x"'),
        ("1.50", Decimal("1.50")),
        ("\n msg.a \n", "E"),
    ],
)
def test_an_expression_gives(text: str, expected: Any) -> None:
    if expected is None and "''" in text:
        with pytest.raises(ExpressionError, match="unexpected text"):
            compile_expression(text, CODEC)
        return
    assert value(text) == expected


def test_and_and_or_stop_at_the_operand_that_decides() -> None:
    assert value("True or 1 / 0 == 1") is True
    assert value('msg.none and table("none", msg.a)') == ""
    assert value('"x" if True else number("y")') == "x"
    assert value("2 < 1 < number('y')") is False


def test_a_decimal_keeps_its_spelling() -> None:
    assert str(value("msg.appointment.fee")) == "1.50"
    assert str(value("msg.appointment.rate")) == "1E5"
    assert value("msg.appointment.rate == 100000") is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("msg.appointment.start < msg.appointment.end", True),
        ('"2026-11-02T09:00:00-05:00" == "2026-11-02T14:00:00Z"', True),
        ('"2026-11-02T09:00:00-05:00" != "2026-11-02T14:00:00Z"', False),
        ('msg.appointment.start >= "2026-11-02T14:00:00.000000000Z"', True),
        ('msg.appointment.start < "2026-11-02T14:00:00.0000000001Z"', True),
        ('msg.appointment.start <= "2026-11-02T13:59:59Z"', False),
        ('msg.appointment.start > "2026-11-02T13:59:60Z"', False),
        ('"2026-11-02t09:00:00z" < "2026-11-02T09:00:01Z"', True),
        ('"2026-11-02T10:00:00z" > "2026-11-02t09:00:00Z"', True),
        ("msg.appointment.start < now()", True),
        ("time(msg.appointment.start) == msg.appointment.start", True),
        ('time("2026-11-02", "America/Toronto") < msg.appointment.start', True),
        ('msg.appointment.start < time("20261102150000+0000")', True),
        ("time(msg.appointment.end) > time(msg.appointment.start)", True),
        ('time(msg.appointment.end) == "no time"', False),
        # whatever is no RFC 3339 date-time on both sides is compared as text
        ('"2026-11-02T09:00:00-05:00" < "2026-11-02T14:00:00"', True),
        ('"2026-11-02T09:00:00-05:00" == "2026-11-02T14:00:00"', False),
        ('"2026-W45-1T09:00:00-05:00" == "2026-11-02T14:00:00Z"', False),
        ('"a" < "b"', True),
        ('msg.appointment.end in ["2026-11-02T09:30:00-05:00"]', False),
    ],
)
def test_two_date_times_compare_as_points_in_time(text: str, expected: bool) -> None:
    assert value(text) is expected


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_any_two_date_times_are_in_the_order_of_time(one: Any, other: Any) -> None:
    left, right = (moment.replace(second=0, fold=0).isoformat(timespec="seconds") for moment in (one, other))
    if len(left) != 25 or len(right) != 25:
        return  # a historical offset with seconds is none of RFC 3339
    before = (
        one.replace(second=0, microsecond=0, fold=0).timestamp()
        < other.replace(second=0, microsecond=0, fold=0).timestamp()
    )
    asked = compile_expression("vars.one < vars.other", CODEC)
    assert asked.evaluate(scope(vars={"one": left, "other": right})) is before


@pytest.mark.parametrize(
    ("text", "message", "path"),
    [
        ("msg.none > 3", "a text cannot be compared with a number: msg.none > 3", "none"),
        (
            "1 if msg.appointment.version >= msg.a else 2",
            "a number cannot be compared with a text",
            "appointment.version",
        ),
        ("msg.appointment.note < 1", "null cannot be compared with a number", "appointment.note"),
        ("msg.a + 1", "a text and a number cannot be added", "a"),
        ("msg.a * 3", "a text and a number cannot be multiplied", "a"),
        ('"%s" % msg.a', "cannot be divided by", "a"),
        ("msg.appointment.video + 1", "true or false and a number", "appointment.video"),
        ("msg.appointment.version / 0", "a division by zero", "appointment.version"),
        ("msg.appointment.version // 0", "a division by zero", "appointment.version"),
        ("1.5 % 0", "a division by zero", ""),
        ("-msg.a", "cannot be subtracted", "a"),
        ("3 in msg.a", "a number cannot be a part of a text", "a"),
        ('"a" in msg.appointment.version', "nothing can be in a number", "appointment.version"),
        ("msg.codes < 1", "a list cannot be compared with a number", "codes"),
        ("time(msg.appointment.start) < msg.a", "a time cannot be compared with a text", "appointment.start"),
        ('msg.a == "E" and number(msg.text) > 1', "a text is no number here: number(msg.text)", "text"),
    ],
)
def test_a_value_that_does_not_fit_refuses_the_message(text: str, message: str, path: str) -> None:
    with pytest.raises(ExpressionFailed) as caught:
        value(text)
    assert message in str(caught.value)
    assert caught.value.faults[0].path == path
    assert isinstance(caught.value, Rejected)
    assert "Bonjour" not in str(caught.value)


def test_a_failure_says_which_part_of_the_expression_failed() -> None:
    text = 'msg.a == "E" and (msg.b.c == "A40" and number(msg.text) > 1)'
    with pytest.raises(ExpressionFailed) as caught:
        value(text)
    assert text[caught.value.offset :][: caught.value.length] == "number(msg.text)"
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


@pytest.mark.parametrize(
    "text",
    [
        "msg.big * msg.big * msg.big",
        "msg.huge * msg.huge",
        "msg.long + msg.long",
        'replace(msg.long, "a", "aaaaaaaaaa")',
        "join([msg.long, msg.long])",
        'split(msg.long, "a")',
        "base64(msg.long)",
        "pad(msg.long, 1000000)",
    ],
)
def test_no_message_makes_a_short_expression_large(text: str) -> None:
    with pytest.raises(ExpressionFailed):
        value(text, msg={"big": 10**400, "huge": Decimal("1E900") ** 9, "long": "a" * 900_000})


@pytest.mark.parametrize(
    ("text", "offset", "length", "help"),
    [
        ("", 0, 1, ""),
        ("   ", 3, 1, ""),
        ("mgs.a", 0, 3, 'did you mean "msg"?'),
        ("msg.a and sorce.b", 10, 5, 'did you mean "source"?'),
        ("uper(msg.a)", 0, 4, 'did you mean "upper"?'),
        ("upper", 0, 5, "write upper(value)"),
        ("msg.a == true", 9, 4, "write True"),
        ("msg.a is None", 6, 2, ""),
        ("msg.a = 1", 6, 1, 'write "==" to compare'),
        ("msg.a && msg.b", 6, 1, 'write "and"'),
        ("msg.a || msg.b", 6, 1, 'write "or"'),
        ("!msg.a", 0, 1, 'write "not"'),
        ("msg.a -1", 6, 1, "write a - b; a-b is one name"),
        ("msg.a- 1", 5, 1, "write a - b; a-b is one name"),
        ("3-1", 1, 1, "write a - b; a-b is one name"),
        ("01", 0, 2, 'quote it if it is text: "01"'),
        ("1.2.3", 0, 5, "quote it if it is text"),
        ("12abc", 0, 5, "quote it if it is text"),
        ("1" * 31, 0, 31, ""),
        ("'abc", 0, 4, "end it with the same quote"),
        ("vars", 0, 4, "say which: vars.name"),
        ("msg.items[0", 9, 1, 'write [0], [*], ["odd key"] or [.code == "X"]'),
        ("msg.items[?]", 10, 1, 'write [0], [*], ["odd key"] or [.code == "X"]'),
        ("msg..a", 4, 1, "write a name, for example appointment.start"),
        ("1 +", 3, 1, ""),
        ("(1", 2, 1, ""),
        ("[1, 2", 5, 1, ""),
        ("1 2", 2, 1, ""),
        ("msg.a ** 2", 7, 1, ""),
        ("msg.a()", 5, 1, ""),
        ("first(msg.a)[0]", 12, 1, ""),
        (
            "first(msg.a).b",
            12,
            1,
            "only msg, source, it, reply, vars, meta, sender, partner and memory have paths",
        ),
        ("1 if 2", 6, 1, ""),
        ("[x for x in msg.a]", 1, 1, ""),
        ("lambda: 1", 0, 6, "there are no functions but the published ones"),
        ("a := 1", 0, 1, ""),
        ("{1: 2}", 0, 1, "braces stand in templates only; here write the expression without them"),
        ("upper(msg.a, 2)", 0, 15, "write upper(value)"),
        ("upper(other=1)", 0, 14, "write upper(value)"),
        ("table('x', miss='keep', msg.a)", 24, 5, ""),
        ("table(msg.a, msg.b)", 6, 5, "write table(name, key, miss='error')"),
        ("table('x', msg.b, miss='kep')", 23, 5, ""),
        ("matches(msg.a, msg.b)", 15, 5, "write matches(value, pattern)"),
        ("matches(msg.a, '(')", 15, 3, ""),
        ("matches(msg.a, '(?=a)')", 15, 7, ""),
        ("date(msg.a, '%Q')", 12, 4, ""),
        ("readable(msg.a, 'de')", 16, 4, ""),
        ("readable(msg.a, 'fr', 'Toronto')", 22, 9, ""),
        ("short_id(40)", 9, 2, ""),
        ("__import__('os')", 0, 10, ""),
        ("msg.__class__.__mro__()", 21, 1, ""),
        ("f'{msg.a}'", 0, 1, ""),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, offset: int, length: int, help: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, CODEC)
    assert (caught.value.offset, caught.value.length) == (offset, length)
    if help:
        assert caught.value.help == help


def test_a_name_that_exists_elsewhere_says_where() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("it.code", CODEC, names=("msg", "meta"))
    assert caught.value.help == "it is the item, inside each"


def test_each_name_is_read_by_the_codec_of_its_document() -> None:
    asked = compile_expression(
        "source.line[0] == msg.a and reply.text == 'AA'", CODEC, source=TEXT, reply=TEXT
    )
    assert asked.evaluate(scope(source=Content("E\r\nF"), reply=Content("AA"))) is True


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression("table('unit', msg.a)", CODEC, tables=("units", "loinc"))
    assert (caught.value.offset, caught.value.help) == (6, 'did you mean "units"?')
    assert compile_expression("table('units', msg.a)", CODEC, tables=("units",)).names == {"msg"}


@pytest.mark.parametrize(
    "text",
    [
        "(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
        "upper(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
        " and ".join(["msg.a"] * MAX_NODES),
        "not " * 100_000 + "1",
        "1 + " * MAX_NODES + "1",
        "'" + "x" * 5000 + "'",
        "(" * 100_000,
        "1 if 1 else " * 100 + "1",
    ],
)
def test_an_expression_has_limits(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text, CODEC)


def test_the_largest_expressions_run() -> None:
    assert value(" + ".join(["1"] * (MAX_NODES // 2))) == MAX_NODES // 2
    assert value("(" * (MAX_DEPTH - 1) + "1" + ")" * (MAX_DEPTH - 1)) == 1
    assert value("not " * (MAX_NODES - 2) + "True") is True


def test_an_expression_says_what_it_reads_and_how_it_was_understood() -> None:
    asked = compile_expression(
        'msg.a in ["I"] or meta.event.type == \'x\' and not table("units", msg["b"].c, miss=\'keep\') + 1 > -2',
        CODEC,
    )
    assert asked.names == {"msg", "meta"}
    assert asked.paths == (("msg", "a"), ("meta", "event.type"), ("msg", '["b"].c'))
    assert asked.explain() == (
        "(msg.a in ['I']) or ((meta.event.type == 'x') and (not ((table('units', msg.b.c, miss='keep') + 1) > -2)))"
    )
    assert (
        compile_expression("'a' if msg[0].b else partner", CODEC).explain() == "'a' if msg[0].b else partner"
    )


_WORDS = st.sampled_from(
    [
        "msg",
        "msg.a",
        "msg.b.c",
        "msg.codes[*]",
        "msg.participant[0].actor",
        "it.x",
        "vars.amount",
        "reply.x",
        "1",
        "2.5",
        "'x'",
        '"2026-11-02T09:00:00Z"',
        "and",
        "or",
        "not",
        "in",
        "if",
        "else",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "<",
        "<=",
        "==",
        "!=",
        ">",
        "first(",
        "length(",
        "readable(",
        "number(",
        "join(",
        "slice(",
        "date(",
        "time(",
        "add_minutes(",
        "round(",
        "table('units',",
        "default(",
        "contains(",
        "None",
        "True",
        "now()",
    ]
)


@given(
    st.lists(_WORDS, max_size=12).map(" ".join)
    | st.text(max_size=30)
    | st.text("msg.ab[]()'\"=<+- 1*,", max_size=20)
)
def test_any_text_compiles_or_is_refused_and_any_expression_runs_or_refuses_the_message(text: str) -> None:
    try:
        asked = compile_expression(text, CODEC)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text) and error.length >= 1
        return
    assert compile_expression(asked.explain(), CODEC).explain() == asked.explain()
    try:
        asked.evaluate(scope())
    except ExpressionFailed as error:
        assert 0 <= error.offset <= error.offset + error.length <= max(1, len(text))


@given(
    st.sampled_from(
        ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "*", "/", "//", "%", "and", "or"]
    ),
    json_values(),
    json_values(),
)
def test_any_values_meet_any_operator(operator: str, left: Any, right: Any) -> None:
    asked = compile_expression(f"vars.left {operator} vars.right", CODEC)
    try:
        asked.evaluate(scope(vars={"left": left, "right": right}))
    except ExpressionFailed as error:
        assert error.offset == 0
