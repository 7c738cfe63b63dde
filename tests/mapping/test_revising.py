"""A mapped document is made again under another `meta`: as if it were mapped anew, with what reads no meta shared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from engine.codecs import codec
from engine.codecs.json import JsonDocument
from engine.expressions import Template, compile_template
from engine.mapping.one_way import OneWayMapper, compile_one_way
from engine.spi import Scope

TABLES = {"title": {"booked": "New", "moved": "Changed"}}
MESSAGE: dict[str, Any] = {"start": "09:00", "who": {"name": "Ada"}, "none": None, "zero": 0}


def mapper(document: Any) -> OneWayMapper:
    def template(text: str, trail: tuple[str | int, ...]) -> Template:
        return compile_template(text, codec("json"))

    definition = {"mapper": "m", "version": "1.0.0", "tables": TABLES, "document": document}
    return compile_one_way(definition, template=template, make=JsonDocument)


def scope(meta: Mapping[str, Any]) -> Scope:
    return Scope(msg=MESSAGE, source=MESSAGE, meta=dict(meta), now_ms=0)


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "{meta.kind}", "who": "{msg.who}"},
        {
            "who": "{msg.who}",
            "summary": {"text": "{table('title', meta.kind)} {msg.start}", "at": "{msg.start}"},
        },
        {"gone": "{meta.other}", "null": "{msg.none}", "zero": "{msg.zero}", "absent": "{msg.absent}"},
        {"list": ["{msg.absent}", "{meta.kind}", "{msg.start}"], "fixed": ["{msg.start}"]},
        {"only": {"by": {"kind": "{meta.other}"}}},
        {"constant": "text"},
    ],
)
@pytest.mark.parametrize("other", [{"kind": "moved"}, {"kind": "moved", "other": "now there"}])
def test_it_is_what_mapping_anew_would_give(document: Any, other: Mapping[str, Any]) -> None:
    made = mapper(document)
    first = made.apply(JsonDocument(MESSAGE), scope({"kind": "booked"}))
    anew = made.apply(JsonDocument(MESSAGE), scope(other))
    assert list(made.revise(first, scope(other)).root.items()) == list(anew.root.items())


def test_the_document_that_it_is_made_of_stays_as_it_was() -> None:
    made = mapper({"kind": "{meta.kind}", "in": {"kind": "{meta.kind}"}})
    first = made.apply(JsonDocument(MESSAGE), scope({"kind": "booked"}))
    made.revise(first, scope({"kind": "moved"}))
    assert first.root == {"kind": "booked", "in": {"kind": "booked"}}
