"""The laws of MAPPING hold for events that nobody thought of: put is undone by get, and get by put."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from engine.cli.map.inventing import smallest, within
from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.codecs.hl7v2.writing import write
from engine.mapping.laws import (
    check_across,
    check_create,
    check_getput,
    check_locality,
    check_putget,
    coverage,
)
from engine.mapping.two_way import TwoWayMapper
from engine.mapping.v2.reporting import leaves_of_message
from tests.mapping.admissions import ADMISSIONS
from tests.mapping.made_events import events
from tests.mapping.trips import shipped
from tests.mapping.visits import MESSAGE, VISITS, mapper_of

ZONE = "America/Toronto"
SHIPPED = ("appointment", "patient-encounter", "laboratory-result", "order", "medication", "invoice")
OWN = {"visit": VISITS, "admission": ADMISSIONS}
EACH = 650
"""Pairs of events for each of the six shipped mappers and of two small ones: more than 10,000 events."""
MANY = int(os.environ.get("PASSERELLE_LAW_EVENTS", "16700"))
"""Pairs for each shipped mapper in `make soak`: more than 200,000 events."""
Event = dict[str, Any]
Law = Callable[[TwoWayMapper, Event, Event], str | None]


def mapper_named(name: str) -> TwoWayMapper:
    found: Any = OWN.get(name) or shipped(name)
    assert isinstance(found, TwoWayMapper)
    return found


def raw_leaves(root: Any) -> dict[str, str]:
    return leaves_of_message(root, REBUILDING)


def equal(one: Any, other: Any) -> bool:
    return bool(one == other)


def same_bytes(one: Any, other: Any) -> bool:
    return write(one) == write(other)


def broken(mapper: TwoWayMapper, event: Event, earlier: Event) -> str | None:
    """Return what law of the side v2 an event breaks, alone or put into the message of an earlier one."""
    new = mapper.get("v2", mapper.put("v2", event)).data
    if new != event and (wrong := check_create(mapper, "v2", event)):
        return wrong
    complement = mapper.get("v2", mapper.put("v2", earlier)).complement
    put = mapper.put("v2", event, complement)
    after = mapper.get("v2", put)
    if after.data != event and (wrong := check_putget(mapper, "v2", event, complement)):
        return wrong
    again = mapper.put("v2", after.data, after.complement)
    return None if same_bytes(again, put) else check_getput(mapper, "v2", put, same_bytes)


def pairs(name: str, seed: int, side: str = "v2") -> Iterator[tuple[Event, Event]]:
    """Yield pairs of events of a mapper that one of its sides can say."""
    definition = mapper_named(name).definition
    made = (within(definition, event, side) for event in events(definition, seed))
    return zip(made, made, strict=False)


def hold(name: str, count: int, seed: int, law: Law, side: str = "v2") -> None:
    """Have laws hold for so many pairs of events; one that breaks one is made small and told."""
    mapper = mapper_named(name)

    def breaks(event: Event, earlier: Event) -> bool:
        """Say whether an event that the side can say breaks the law: a smaller one may be outside of what it can."""
        return event == within(mapper.definition, event, side) and law(mapper, event, earlier) is not None

    for event, earlier in islice(pairs(name, seed, side), count):
        if law(mapper, event, earlier) is not None:
            small = smallest(event, lambda one: breaks(one, earlier))  # noqa: B023  # called at once
            before = smallest(earlier, lambda one: breaks(small, one))  # noqa: B023  # called at once
            raise AssertionError(f"seed {seed}: {law(mapper, small, before)}: {small!r} over {before!r}")


@pytest.mark.parametrize("name", [*OWN, *SHIPPED])
def test_the_laws_hold_for_generated_events(name: str) -> None:
    hold(name, EACH, 1, broken)


@pytest.mark.soak
@pytest.mark.parametrize("name", SHIPPED)
def test_the_laws_hold_for_very_many_events(name: str) -> None:
    hold(name, MANY, secrets.randbits(32), broken)


def test_a_law_that_is_broken_is_told_by_a_small_event() -> None:
    with pytest.raises(AssertionError, match="family"):
        hold("admission", 200, 1, lambda _, event, __: "broken" if "family" in str(event) else None)


def test_fhir_gives_back_what_its_rules_say() -> None:
    for event, _ in islice(pairs("admission", 1, "fhir"), 300):
        bundle = ADMISSIONS.put("fhir", event, zone=ZONE)
        assert check_create(ADMISSIONS, "fhir", event, zone=ZONE) is None
        assert check_getput(ADMISSIONS, "fhir", bundle, equal, zone=ZONE) is None
        assert structural_faults(bundle) == ()


def test_a_changed_leaf_changes_one_leaf_of_the_message() -> None:
    root = parse(MESSAGE.encode())
    before = VISITS.get("v2", root).data
    after = VISITS.get("v2", root).data
    after["reports"][0]["results"][0]["number"] = "6"
    assert check_locality(VISITS, before, after, root, raw_leaves, most=1) is None
    assert check_locality(VISITS, before, after, root, raw_leaves, most=0) is not None


def test_a_message_comes_back_over_fhir() -> None:
    root = ADMISSIONS.put(
        "v2", {"message": {"id": "1"}, "visit": {"class": "emergency"}, "contacts": [{"family": "X"}]}
    )
    assert check_across(ADMISSIONS, root, same_bytes, zone=ZONE) is None


def test_coverage_counts_what_only_the_complement_has() -> None:
    found = coverage(VISITS, [parse(MESSAGE.encode())])
    assert found.sources == 1
    assert 0.5 < found.share < 1
    assert found.unmapped["ZZZ-1.1"] == 1


TWO_MEANINGS = """
mapper: two-meanings
version: 1.0.0
v2: {messages: [ADT^A01]}
rules:
  - {event: village, v2: PID-12, default: {v2: none}}
"""


def test_a_mapper_that_breaks_a_law_is_caught_by_it() -> None:
    broken = mapper_of(TWO_MEANINGS)
    assert check_create(broken, "v2", {"village": "here"}) is None
    assert (
        check_create(broken, "v2", {"village": "none"})
        == "L3: village is not the same after put and get on side v2"
    )
