"""Made-up events and the laws that `map check` tries on them: each law is broken here by a mapper made for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from engine.cli.map.inventing import events, smallest, within
from engine.cli.map.trying import Trial, outcome
from engine.config.two_way import two_way
from engine.mapping.rules import Definition, Leaf, Many, Scope, Table
from engine.mapping.two_way import Decoded, TwoWayMapper

MAPPER = """\
mapper: visit
version: 1.0.0
v2: {messages: [ADT^A01], order: [MSH, PID, NK1], create: "MSH|^~\\\\&||||||||||||||||UNICODE UTF-8\\rPID|\\r"}
events: visit
tables:
  sex: {male: {v2: M}, female: {v2: F}}
  kind: {numeric: {v2: NM}, text: {v2: ST}}
rules:
  - {event: birthDate, v2: PID-7, type: ts}
  - {event: sex, v2: PID-8, table: sex}
  - {event: note, v2: PID-9.2}
  - {event: valueType, v2: PID-10, table: kind}
  - {event: number, v2: PID-11, type: num, when: {valueType: numeric}}
  - {event: dead, v2: PID-30, type: bool}
  - event: identifiers[]
    v2: PID-3
    key: value
    rules: [{event: value, v2: .1}, {event: check, v2: .2, type: int}]
  - event: contacts[]
    v2: {group: NK1}
    rules: [{event: family, v2: NK1-2.1}]
