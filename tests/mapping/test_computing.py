"""`compute:`: written of the event at every put, never read back, and told apart in the loss report."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir import children, element
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.codecs.hl7v2.writing import write
from engine.config.workbench import WORKBENCH
from engine.errors import ConfigurationError, Problem
from engine.mapping.computing import REASON
from engine.mapping.loading import compile_mapper
from engine.mapping.two_way import TwoWayMapper
from engine.spi import Scope
from tests.mapping.visits import tree_of

BOOKING = r"""
mapper: booking
version: 1.0.0
v2: {messages: [SIU^S12], create: "MSH|^~\\&|||||||SIU|||2.5.1\rSCH|\rPID|1\r"}
fhir:
  bundle: message
  slots:
    Header: {type: MessageHeader, always: true, constants: {eventUri: "urn:t", source.endpoint: "urn:t"}}
    Booking: {type: Appointment, constants: {status: booked, 'participant[0].status': accepted}}
    Child: {type: Patient, where: {'name[0].use': nickname}}
    Patient: {type: Patient, where: {'name[0].use': usual}}
tables:
  sex: {male: {v2: M, json: homme, fr: Monsieur}, female: {v2: F, json: femme, fr: Madame}}
rules:
  - {event: id, v2: MSH-10}
  - {event: patient.sex, v2: PID-8, table: sex, json: usager.sexe}
  - {event: patient.family, v2: PID-5, json: usager.nom, fhir: 'Patient.name[0].family'}
  - {event: nickname, v2: PID-9, fhir: 'Child.name[0].family'}
  - {event: start, v2: SCH-11.4, type: ts, json: debut, fhir: Booking.start}
compute:
  - json: resume.fr
    value: "{table('sex.fr', msg.patient.sex)} {msg.patient.family}, {meta.event.type}"
  - {json: usager.langue, value: "{partner.language}"}
  - {json: sorte, value: fixe}
  - {fhir: Booking.description, v2: NTE-3, value: "Pour {msg.patient.family}"}
  - {fhir: 'Patient.name[0].text', value: "{msg.patient.family} !"}
