"""A list that is null (`""` in HL7: what is known is wrong, and nothing is known now) is null in FHIR, too."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.codecs.hl7v2.reading import parse
from tests.mapping.trips import shipped

NULLS: dict[str, Any] = {
    "appointment": {"patient": {"aliases": None, "primaryCare": None}},
    "laboratory-result": {
        "orders": [{"placerId": {"value": "1"}, "results": [{"interpretations": None}], "copiesTo": None}]
    },
    "medication": {"orders": [{"timing": {"times": None}}]},
}
"""In an element of the patient and of resources of its own; in items of a list; of plain values."""


@pytest.mark.parametrize("name", NULLS)
def test_a_null_list_comes_back_from_fhir(name: str) -> None:
    made = shipped(name).put("fhir", NULLS[name])
    assert structural_faults(made) == ()
    assert shipped(name).get("fhir", made).data == NULLS[name]


def test_a_null_list_of_a_message_reaches_fhir() -> None:
    mapper = shipped("appointment")
    root = parse(b'MSH|^~\\&|||||20260114||SIU^S12|1|P|2.5\rPID|||||||||""\r')
    data = mapper.get("v2", root).data
    assert data["patient"] == {"aliases": None}
    assert mapper.get("fhir", mapper.put("fhir", data)).data["patient"] == {"aliases": None}


@pytest.mark.parametrize("other", [[{"family": "Essai"}], [], None])
def test_a_list_that_was_null_is_what_the_event_says_now(other: Any) -> None:
    mapper = shipped("appointment")
    made = mapper.put("fhir", {"patient": {"aliases": None, "birthDate": "2001-01-14"}})
    complement = mapper.get("fhir", made).complement
    told = {"patient": {"birthDate": "2001-01-14"} | ({} if other == [] else {"aliases": other})}
    written = mapper.put("fhir", told, complement)
    assert mapper.get("fhir", written).data == told
    assert str(written).count("list:patient.aliases") == (1 if other is None else 0)


def test_items_count_where_somebody_says_null_beside_them() -> None:
    mapper = shipped("appointment")
    made = mapper.put("fhir", {"patient": {"aliases": None}})
    patient = next(one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "Patient")
    patient["name"] = [{"family": "Essai", "use": "old", **_mark(mapper)}]
    decoded = mapper.get("fhir", made)
    assert decoded.data["patient"]["aliases"][0]["family"] == "Essai"
    assert mapper.put("fhir", decoded.data, decoded.complement) == made


def _mark(mapper: Any) -> dict[str, Any]:
    """Return what tells an alias from another name."""
    made = mapper.put("fhir", {"patient": {"aliases": [{"family": "Essai"}]}})
    patient = next(one["resource"] for one in made["entry"] if one["resource"]["resourceType"] == "Patient")
    return {key: value for key, value in patient["name"][0].items() if key not in ("family",)}