"""


@pytest.fixture
def mapper(tmp_path: Path) -> TwoWayMapper:
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "visit.yaml").write_text(MAPPER, encoding="utf-8")
    found = two_way(tmp_path, "visit")
    assert isinstance(found, TwoWayMapper)
    return found


def some(mapper: TwoWayMapper, seed: int = 1, count: int = 300) -> list[dict[str, Any]]:
    return list(islice(events(mapper.definition, seed), count))


# --------------------------------------------------------------------------- made-up events


def test_a_seed_makes_the_same_events_and_another_makes_others(mapper: TwoWayMapper) -> None:
    assert some(mapper) == some(mapper)
    assert some(mapper) != some(mapper, seed=2)


def test_every_rule_has_its_turn(mapper: TwoWayMapper) -> None:
    made = some(mapper)
    keys = {key for event in made for key in event}
    assert keys == {
        "birthDate", "sex", "note", "valueType", "number", "dead", "identifiers", "contacts",
    }  # fmt: skip


def test_a_rule_with_a_condition_follows_it(mapper: TwoWayMapper) -> None:
    with_number = [event for event in some(mapper) if "number" in event]
    assert {event["valueType"] for event in with_number} == {"numeric"}


def test_items_that_a_key_tells_apart_have_keys_of_their_own(mapper: TwoWayMapper) -> None:
    for event in some(mapper):
        keys = [item["value"] for item in event.get("identifiers") or ()]
        assert len(keys) == len(set(keys))


def test_a_good_mapper_keeps_its_laws(mapper: TwoWayMapper) -> None:
    trial = Trial(mapper)
    for event in some(mapper):
        for name, law in trial.laws().items():
            assert outcome(law, event) is None, name
        trial.before = event


def test_what_a_side_has_no_place_for_is_not_asked_of_it(mapper: TwoWayMapper) -> None:
    mapper.definition.scope.leaves[2].v2 = ()
    event = {"note": "x", "sex": "male", "contacts": [{"family": "y"}]}
    assert within(mapper.definition, event, "v2") == {"sex": "male", "contacts": [{"family": "y"}]}


def test_a_table_without_rows_leaves_a_leaf_to_its_default() -> None:
    closed, open_ = Table("closed", {}), Table("open", {}, open=True)
    scope = Scope(
        [Leaf(("never",), "text", None, table=closed), Leaf(("any",), "text", None, table=open_)],
        [Many(("names",), True, Scope([Leaf(("",), "text", None, table=open_)]), None, plain=True)],
    )
    made = list(islice(events(Definition("visit", "1", scope, {}), seed=1), 100))
    assert {key for event in made for key in event} == {"any", "names"}


def test_a_list_is_null_where_it_has_repetitions(mapper: TwoWayMapper) -> None:
    made = [event for event in some(mapper, count=3_000) if None in event.values()]
    assert any(event.get("identifiers", ()) is None for event in made)
    assert not any(event.get("contacts", ()) is None for event in made)


def test_a_list_without_a_place_is_not_asked_of_a_side(mapper: TwoWayMapper) -> None:
    event = {"identifiers": None, "contacts": None}
    assert within(mapper.definition, event, "v2") == {"identifiers": None}
    assert within(mapper.definition, event, "fhir") == {}


# --------------------------------------------------------------------------- small ones


def test_the_smallest_event_has_nothing_to_spare() -> None:
    event = {"a": {"b": ["xyz", "w"], "c": 1}, "d": [{"e": "long text with Q in it"}, {"f": 2}]}
    small = smallest(event, lambda each: "Q" in str(each))
    assert small == {"d": [{"e": "Q"}]}


def test_a_moment_is_never_cut_into_half_of_one() -> None:
    event = {"at": "2026-01-14T09:30:00-05:00", "note": "x"}
    assert smallest(event, lambda each: "at" in each) == {"at": "2026-01-14T09:30:00-05:00"}


# --------------------------------------------------------------------------- broken mappers


class Broken:
    """A mapper of which one direction does something to what it makes."""

    def __init__(
        self,
        mapper: TwoWayMapper,
        *,
        got: Callable[[dict[str, Any]], None] = lambda data: None,
        given: Callable[[dict[str, Any], bool], None] = lambda data, made: None,
    ) -> None:
        self._mapper = mapper
        self._got, self._given = got, given
        self.sides, self.definition = mapper.sides, mapper.definition

    def get(self, side: str, source: Any) -> Decoded:
        found = self._mapper.get(side, source)
        data = copy.deepcopy(found.data)
        self._got(data)
        return Decoded(data, found.complement, found.make_report)

    def put(self, side: str, data: dict[str, Any], complement: Any = None) -> Any:
        changed = copy.deepcopy(data)
        self._given(changed, complement is None)
        return self._mapper.put(side, changed, complement)


def broken_laws(mapper: Any, event: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, str]:
    trial = Trial(mapper, before)
    found = {name: outcome(law, event) for name, law in trial.laws().items()}
    return {name.partition(":")[0]: wrong.text for name, wrong in found.items() if wrong}


def test_what_is_lost_on_the_way_breaks_create(mapper: TwoWayMapper) -> None:
    broken = Broken(mapper, got=lambda data: data.pop("note", None))
    found = broken_laws(broken, {"note": "x", "sex": "male"})
    assert found["create"] == 'note: "x" became nothing'


def test_what_is_left_of_an_earlier_message_breaks_put_and_get(mapper: TwoWayMapper) -> None:
    def keep(data: dict[str, Any], made: bool) -> None:
        if not made:
            data.setdefault("note", "old")

    found = broken_laws(Broken(mapper, given=keep), {"sex": "male"}, before={"note": "old"})
    assert found["put and get"] == 'note: nothing became "old"'


def test_a_message_that_does_not_come_back_breaks_get_and_put(mapper: TwoWayMapper) -> None:
    def other(data: dict[str, Any], made: bool) -> None:
        if not made:
            data["sex"] = "female"

    found = broken_laws(Broken(mapper, given=other), {"sex": "male"})
    assert found["get and put"] == "PID-8: M became F"


def test_an_event_of_the_rules_that_is_refused_is_wrong(mapper: TwoWayMapper) -> None:
    found = outcome(Trial(mapper).laws()["create: event -> HL7 -> event"], {"birthDate": "yesterday"})
    assert found is not None
    assert found.refused
    assert found.text.startswith("birthDate: ")