"""
EVENT: dict[str, Any] = {"id": "1", "patient": {"sex": "female", "family": "ESSAI"}, "start": "2026-01-14"}


def mapper_of(text: str = BOOKING, **files: str) -> TwoWayMapper:
    return compile_mapper(
        tree_of(text, "booking"),
        v2=REBUILDING,
        r4=element,
        children=children,
        find=lambda name: tree_of(files[name], name) if name in files else None,
        workbench=WORKBENCH,
    )


BOOKINGS = mapper_of()


def scope(kind: str = "appointment-booked", **partner: str) -> Scope:
    return Scope(msg=None, source=None, meta={"event": {"type": kind}}, now_ms=0, partner=partner)


def resources(bundle: Any) -> dict[str, Any]:
    return {entry["resource"]["resourceType"]: entry["resource"] for entry in bundle["entry"]}


def test_a_computed_value_is_written_beside_what_the_rules_write() -> None:
    made = BOOKINGS.put("json", EVENT, scope=scope(language="fr"))
    assert made == {
        "usager": {"sexe": "femme", "nom": "ESSAI", "langue": "fr"},
        "debut": "2026-01-14",
        "resume": {"fr": "Madame ESSAI, appointment-booked"},
        "sorte": "fixe",
    }


def test_what_says_which_document_it_is_stands_first() -> None:
    made = BOOKINGS.put("json", EVENT, scope=scope())
    assert list(made) == ["sorte", "debut", "usager", "resume"]


def test_it_is_never_read_back() -> None:
    made = BOOKINGS.put("json", EVENT, scope=scope())
    made["resume"]["fr"] = "Monsieur Autre"
    assert BOOKINGS.get("json", made).data == {key: EVENT[key] for key in ("patient", "start")}


def test_it_is_worked_out_anew_at_every_put() -> None:
    found = BOOKINGS.get("json", BOOKINGS.put("json", EVENT, scope=scope(language="fr")))
    again = BOOKINGS.put("json", EVENT, found.complement, scope=scope("appointment-modified"))
    assert again["resume"]["fr"] == "Madame ESSAI, appointment-modified"
    assert "langue" not in again["usager"]


def test_without_a_scope_nothing_is_computed_and_the_laws_hold() -> None:
    assert BOOKINGS.put("json", {"start": "2026-01-14"}) == {"debut": "2026-01-14"}
    document = {"debut": "2026-01-14", "resume": {"fr": "a text of theirs", "de": "kept"}}
    found = BOOKINGS.get("json", document)
    assert BOOKINGS.put("json", found.data, found.complement) == document


def test_the_scope_is_as_before() -> None:
    one = scope()
    BOOKINGS.put("json", EVENT, scope=one)
    assert (one.msg, one.tables) == (None, {})


def test_a_resource_gets_it_where_it_is_written() -> None:
    made = resources(BOOKINGS.put("fhir", EVENT, scope=scope()))
    assert made["Appointment"]["description"] == "Pour ESSAI"
    assert made["Patient"]["name"] == [{"use": "usual", "family": "ESSAI", "text": "ESSAI !"}]
    assert "Appointment" not in resources(BOOKINGS.put("fhir", {"nickname": "X"}, scope=scope()))


def test_a_slot_is_told_from_another_of_its_type_by_its_constants() -> None:
    bundle = BOOKINGS.put("fhir", {**EVENT, "nickname": "X"}, scope=scope())
    names = [one["resource"]["name"][0] for one in bundle["entry"] if "name" in one["resource"]]
    assert [(name["family"], name.get("text")) for name in names] == [("X", None), ("ESSAI", "ESSAI !")]


def test_a_message_gets_it_in_its_field() -> None:
    assert "NTE|||Pour ESSAI" in write(BOOKINGS.put("v2", EVENT, scope=scope())).decode()


def test_the_report_says_that_it_is_computed() -> None:
    made = BOOKINGS.put("json", {**EVENT, "extra": 1}, scope=scope(language="fr"))
    report = BOOKINGS.get("json", {**made, "sortes": "x"}).report
    assert dict(report.dropped) == dict.fromkeys(("resume.fr", "usager.langue", "sorte"), REASON)
    assert report.opaque == ("sortes",)
    message = write(BOOKINGS.put("v2", EVENT, scope=scope()))
    of_message = BOOKINGS.get("v2", parse(message)).report
    assert dict(of_message.dropped) == {"NTE-3": REASON}
    assert of_message.as_stored().keys() >= {"outline"}, "what is stored stays short"
    assert "SCH-11.4" in of_message.mapped
    assert "NTE-3" not in of_message.mapped
    bundle = BOOKINGS.put("fhir", EVENT, scope=scope())
    assert ("Appointment.description", REASON) in BOOKINGS.get("fhir", bundle).report.dropped


def test_it_is_known_whether_the_type_of_the_event_makes_a_difference() -> None:
    assert BOOKINGS.definition.computing["json"].reads_kind
    assert not BOOKINGS.definition.computing["fhir"].reads_kind


def test_an_extending_mapper_computes_a_place_anew() -> None:
    own = "mapper: own\nversion: 1.0.0\nextends: booking\ncompute: [{json: sorte, value: 'la nôtre'}]\n"
    made = mapper_of(own, booking=BOOKING).put("json", EVENT, scope=scope())
    assert (made["sorte"], made["resume"]["fr"]) == ("la nôtre", "Madame ESSAI, appointment-booked")


BROKEN = {
    "a place that a rule has": ("json: sorte,", "json: usager.nom,", "usager.nom", "a rule reads it: patient.family"),
    "a part of what a rule has": ("json: sorte,", "json: debut.jour,", "debut.jour", "a rule reads it: start"),
    "a field that a rule has": ("v2: NTE-3,", "v2: PID-8,", "PID-8", "a rule reads it: patient.sex"),
    "an expression that does not compile": ("{partner.language}", "{partner.}", "partner.", "path"),
    "a name that does not exist there": ("{partner.language}", "{vars.x}", "vars", "vars"),
    "a table's column that is not there": ("sex.fr", "sex.de", "sex.de", "sex.de"),
    "an element that R4 has not": ("Booking.description", "Booking.descriptions", "descriptions", "descriptions"),
    "a slot that is not there": ("Booking.description", "Bookings.description", "Bookings", "no slot"),
    "inside a list": (
        "json: usager.sexe}",
        "json: usager.sexe}\n  - {event: 'notes[]', json: notes, rules: [{event: a, json: a}], compute: []}",
        "compute",
        "at the top of a mapper",
    ),
    "in every item of a list": ("json: sorte,", "json: 'notes[].label',", "notes[].label", "every item"),
    "no value": ("value: fixe", "values: fixe", "values", "a place and a value"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_computed_is_told_at_its_place(kind: str) -> None:
    right, wrong, marked, told = BROKEN[kind]
    assert right in BOOKING
    text = BOOKING.replace(right, wrong, 1)
    problem = next(one for one in problems_of(text) if told in one.message)
    line = text.splitlines()[problem.line - 1]
    assert marked in line
    assert line[problem.column - 1 : problem.column - 1 + problem.length] in line


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ConfigurationError) as refused:
        mapper_of(text)
    return refused.value.problems
