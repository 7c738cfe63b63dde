"""CloudEvents 1.0 in structured and binary mode become an envelope and data; what is wrong is named by its path."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.codecs.json import CODEC, pointer
from engine.errors import Rejected
from tests.codecs.values import message

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "evt-1",
    "source": "https://rendezvous.example/platform",
    "type": "appointment-booked",
    "time": "2026-11-02T08:59:30-05:00",
    "subject": "RDV-1",
    "datacontenttype": "application/json",
    "priority": 3,
    "data": {"appointment": {"id": "RDV-1"}},
}


def event(**changes: Any) -> bytes:
    """Return the event with attributes changed; None leaves one out."""
    return orjson.dumps({name: value for name, value in {**EVENT, **changes}.items() if value is not None})


def faults(body: bytes, **how: Any) -> list[tuple[str, str]]:
    with pytest.raises(Rejected) as caught:
        CODEC.decode(message(body, **how))
    return [(fault.path, fault.code) for fault in caught.value.faults]


def test_a_structured_event_is_taken_apart_and_put_together_again() -> None:
    document = CODEC.decode(message(event(), content_type="application/cloudevents+json; charset=utf-8"))
    assert document.root == {"appointment": {"id": "RDV-1"}}
    assert document.envelope == {name: value for name, value in EVENT.items() if name != "data"}
    assert CODEC.encode(document) == event()


def test_an_event_is_known_by_its_specversion_whatever_the_content_type() -> None:
    assert CODEC.decode(message(event(), content_type="application/json")).envelope is not None


def test_plain_json_has_no_envelope() -> None:
    document = CODEC.decode(message(b'{"id":"1","type":"x"}', content_type="application/json"))
    assert document.envelope is None
    assert CODEC.encode(document) == b'{"id":"1","type":"x"}'


def test_a_binary_event_has_its_attributes_in_headers() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "evt-1",
        "ce-source": "/platform",
        "ce-type": "appointment-booked",
        "ce-subject": "caf%C3%A9",
        "traceparent": "00",
    }
    document = CODEC.decode(message(b'{"a":1}', content_type="application/json", headers=headers))
    assert document.root == {"a": 1}
    assert document.envelope == {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/platform",
        "type": "appointment-booked",
        "subject": "café",
        "datacontenttype": "application/json",
    }


def test_a_binary_event_names_the_header_at_fault() -> None:
    found = faults(b"{}", content_type="application/json", headers={"ce-specversion": "1.0", "ce-id": ""})
    assert found == [("ce-source", "missing"), ("ce-type", "missing"), ("ce-id", "invalid")]


@pytest.mark.parametrize("name", ["id", "source", "type"])
def test_a_missing_attribute_is_named(name: str) -> None:
    assert faults(event(**{name: None})) == [(name, "missing")]
    assert pointer(name) == f"/{name}"


def test_a_missing_specversion_is_named_where_the_content_type_says_event() -> None:
    body = event(specversion=None)
    assert faults(body, content_type="application/cloudevents+json") == [("specversion", "missing")]


def test_all_missing_attributes_are_named_at_once() -> None:
    assert [path for path, _ in faults(b'{"specversion":"1.0"}')] == ["id", "source", "type"]


def test_a_null_attribute_is_not_set() -> None:
    assert faults(event().replace(b'"evt-1"', b"null")) == [("id", "missing")]
    assert "subject" not in (
        CODEC.decode(message(event().replace(b'"RDV-1","data', b'null,"data'))).envelope or {}
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("specversion", 1),
        ("id", ""),
        ("id", 7),
        ("source", ""),
        ("source", "has a blank"),
        ("type", ""),
        ("subject", ""),
        ("time", "2026-11-02"),
        ("time", "2026-11-02T08:59:30"),
        ("time", "2026-13-02T08:59:30Z"),
        ("dataschema", "relative/only"),
        ("datacontenttype", "application/xml"),
        ("priority", {"nested": 1}),
        ("priority", [1]),
        ("Upper", "x"),
        ("with_line", "x"),
    ],
)
def test_a_wrong_attribute_is_named_and_its_value_is_not(name: str, value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        CODEC.decode(message(event(**{name: value})))
    assert [fault.path for fault in caught.value.faults] == [name]
    assert "nested" not in str(caught.value) and "blank" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time", "2026-11-02t08:59:60.123456789z"),
        ("datacontenttype", "application/vnd.example+JSON; charset=utf-8"),
        ("dataschema", "urn:example:schema"),
        ("source", "urn:example:clinic"),
        ("flag", True),
    ],
)
def test_a_right_attribute_passes(name: str, value: Any) -> None:
    envelope = CODEC.decode(message(event(**{name: value}))).envelope
    assert envelope is not None and envelope[name] == value


def test_binary_data_is_refused() -> None:
    assert faults(event(data_base64="AAAA")) == [("data_base64", "invalid")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"[]", "application/cloudevents-batch+json"), (b"[" + event() + b"]", "application/json")],
)
def test_a_batch_is_refused_clearly(body: bytes, content_type: str) -> None:
    with pytest.raises(Rejected, match="one event per message"):
        CODEC.decode(message(body, content_type=content_type))


def test_what_says_to_be_an_event_and_is_no_object_is_refused() -> None:
    assert faults(b"[1]", content_type="application/cloudevents+json") == [("", "invalid")]


def test_an_event_without_data_has_no_data_when_it_leaves() -> None:
    document = CODEC.decode(message(event(data=None)))
    assert document.root is None
    assert CODEC.encode(document) == event(data=None)
