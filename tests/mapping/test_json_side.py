"""A mapper's JSON side: a document of a partner's own making, written from the event and read back."""

from __future__ import annotations

from typing import Any

from tests.mapping.visits import mapper_of

BOOKINGS = mapper_of("""
mapper: bookings
version: 1.0.0
v2: {messages: [SIU^S12]}
tables: {sex: {male: {v2: M, json: homme}, female: {v2: F, json: femme}}}
rules:
  - {event: patient.number, v2: PID-3.1, json: usager.dossier}
  - {event: patient.sex, v2: PID-8, table: sex, json: usager.sexe}
  - {event: start, v2: SCH-11.4, type: ts, json: debut}
""")
EVENT: dict[str, Any] = {"patient": {"number": "0042", "sex": "female"}, "start": "2026-01-14T09:30-05:00"}
DOCUMENT = {"usager": {"dossier": "0042", "sexe": "femme"}, "debut": "2026-01-14T09:30-05:00"}


def test_a_document_is_made_of_the_event_and_says_it_again() -> None:
    assert BOOKINGS.put("json", EVENT) == DOCUMENT
    assert BOOKINGS.get("json", DOCUMENT).data == EVENT


def test_what_no_rule_names_comes_back_with_the_complement() -> None:
    decoded = BOOKINGS.get("json", {**DOCUMENT, "note": "à jeun"})
    assert decoded.data == EVENT
    assert BOOKINGS.put("json", {**EVENT, "start": "2026-01-15"}, decoded.complement) == {
        **DOCUMENT,
        "debut": "2026-01-15",
        "note": "à jeun",
    }


WHOLE = mapper_of("""
mapper: whole
version: 1.0.0
v2: {messages: [SIU^S12]}
rules:
  - {event: patient, json: usager, type: any}
""")


def test_a_branch_that_is_taken_whole_is_mapped_leaf_by_leaf() -> None:
    document = {"usager": {"noms": [{"nom": "ESSAI"}], "age": 7}, "note": {"a": "b"}}
    decoded = WHOLE.get("json", document)
    assert decoded.data == {"patient": document["usager"]}
    assert decoded.report.mapped == ("usager.noms[0].nom", "usager.age")
    assert decoded.report.opaque == ("note.a",)
    assert WHOLE.put("json", decoded.data, decoded.complement) == document
