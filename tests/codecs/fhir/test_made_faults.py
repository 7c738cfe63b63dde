"""Faults that a machine puts into resources of every type: each is refused, where it is and as what it is."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.fhir import resource_types, structural_faults
from tests.codecs.fhir.making import Made, faults, resource

SEED = 401
KINDS = sorted(resource_types())
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "url", "code", "_id"]), inner)
    ),
    max_leaves=5,
)


def one_of_each_code(made: list[Made], random: Random) -> list[Made]:
    random.shuffle(made)
    return list({one.code: one for one in made}.values())


def is_found(one: Made) -> bool:
    return (one.path, one.code) in {(fault.path, fault.code) for fault in structural_faults(one.resource())}


def test_a_resource_of_each_type_that_is_made_as_r4_says_has_no_fault() -> None:
    made = {f"{kind} {seed}": resource(kind, Random(f"{kind} {seed}")) for kind in KINDS for seed in range(3)}
    assert {name: found for name, whole in made.items() if (found := structural_faults(whole))} == {}


def test_every_fault_that_is_made_is_refused_where_it_is() -> None:
    random = Random(SEED)
    made = [one for kind in KINDS for one in one_of_each_code(list(faults(resource(kind, random))), random)]
    counted = Counter(one.code for one in made)
    assert [(one.how, one.path, one.code) for one in made if not is_found(one)] == []
    assert counted.total() >= 1_000
    assert min(counted.values()) >= 80


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_spoil_any_resource_is_refused(kind: str) -> None:
    made = [one for seed in range(3) for one in faults(resource(kind, Random(f"{kind} {seed}")))]
    print(f"{len(made)} ways to spoil one")
    assert [(one.how, one.path) for one in made if not is_found(one)] == []


def test_every_way_to_spoil_a_patient_is_refused() -> None:
    made = [one for seed in range(4) for one in faults(resource("Patient", Random(seed)))]
    assert len(made) > 200
    assert [(one.how, one.path) for one in made if not is_found(one)] == []


@pytest.mark.parametrize("kind", ["Bundle", "Patient", "Condition", "Parameters"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 5), where=st.randoms(use_true_random=False), value=ANYTHING)
def test_whatever_stands_anywhere_is_judged_without_an_error(
    kind: str, seed: int, where: Random, value: Any
) -> None:
    whole = resource(kind, Random(seed))
    node: Any = whole
    while True:
        place = where.choice(list(node)) if isinstance(node, dict) else where.randrange(len(node))
        if not isinstance(node[place], dict | list) or not node[place] or where.random() < 0.4:
            break
        node = node[place]
    node[place] = value
    assert all(fault.path and fault.text and fault.code for fault in structural_faults(whole))
