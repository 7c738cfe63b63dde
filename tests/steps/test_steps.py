"""Each step as a route uses it: what goes on, what is filtered, what is refused and at which path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.codecs import codec
from engine.codecs.json import JsonDocument, Schema
from engine.errors import NotFound, Rejected
from engine.expressions import compile_expression, compile_template
from engine.spi import CompiledPath, Document, Mapper, Scope, Step, TwoWay
from engine.steps import build, step_names, step_type
from engine.steps.contract import Compiled, House, PartnerIndex, Rendered, SchemaCheck


@dataclass(frozen=True, slots=True)
class OneClinic:
    """A directory with one partner."""

    def find(self, **identifiers: str) -> Mapping[str, Any] | None:
        return {"name": "clinique-abc"} if identifiers == {"permit": "01234"} else None


@dataclass(slots=True)
class Bench:
    """A workshop for JSON documents."""

    codec: Any = field(default_factory=lambda: codec("json"))
    directory: PartnerIndex = field(default_factory=OneClinic)

    def within(self) -> Bench:
        return self

    def expression(self, text: str) -> Compiled:
        return compile_expression(text, self.codec)

    def template(self, text: str) -> Rendered:
        return compile_template(text, self.codec)

    def path(self, text: str) -> CompiledPath:
        found: CompiledPath = self.codec.path(text)
        return found

    def mapper(self, name: str) -> Mapper:
        raise NotFound(name)

    def two_way(self, name: str) -> TwoWay | None:
        return None

    @property
    def house(self) -> House:
        raise NotFound("there are no two-way mappers here")

    def schema(self, name: str) -> SchemaCheck:
        return Schema({"type": "object", "required": ["id"]})


def step(name: str, written: Any) -> Step:
    (built,) = build([{name: step_type(name).config.model_validate(written)}], Bench())
    return built


def document(root: Any) -> JsonDocument:
    return JsonDocument(root)


def scope(found: Document) -> Scope:
    return Scope(msg=found.root, source=found.root, meta={}, now_ms=0)


def run(name: str, written: Any, root: Any) -> list[Any]:
    made = document(root)
    return [each.root for each in step(name, written)(made, scope(made))]


def test_the_steps_are_those_of_the_reference() -> None:
    assert step_names() == (
        "copy",
        "deidentify",
        "each",
        "extract",
        "keep",
        "map",
        "partner",
        "prefix",
        "remove",
        "require",
        "set",
        "split",
        "validate",
    )


def test_an_unknown_step_names_those_that_exist() -> None:
    with pytest.raises(NotFound, match="keep"):
        step_type("kepe")


def test_keep_lets_through_what_holds_and_filters_the_rest() -> None:
    assert run("keep", 'msg.kind == "a"', {"kind": "a"}) == [{"kind": "a"}]
    assert run("keep", 'msg.kind == "a"', {"kind": "b"}) == []


def test_require_refuses_at_its_path() -> None:
    written = {"that": "msg.start < msg.end", "at": "end", "message": "ends before it starts"}
    with pytest.raises(Rejected) as caught:
        run("require", written, {"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"})
    assert [(fault.path, fault.text) for fault in caught.value.faults] == [("end", "ends before it starts")]


def test_partner_is_chosen_by_its_identifiers() -> None:
    made = document({"permit": "01234"})
    seen = scope(made)
    step("partner", {"where": {"permit": "msg.permit"}})(made, seen)
    assert seen.partner is not None
    assert seen.partner["name"] == "clinique-abc"


def test_an_unknown_partner_is_refused_at_the_path_that_was_asked() -> None:
    with pytest.raises(Rejected) as caught:
        run("partner", {"where": {"permit": "msg.clinic.permit"}}, {"clinic": {"permit": "99999"}})
    assert [fault.path for fault in caught.value.faults] == ["clinic.permit"]


def test_an_unknown_partner_can_be_filtered() -> None:
    assert run("partner", {"where": {"permit": "msg.permit"}, "none": "filter"}, {"permit": "9"}) == []


def test_validate_names_what_is_missing() -> None:
    with pytest.raises(Rejected) as caught:
        run("validate", "order.json", {})
    assert [fault.path for fault in caught.value.faults] == ["id"]


def test_set_keeps_the_type_of_a_lone_expression_and_reads_before_it_writes() -> None:
    found = run("set", {"values": {"copy": "{msg.n}", "text": "n = {msg.n}", "n": "9"}}, {"n": 1})
    assert found == [{"n": "9", "copy": 1, "text": "n = 1"}]


def test_remove_takes_out_what_is_there() -> None:
    assert run("remove", ["a.b", "nothing"], {"a": {"b": 1, "c": 2}}) == [{"a": {"c": 2}}]


def test_split_makes_a_document_of_each_item() -> None:
    assert run("split", "orders", {"orders": [{"n": 1}, {"n": 2}]}) == [{"n": 1}, {"n": 2}]


def test_split_into_keeps_what_stands_beside_the_list() -> None:
    found = run("split", {"of": "orders", "into": "order"}, {"orders": [1, 2], "patient": "p"})
    assert found == [{"patient": "p", "order": 1}, {"patient": "p", "order": 2}]


def test_split_refuses_what_is_no_list_and_what_is_too_long() -> None:
    with pytest.raises(Rejected, match="no list"):
        run("split", "orders", {"orders": "x"})
    with pytest.raises(Rejected, match="more than 2"):
        run("split", {"of": "orders", "at_most": 2}, {"orders": [1, 2, 3]})
