"""Templates: constant text around expressions, and the bare value where one expression is all there is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.json import CODEC, write_json
from engine.errors import ExpressionError
from engine.expressions import ExpressionFailed, compile_template
from tests.codecs.values import json_values
from tests.expressions.scopes import rendered, scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{partner}.emr", "clinique-abc.emr"),
        ("{vars.doctor.clinic}.oru", "clinique-abc.oru"),
        ("/medecins/{url(msg.text + ' é/')}", "/medecins/Bonjour%20%C3%A9%2F"),
        ("{msg.appointment.id}_{meta.id}.pdf", "RDV-1_00000000000000000000.pdf"),
        ("{{ {msg.a} }}", "{ E }"),
        ("{{}}", "{}"),
        ('{msg.participant[.role == "patient"].actor}!', "B!"),
        ("{'}' + \"{\"}.", "}{."),
        ("{ table('units', 'A1') }-{table('units', 'zz', miss='keep')}", "Urgence-zz"),
        ("v{msg.appointment.version} {msg.appointment.fee} {msg.appointment.rate}", "v3 1.50 1E5"),
        ("<{msg.none}{msg.appointment.note}>", "<>"),
        ("{msg.appointment.video}/{1 == 2}", "true/false"),
        ("{time(msg.appointment.start)} ", "2026-11-02T09:00:00-05:00 "),
        ("{time(msg.appointment.end)}", "2026-11-02T14:30:00Z"),
        ("", ""),
    ],
)
def test_a_template_gives(text: str, expected: str) -> None:
    assert rendered(text) == expected
    assert compile_template(text, CODEC).render(scope()) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{msg.appointment.version}", 3),
        ("{msg.appointment.fee}", Decimal("1.50")),
        ("{msg.appointment.note}", None),
        ("{msg.appointment.video}", True),
        ("{msg.codes}", ["X", "Y"]),
        ("{msg.none}", ""),
        ("{(1, 2)}", [1, 2]),
        ("{partner}", "clinique-abc"),
    ],
)
def test_one_expression_alone_keeps_the_type_of_its_value(text: str, expected: Any) -> None:
    found = rendered(text)
    assert found == expected
    assert type(found) is type(expected)


def test_times_are_stored_as_texts() -> None:
    assert rendered("{time(msg.appointment.end)}") == "2026-11-02T14:30:00Z"
    assert rendered("{[time(msg.appointment.end), 1]}") == ["2026-11-02T14:30:00Z", 1]


@given(json_values())
def test_any_value_taken_alone_is_the_value(value: Any) -> None:
    taken = compile_template("{msg}", CODEC).evaluate(scope(msg=value))
    assert write_json(taken) == write_json(value)


def test_a_template_without_expressions_is_a_constant() -> None:
    constant = compile_template("a {{b}}", CODEC)
    assert constant.constant == "a {b}"
    assert constant.names == frozenset()
    assert constant.explain() == "constant 'a {b}'"
    assert compile_template("{msg.a}", CODEC).constant is None


def test_a_template_says_what_it_reads_and_how_it_was_understood() -> None:
    template = compile_template("{partner}.x{msg.a or meta.id == '1'}", CODEC)
    assert template.names == {"partner", "msg", "meta"}
    assert template.paths == (("partner", ""), ("msg", "a"), ("meta", "id"))
    assert template.explain() == "{partner}.x{msg.a or (meta.id == '1')}"


@pytest.mark.parametrize("text", ["<{msg.codes}>", "<{msg.appointment}>", "{msg.long}{msg.long}"])
def test_what_cannot_stand_in_a_text_refuses_the_message(text: str) -> None:
    with pytest.raises(ExpressionFailed):
        rendered(text, msg={"codes": [1], "appointment": {}, "long": "a" * 900_000})


def test_a_failure_in_a_template_names_the_expression_at_fault() -> None:
    text = "{msg.a}-{number(msg.text)}"
    with pytest.raises(ExpressionFailed) as caught:
        rendered(text)
    assert text[caught.value.offset :][: caught.value.length] == "number(msg.text)"
    assert caught.value.faults[0].path == "text"


@pytest.mark.parametrize(
    ("text", "offset", "length"),
    [
        ("a {msg.a", 8, 1),
        ("a }", 2, 1),
        ("{}", 1, 1),
        ("x{ }", 3, 1),
        ("x{mgs.a} {msg.b}", 2, 3),
        ("x{msg.a} {msg.b +}", 17, 1),
        ("{msg.a, msg.b}", 6, 1),
        ("{{msg.a}", 7, 1),
        ("{'abc}", 1, 5),
        ("x" * 70_000, 0, 70_000),
    ],
)
def test_a_mistake_is_named_with_its_place_in_the_template(text: str, offset: int, length: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text, CODEC)
    assert (caught.value.offset, caught.value.length) == (offset, length)


@given(st.text(alphabet="{}ms.ga 'é\"[]+1", max_size=24))
def test_any_text_is_a_template_or_is_refused(text: str) -> None:
    try:
        template = compile_template(text, CODEC)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
    else:
        if template.constant is not None:
            assert text.replace("{{", "{").replace("}}", "}") == template.constant


@given(st.text(max_size=30))
def test_any_text_with_doubled_braces_is_itself(text: str) -> None:
    assert rendered(text.replace("{", "{{").replace("}", "}}")) == text
