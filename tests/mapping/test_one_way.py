"""One-way mappers build a document, leave out what is absent, and know whether content can pass through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codecs import codec
from engine.codecs.json import JsonDocument
from engine.expressions import Template, compile_template
from engine.mapping.one_way import OneWayMapper, compile_one_way
from engine.spi import Scope

HEAD = {"mapper": "m", "version": "1.0.0"}


def mapper(definition: Mapping[str, Any]) -> OneWayMapper:
    def template(text: str, trail: tuple[str | int, ...]) -> Template:
        return compile_template(text, codec("json"))

    return compile_one_way(definition, template=template, make=JsonDocument)


def mapped(document: Any, root: Any) -> Any:
    made = JsonDocument(root)
    scope = Scope(msg=root, source=root, meta={"id": "X"}, now_ms=0)
    return mapper({**HEAD, "document": document}).apply(made, scope).root


def test_a_lone_expression_keeps_its_type_and_text_is_filled() -> None:
    assert mapped({"n": "{msg.n}", "t": "n={msg.n}"}, {"n": 3}) == {"n": 3, "t": "n=3"}


def test_what_is_absent_is_left_out_with_the_branch_that_holds_nothing_else() -> None:
    assert mapped({"a": {"b": "{msg.b}"}, "c": "{msg.c}", "d": ["{msg.e}"]}, {"c": 1}) == {"c": 1}


def test_null_stays() -> None:
    assert mapped({"c": "{msg.c}"}, {"c": None}) == {"c": None}


def test_a_table_is_read_by_its_key() -> None:
    made = mapper({**HEAD, "tables": {"sex": {"M": "male"}}, "document": {"sex": "{table('sex', msg.sex)}"}})
    scope = Scope(msg={"sex": "M"}, source={}, meta={}, now_ms=0)
    assert made.apply(JsonDocument({"sex": "M"}), scope).root == {"sex": "male"}


def test_a_mapper_that_reads_nothing_of_the_message_is_content_free() -> None:
    assert mapper({**HEAD, "document": {"id": "{meta.id}"}}).content_free
    assert not mapper({**HEAD, "document": {"id": "{msg.id}"}}).content_free
