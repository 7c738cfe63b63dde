"""JSON Schema: all faults with their paths, nothing of the message in a text, decimals read as what they are."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.json import Schema, SchemaInvalid, read_json

APPOINTMENT = Schema(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["appointment", "patient"],
        "properties": {
            "appointment": {
                "type": "object",
                "required": ["start", "end"],
                "properties": {
                    "start": {"type": "string", "format": "date-time"},
                    "version": {"type": "integer", "minimum": 1},
                    "mode": {"enum": ["phone", "video"]},
                },
            },
            "patient": {"type": "object", "propertyNames": {"maxLength": 6}, "additionalProperties": False},
            "mail": {"format": "email"},
            "dose": {"type": "number", "multipleOf": 0.05, "maximum": 1000},
            "codes": {"type": "array", "items": {"pattern": "^[A-Z]+$"}, "maxItems": 2},
        },
    }
)


def valid(text: str) -> str:
    return f'{{"appointment":{{"start":"2026-11-02T09:00:00-05:00","end":""}},"patient":{{}},{text}}}'


def test_every_fault_is_found_with_its_path() -> None:
    root = read_json(
        b'{"appointment":{"start":"SECRET","version":0,"mode":"SECRET"},"codes":["SECRET1","A"]}'
    )
    assert APPOINTMENT.faults(root) == [
        ("appointment.end", "is missing"),
        ("appointment.mode", 'must be one of "phone", "video"'),
        ("appointment.start", "must be a date-time"),
        ("appointment.version", "must be at least 1"),
        ("codes[0]", "must match ^[A-Z]+$"),
        ("patient", "is missing"),
    ]


@pytest.mark.parametrize("dose", ["1.50", "0.15", "1E2", "1e2", "10", "0.1500", "5E-2"])
def test_decimals_are_checked_as_decimals_in_any_spelling(dose: str) -> None:
    assert APPOINTMENT.faults(read_json(valid(f'"dose":{dose}').encode())) == []


@pytest.mark.parametrize("dose", ["1.51", "1E4", "0.0000001", "1" * 40])
def test_a_decimal_at_fault_is_found_in_any_spelling(dose: str) -> None:
    assert [path for path, _ in APPOINTMENT.faults(read_json(valid(f'"dose":{dose}').encode()))] == ["dose"]


def test_a_spelled_decimal_is_seen_by_rules_that_ask_for_no_type() -> None:
    assert Schema({"items": {"maximum": 10}}).faults(read_json(b"[1E5, 1E1]")) == [
        ("[0]", "must be at most 10")
    ]


def test_a_whole_number_may_be_spelled_with_a_fraction() -> None:
    schema = Schema({"type": "integer"})
    assert schema.faults(read_json(b"1.0")) == [] == schema.faults(read_json(b"1E3"))
    assert schema.faults(read_json(b"1.5")) == [("", "must be a whole number")]


def test_formats_are_asserted() -> None:
    assert APPOINTMENT.faults(read_json(valid('"mail":"nobody"').encode())) == [("mail", "must be a email")]


@pytest.mark.parametrize(
    ("definition", "root"),
    [
        ({"propertyNames": {"maxLength": 2}}, {"SECRET": 1}),
        ({"additionalProperties": False}, {"SECRET": 1}),
        ({"unevaluatedProperties": False}, {"SECRET": 1}),
        ({"unevaluatedItems": False}, ["SECRET"]),
        ({"const": 1}, "SECRET"),
        ({"not": {"type": "string"}}, "SECRET"),
        ({"anyOf": [{"type": "null"}, {"minLength": 9}]}, "SECRET"),
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "SECRET"),
        ({"contains": {"type": "null"}}, ["SECRET"]),
        ({"uniqueItems": True}, ["SECRET", "SECRET"]),
        ({"maxLength": 2}, "SECRET"),
        ({"format": "uri"}, "SECRET 1"),
        ({"type": ["null", "object"]}, "SECRET"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": "SECRET"}),
        ({"prefixItems": [{}], "items": False}, [1, "SECRET"]),
        (False, "SECRET"),
    ],
)
def test_no_text_holds_anything_of_the_message(definition: Any, root: Any) -> None:
    found = Schema({"allOf": [definition]}).faults(root)
    assert found
    assert "SECRET" not in str(found)
    assert "rule" not in str(found)


def test_a_long_list_of_faults_is_cut() -> None:
    assert len(Schema({"items": {"type": "null"}}).faults(list(range(5000)))) == 100


@pytest.mark.parametrize(
    ("definition", "trail"),
    [
        ({"properties": {"a": {"type": "strin"}}}, ("properties", "a", "type")),
        ({"pattern": "(?=x)"}, ("pattern",)),
        ({"$ref": "https://example.org/x.json"}, ()),
        ({"$ref": "file:///etc/hostname"}, ()),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",)),
        ({"format": "no-such-format"}, ("format",)),
        ([], ()),
        ("text", ()),
    ],
)
def test_a_schema_that_is_none_is_refused_where_it_is_wrong(definition: Any, trail: tuple[str, ...]) -> None:
    with pytest.raises(SchemaInvalid) as caught:
        Schema(definition)
    assert caught.value.trail == trail


def test_a_hostile_text_does_not_slow_a_pattern_down() -> None:
    assert Schema({"pattern": "^(a+)+$"}).faults("a" * 50_000 + "b") == [("", "must match ^(a+)+$")]
