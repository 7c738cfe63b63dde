"""A small mapper with every construct of the FHIR side, and an event for it; nobody in it exists."""

from __future__ import annotations

from typing import Any

from engine.codecs.fhir import children, element
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.mapping.loading import compile_mapper
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.visits import tree_of

ADMISSION = r"""
mapper: admission
version: 1.0.0
v2: {messages: [ADT^A01], create: "MSH|^~\\&|||||||ADT|||2.5.1\r"}
fhir:
  bundle: message
  seed: message.id
  slots:
    Header: {type: MessageHeader, always: true, constants: {eventUri: "urn:test:admission",
        source.endpoint: "urn:test"}, refs: {'focus[0]': Encounter}}
    Encounter: {type: Encounter, always: true, constants: {status: in-progress}, refs: {subject: Patient}}
    Patient: {type: Patient}
    Attending: {type: Practitioner, each: 'visit.attending[]', link: individual}
    Kin: {type: RelatedPerson, each: 'contacts[]', refs: {patient: Patient!}}
    Mother: {type: RelatedPerson, where: {'relationship[0].coding[0].code': MTH}, refs: {patient: Patient!}}
    Report: {type: DiagnosticReport, each: 'reports[]', refs: {subject: Patient, 'basedOn[0]': Request}}
    Request: {type: ServiceRequest, each: 'reports[]', link: 'Report.basedOn[0]', constants: {status: active,
        intent: order}, refs: {subject: Patient!}}
    Result: {type: Observation, each: 'reports[].results[]', link: 'Report.result[]'}
tables:
  sex: {male: {v2: M, fhir: male}, female: {v2: F, fhir: female}, other: {v2: O, fhir: other},
      ambiguous: {v2: A, fhir: other}}
  class: {inpatient: {v2: I, fhir: IMP}, emergency: {v2: E, fhir: EMER}}
  status: {final: {v2: F, fhir: final}, preliminary: {v2: P, fhir: preliminary}}
  value_type: {numeric: {v2: NM}, text: {v2: ST}, note: {v2: TX}}
shapes:
  id: [{event: value, v2: .1, fhir: value}, {event: authorityOid, v2: .4.2, fhir: system, type: oid}]
  name:
    - {event: family, v2: .1, fhir: family}
    - {event: given, v2: .2, fhir: 'given[0]'}
    - {event: middle, v2: .3, fhir: 'given[1]'}
  person: [{event: id, v2: .1, fhir: 'identifier[0].value'}, {event: family, v2: .2, fhir: 'name[0].family'}]
rules:
  - {event: message.id, v2: MSH-10, fhir: Bundle.identifier.value, fresh: true}
  - {event: message.sentAt, v2: MSH-7, fhir: Bundle.timestamp, type: ts}
  - {event: patient.sex, v2: PID-8, fhir: Patient.gender, table: sex}
  - {event: patient.birthDate, v2: PID-7, fhir: Patient.birthDate, type: ts}
  - {event: patient.dead, v2: PID-30, fhir: Patient.deceasedBoolean, type: bool, yields_to: deathAt}
  - {event: patient.deathAt, v2: PID-29, fhir: Patient.deceasedDateTime, type: ts}
  - {event: patient.account, v2: PID-18, fhir: 'Patient.identifier[type.coding[0].code == "AN"]', shape: id}
  - {event: 'patient.identifiers[]', v2: PID-3, fhir: Patient.identifier, key: value, shape: id,
      rules: [{event: type, v2: .5, fhir: 'type.coding[0].code'}]}
  - {event: 'patient.names[]', v2: PID-5, fhir: Patient.name, shape: name}
  - {event: 'patient.homePhones[]', v2: PID-13, fhir: 'Patient.telecom[use == "home"]', rules: [{event: number,
      v2: .1, fhir: value}]}
  - {event: 'patient.workPhones[]', v2: PID-14, fhir: 'Patient.telecom[use == "work"]', rules: [{event: number,
      v2: .1, fhir: value}]}
  - {event: patient.mother.family, v2: PID-6.1, fhir: 'Mother.name[0].family'}
  - {event: visit.class, v2: PV1-2, fhir: Encounter.class.code, table: class, default: {fhir: AMB}}
  - {event: visit.admittedAt, v2: PV1-44, fhir: Encounter.period.start, type: ts}
  - event: visit.attending[]
    v2: PV1-7
    fhir: 'Encounter.participant[type[0].coding[0].code == "ATND"]'
    rules: [{event: ., fhir: Attending, shape: person}]
  - event: contacts[]
    v2: {group: NK1}
    number: NK1-1
    fhir: Kin
    rules: [{event: family, v2: NK1-2.1, fhir: 'name[0].family'}]
  - event: reports[]
    v2: {group: OBR}
    number: OBR-1
    fhir: Report
    key: filler
    rules:
      - {event: filler, v2: OBR-3, fhir: 'identifier[0].value'}
      - {event: placer, v2: OBR-2, fhir: 'Request.identifier[0].value'}
      - {event: code, v2: OBR-4.1, fhir: 'code.coding[0].code', fhir_also: 'Request.code.coding[0].code'}
      - {event: status, v2: OBR-25, fhir: status, table: status, default: {fhir: unknown}}
      - {event: issued, v2: OBR-22, fhir: issued, type: ts}
      - event: results[]
        v2: {group: OBX}
        number: OBX-1
        fhir: Result
        rules:
          - {event: code, v2: OBX-3.1, fhir: 'code.coding[0].code'}
          - {event: status, v2: OBX-11, fhir: status, table: status, default: {fhir: unknown}}
          - {event: type, v2: OBX-2, table: value_type, fhir: {present: {numeric: valueQuantity, text: valueString}}}
          - {event: number, v2: OBX-5, fhir: valueQuantity.value, type: num, when: {type: numeric}}
          - {event: unit, v2: OBX-6, fhir: valueQuantity.unit, when: {type: numeric}}
          - {event: text, v2: OBX-5, fhir: valueString, when: {type: [text, note]}}
"""
EVENT: dict[str, Any] = {
    "message": {"id": "ID1", "sentAt": "2026-01-14T09:30"},
    "patient": {
        "sex": "ambiguous",
        "birthDate": "1970-01-31T10:15",
        "dead": True,
        "deathAt": "2026-01-13",
        "account": {"value": "77"},
        "identifiers": [
            {"value": "1", "authorityOid": "1.2.3", "type": "AN"},
            {"value": "2", "authorityOid": "local one"},
        ],
        "names": [{"family": "ESSAI", "middle": "B"}, {"given": None}],
        "homePhones": [{"number": "514 555-0100"}],
        "workPhones": [{"number": "514 555-0101"}],
        "mother": {"family": "MERE"},
    },
    "visit": {
        "class": "emergency",
        "admittedAt": "2026-01",
        "attending": [{"id": "9", "family": "DOC"}, {"family": "AUTRE"}],
    },
    "contacts": [{"family": "PROCHE"}, {"family": "VOISIN"}],
    "reports": [
        {
            "filler": "f1", "placer": "p1", "code": "GLU", "status": "final", "issued": "2026-01-14",
            "results": [
                {"code": "a", "type": "numeric", "number": "5.50", "unit": "mmol/L"},
                {"code": "b", "type": "text", "text": "clear"},
                {"code": "c", "type": "note", "text": "cloudy"},
                {"type": "numeric"},
            ],
        },
        {"filler": "f2"},
    ],
}  # fmt: skip


def admission_of(text: str) -> TwoWayMapper:
    """Compile a mapper's text against R4."""
    return compile_mapper(tree_of(text, "admission"), v2=REBUILDING, r4=element, children=children)


ADMISSIONS = admission_of(ADMISSION)
