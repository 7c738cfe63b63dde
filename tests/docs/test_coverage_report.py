"""The measuring behind docs/reference/mapper-coverage.md: Bundles compared leaf by leaf, and the guide's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.coverage.described import is_described
from bench.coverage.described import leaves as event_leaves
from bench.coverage.guide import Guide
from bench.coverage.measured import Measured
from bench.coverage.page import page
from bench.coverage.pairs import Tally, compared, leaves
from engine.cli.map.measuring import Coverage
from engine.mapping.rules import OneWay

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"fullUrl": f"urn:uuid:{at}", "resource": each} for at, each in enumerate(resources)]
    return {"resourceType": "Bundle", "entry": entries}


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "1"},
    "text": {"div": "..."},
    "name": [{"family": "Roy", "given": ["Luc", "Guy"]}],
}


def test_ids_narrative_and_what_a_server_writes_are_no_leaves() -> None:
    assert list(leaves(bundle(PATIENT))) == [
        ("Patient.name.family", "Roy"),
        ("Patient.name.given", "Luc"),
        ("Patient.name.given", "Guy"),
    ]


def test_a_reference_counts_as_the_type_that_it_leads_to() -> None:
    visit = {"resourceType": "Encounter", "subject": {"reference": "urn:uuid:0"}}
    assert ("Encounter.subject.reference", "Patient") in list(leaves(bundle(PATIENT, visit)))
    relative = {"resourceType": "Encounter", "subject": {"reference": "Patient/p1"}}
    assert ("Encounter.subject.reference", "Patient") in list(leaves(bundle(PATIENT, relative)))


def test_an_extension_is_named_by_its_url() -> None:
    found = list(leaves({"resourceType": "Patient", "extension": [{"url": "urn:x", "valueString": "y"}]}))
    assert found == [("Patient.extension[urn:x].valueString", "y")]


def test_the_zone_of_a_time_is_not_compared() -> None:
    theirs = bundle({"resourceType": "Encounter", "period": {"start": "2026-01-14T09:30:00+05:30"}})
    ours = bundle({"resourceType": "Encounter", "period": {"start": "2026-01-14T09:30:00.000-05:00"}})
    assert compared(theirs, ours).ours_too == 1


def test_two_of_theirs_are_not_met_by_one_of_ours() -> None:
    theirs = bundle({"resourceType": "Patient", "name": [{"given": ["Luc", "Luc"]}]})
    ours = bundle({"resourceType": "Patient", "name": [{"given": ["Luc"]}]})
    found = compared(theirs, ours)
    assert (found.theirs, found.ours_too, found.path_too) == (2, 1, 1)


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ({"resourceType": "Provenance", "recorded": "2026"}, "tells of the conversion itself"),
        ({"resourceType": "Account", "status": "active"}, "a resource that ours has not"),
        (
            {"resourceType": "Patient", "extension": [{"url": "https://their.example/x", "valueCode": "a"}]},
            "an extension of the other converter's own",
        ),
        (
            {"resourceType": "Patient", "identifier": [{"system": "urn:oid:1.2"}]},
            "another name of a code system or authority",
        ),
        ({"resourceType": "Patient", "name": [{"family": "Le Roy"}]}, "the same path with another value"),
        ({"resourceType": "Patient", "name": [{"text": "Roy"}]}, "the same value at another path"),
        ({"resourceType": "Patient", "gender": "male"}, "not carried by ours"),
    ],
)
def test_what_is_not_ours_says_why(resource: dict[str, Any], why: str) -> None:
    found = compared(bundle(resource), bundle(PATIENT))
    assert list(found.why) == [why]
    assert found.own == (why.startswith(("tells", "an extension")))


SEGMENT = """HL7 v2,,,,,,,,,HL7 FHIR,,,,,,
Sort,Identifier,Name,Type,Min,Max,a,b,c,FHIR Attribute,,Type,Min,Max,Data Type Mapping,
1,PID-1,Set ID,SI,0,1,,,,,,,,,,
2,PID-3,Identifiers,CX,1,-1,,,,identifier[1],,,,,CX[Identifier],
3,PID-8,Sex,CWE,0,1,,,,gender,,,,,,
4,PID-10,Race,CWE,0,1,,,,local implementation,,,,,,
"""
MESSAGE = """HL7 v2,,,,,,,,,HL7 FHIR,,,,
Sort,Identifier,Syntax,Name,Min,Max,a,b,c,Primary Target,Segment Map,References,,
1,SIU_S12.PID,PID,Patient,1,1,,,,Patient[1],PID[Patient],,,
"""
DATATYPE = """HL7 v2,,,,,,,,,HL7 FHIR,,
Sort,Identifier,Name,Type,Min,Max,a,b,c,FHIR Attribute,,
1,CX.1,ID Number,ST,1,1,,,,value,,
2,CX.2,Check Digit,ST,0,1,,,,,,
3,CX.4,Authority,HD,0,1,,,,system,,
"""


def test_the_guide_gives_places_down_to_components(tmp_path: Path) -> None:
    for folder, name, text in (
        ("segments", "HL7 Segment - FHIR R4_ PID[Patient] - PID.csv", SEGMENT),
        ("messages", "HL7 Message - FHIR R4_ SIU_S12 - Sheet1.csv", MESSAGE),
        ("datatypes", "HL7 Data Type - FHIR R4_ CX[Identifier] - Sheet1.csv", DATATYPE),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text, encoding="utf-8")
    guide = Guide.of(tmp_path)
    assert guide.places("SIU^S13") == {"PID-3.1", "PID-3.4", "PID-8"}
    assert guide.places("RDE^O11") == frozenset()


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this repository")
@pytest.mark.parametrize("kind", ["SIU^S12", "ADT^A01", "ADT^A28", "ORU^R01", "ORM^O01", "OML^O21"])
def test_the_guide_s_own_tables_are_read(kind: str) -> None:
    places = Guide.of(CORPUS / "v2-to-fhir" / "mappings").places(kind)
    assert {"MSH-10", "PID-3.1", "PID-5.2"} <= places


# --------------------------------------------------------------------------- what the schemas describe

SCHEMA = {
    "properties": {
        "id": {"type": "string", "description": "Its id."},
        "untold": {"type": "string"},
        "names": {"type": "array", "items": {"$ref": "#/$defs/name"}},
    },
    "$defs": {"name": {"properties": {"family": {"type": "string", "description": "Family name."}}}},
}


@pytest.mark.parametrize(
    ("parts", "described"),
    [
        (("id",), True),
        (("untold",), False),
        (("names", 0, "family"), True),
        (("names", 0, "other"), False),
        (("raw",), False),
    ],
)
def test_a_leaf_counts_where_its_schema_types_and_describes_it(
    parts: tuple[str | int, ...], described: bool
) -> None:
    assert is_described(SCHEMA, parts) is described


def test_the_leaves_of_an_event_are_its_values() -> None:
    found = [path for path, _ in event_leaves({"a": {"b": [1, None]}, "c": "x"})]
    assert found == ["a.b[0]", "a.b[1]", "c"]


# --------------------------------------------------------------------------- the page


def test_the_page_says_what_was_measured() -> None:
    one = Measured("appointment", real={"SIU^S12": Coverage(messages=2, whole=2, leaves=10, event=9, fhir=6)})
    one.guide, one.guide_carried = 4, 3
    one_way = {"notice": [OneWay("json", "texte", "computed: {msg.start}")]}
    text = page([one], {"SIU^S12": Tally(pairs=1, theirs=10, ours_too=5)}, one_way)
    assert "| notice | json | `texte` | computed: {msg.start} |" in text
    assert "| appointment (real) | 2 | 2 | 10 | 90.0% | 60 / 90 | 66.7% | 50 / 85 | 75.0% | 80 / 97 |" in text
    assert "| SIU^S12 | 1 | 10 | 50.0% | 50.0% | 0.0% | 0 |" in text
