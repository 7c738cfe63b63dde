"""Steps run in order and never write into what somebody else still reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.json import JsonDocument
from engine.runtime.compiling.supplies import Supplies
from engine.runtime.compiling.tracing import Trace, build_steps
from engine.runtime.routing.flow import guard, run
from engine.spi import Document, Scope, Step
from tests.runtime.receiving.house import house
from tests.runtime.receiving.project import assembled


def scope(document: JsonDocument) -> Scope:
    return Scope(msg=document.root, source=document.root, meta={}, now_ms=0)


def write(name: str) -> Step:
    """Return a step that writes its name into the document."""

    def step(document: Document, scope: Scope) -> Sequence[Document]:
        document.root["seen"] = [*document.root.get("seen", ()), name]
        return (document,)

    return step


def through(document: Document, scope: Scope) -> Sequence[Document]:
    return (document,)


def nothing(document: Document, scope: Scope) -> Sequence[Document]:
    return ()


def halves(document: Document, scope: Scope) -> Sequence[Document]:
    first, second = document.copy(), document.copy()
    first.root["half"], second.root["half"] = 1, 2
    return (first, second)


def came(steps: Sequence[tuple[str, Step]], root: dict[str, Any]) -> list[Any]:
    document = JsonDocument(root)
    return [made.root for made, _ in run(guard(steps), document, scope(document))]


def test_a_step_that_writes_gets_a_copy() -> None:
    root: dict[str, Any] = {"a": 1}
    assert came([("set", write("x"))], root) == [{"a": 1, "seen": ["x"]}]
    assert root == {"a": 1}


def test_steps_that_only_read_copy_nothing() -> None:
    document = JsonDocument({"a": 1})
    ((made, _),) = run(guard([("keep", through), ("require", through)]), document, scope(document))
    assert made is document


def test_one_copy_serves_all_steps_that_follow() -> None:
    assert len(guard([("set", through), ("keep", through), ("remove", through)])) == 4


def test_what_a_mapper_made_is_copied_before_it_is_written() -> None:
    shared: dict[str, Any] = {"inner": {}}

    def share(document: Document, scope: Scope) -> Sequence[Document]:
        return (JsonDocument(shared),)

    assert came([("map", share), ("set", write("x"))], {}) == [{"inner": {}, "seen": ["x"]}]
    assert shared == {"inner": {}}


def test_parts_of_a_split_are_copies_already() -> None:
    assert len(guard([("split", halves), ("set", write("x"))])) == 2
    assert came([("split", halves), ("set", write("x"))], {}) == [
        {"half": 1, "seen": ["x"]},
        {"half": 2, "seen": ["x"]},
    ]


def test_an_unknown_step_is_taken_for_one_that_writes() -> None:
    assert len(guard([("future", through)])) == 2


def test_what_is_filtered_meets_no_further_step() -> None:
    assert came([("keep", nothing), ("set", write("x"))], {}) == []


def test_parts_do_not_see_each_others_values() -> None:
    def remember(document: Document, scope: Scope) -> Sequence[Document]:
        scope.vars["half"] = scope.vars.get("half", 0) + document.root["half"]
        return (document,)

    document = JsonDocument({})
    found = run(guard([("split", halves), ("set", remember)]), document, scope(document))
    assert [inner.vars for _, inner in found] == [{"half": 1}, {"half": 2}]


def test_each_step_sees_the_document_as_it_is_now() -> None:
    seen: list[Any] = []

    def look(document: Document, scope: Scope) -> Sequence[Document]:
        seen.append(dict(scope.msg))
        return (document,)

    came([("keep", look), ("set", write("x")), ("keep", look)], {})
    assert seen == [{}, {"seen": ["x"]}]


async def test_routes_and_destinations_do_not_write_into_each_others_documents(tmp_path: Path) -> None:
    first = """
route: first
from: {public: POST /v1/any}
steps: [{set: {by: first}}]
to:
  - {endpoint: clinique-abc.emr, steps: [{set: {also: emr}}]}
  - {endpoint: clinique-abc.queue, steps: [{set: {other: queue}}]}
"""
    second = """
route: second
from: {public: POST /v1/any}
steps: [{set: {second: "{msg.by}"}}]
to: [clinique-nord.queue]
"""
    async with house(tmp_path, assembled(tmp_path, first, second)) as inside:
        await inside.post({"n": 1}, selector="POST /v1/any")
        assert [await inside.body(row.delivery) for row in await inside.rows()] == [
            {"n": 1, "by": "first", "also": "emr"},
            {"n": 1, "by": "first", "other": "queue"},
            {"n": 1, "second": ""},
        ]


@pytest.mark.parametrize(
    ("steps", "changed", "kindless"),
    [
        ("[{keep: msg.a}]", False, False),
        ("[{set: {a: b}}]", True, False),
        ("[{map: appointment-notice}]", True, True),
        ('[{map: appointment-notice}, {set: {a: "{meta.event.type}"}}]', True, False),
        ("[{map: appointment-notification}]", True, False),
    ],
)
def test_what_is_known_before_there_is_a_message(
    tmp_path: Path, steps: str, changed: bool, kindless: bool
) -> None:
    route = f"route: traced\nfrom: folder\nsteps: {steps}\nto: [clinique-abc.emr]\n"
    supplies: Supplies = assembled(tmp_path, route).supplies
    configs = supplies.loaded.routes[0].config.steps
    _, found = build_steps(configs, Trace("json", "json"), supplies, lambda index: _Nowhere())
    assert (found.changed, found.kindless) == (changed, kindless)


class _Nowhere:
    """A place that nothing is told at."""

    def __enter__(self) -> None: ...

    def __exit__(self, *given: object) -> None: ...
