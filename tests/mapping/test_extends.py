"""A hospital's own mapper adds to the shipped one, replaces in it and takes out of it."""

from __future__ import annotations

import pytest

from engine.errors import ConfigurationError
from tests.mapping.visits import MESSAGE, VISIT, decoded, encoded, mapper_of

OWN = """
mapper: visit-own
version: 1.0.0
extends: visit
tables: {sex_own: {male: {v2: "1"}, female: {v2: "2"}, other: {v2: "3"}}}
rules:
  - {event: patient.village, v2: ZZZ-1.2}
  - {event: patient.sex, v2: PID-8, table: sex_own}
  - {event: 'contacts[]', rules: [{event: relationship, v2: NK1-3}]}
remove: ['patient.races[]']
"""
FOUND = MESSAGE.replace("|A||W~B|", "|2||W~B|").replace("NK1|2|CC", "NK1|2|CC|MTH")


def test_rules_are_added_replaced_and_removed() -> None:
    own = mapper_of(OWN, visit=VISIT)
    data, complement = decoded(FOUND, own)
    assert (data["patient"]["village"], data["patient"]["sex"]) == ("b", "female")
    assert "races" not in data["patient"]
    assert data["contacts"] == [{"family": "AA", "given": "BB"}, {"family": "CC", "relationship": "MTH"}]
    assert encoded(data, complement, own) == FOUND
    assert (own.name, own.messages) == ("visit-own", ("ADT^A01",))


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("extends: visit", "extends: visits", "no mapper visits"),
        ("remove: ['patient.races[]']", "remove: [patient.race]", "no rule patient.race to remove"),
        ("v2: ZZZ-1.2", "v2: PID-7", "two rules on PID-7"),
    ],
)
def test_what_does_not_fit_its_base_is_refused(right: str, wrong: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        mapper_of(OWN.replace(right, wrong), visit=VISIT)
    assert any(told in problem.message for problem in refused.value.problems)
