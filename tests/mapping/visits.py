"""A small mapper with every construct of the v2 side, and a message for it; nobody in it exists."""

from __future__ import annotations

from typing import Any

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.rebuilding import REBUILDING
from engine.codecs.hl7v2.writing import write
from engine.config.compose import compose
from engine.errors import Problem
from engine.mapping.loading import compile_mapper
from engine.mapping.two_way import TwoWayMapper

VISIT = r"""
mapper: visit
version: 1.0.0
v2:
  messages: [ADT^A01]
  order: [MSH, EVN, PID, NK1, PV1, ORC, OBR, OBX, NTE]
  create: "MSH|^~\\&|||||||ADT|||2.5.1\rEVN|\rPID|1\rPV1|1\r"
events: {by: trigger, types: {admitted: encounter-started}, else: encounter-updated}
tables:
  trigger: {admitted: {v2: A01}, registered: {v2: A04}}
  value_type: {numeric: {v2: NM}, text: {v2: [ST, TX]}, coded: {v2: [CE, CWE]}}
  sex: {male: {v2: M}, female: {v2: F}, other: {v2: [O, A]}}
shapes:
  system: [{event: name, v2: .1}, {event: oid, v2: .2}]
  identifier:
    - {event: value, v2: .1}
    - {event: authority, v2: .4, shape: system}
    - {event: type, v2: .5}
rules:
  - {event: message.id, v2: MSH-10, fresh: true}
  - {event: message.sender, v2: MSH-3, shape: system}
  - {event: message.sentAt, v2: MSH-7, type: ts}
  - {event: trigger, v2: MSH-9.2, table: trigger}
  - {event: patient.birthDate, v2: PID-7, type: ts}
  - {event: patient.sex, v2: PID-8, table: sex}
  - {event: patient.account, v2: PID-18, shape: identifier}
  - {event: 'patient.identifiers[]', v2: PID-3, key: value, shape: identifier}
  - {event: 'patient.races[]', v2: PID-10}
  - {event: 'patient.names[]', v2: PID-5, rules: [{event: family, v2: .1}, {event: given, v2: .2}]}
  - {event: start, v2: [PV1-44, EVN-2], v2_also: [EVN-6], type: ts}
  - event: contacts[]
    v2: {group: NK1}
    number: NK1-1
    key: family
    rules: [{event: family, v2: NK1-2.1}, {event: given, v2: NK1-2.2}]
  - event: reports[]
    v2: {group: [ORC, OBR]}
    rules:
      - {event: placer, v2: ORC-2}
      - {event: filler, v2: OBR-3}
      - {event: orderer, v2: [ORC-12, OBR-16], rules: [{event: id, v2: .1}, {event: family, v2: .2}]}
      - event: results[]
        v2: {group: OBX}
        number: OBX-1
        rules:
          - {event: type, v2: OBX-2, table: value_type}
          - {event: number, v2: OBX-5, type: num, when: {type: numeric}}
          - {event: 'texts[]', v2: OBX-5.1, when: {type: text}}
          - event: concept
            v2: OBX-5
            when: {type: coded}
            rules: [{event: code, v2: .1}, {event: text, v2: .2}]
          - {event: 'notes[]', v2: {group: NTE}, rules: [{event: text, v2: NTE-3}]}
"""
SEGMENTS = (
    r"MSH|^~\&|LAB^1.2&x|FAC|||20260114093012||ADT^A01^ADT_A01|ID1|P|2.5.1",
    "EVN||202601140930",
    'PID|1||0001^^^HSJ&1.2.3^MR~0002^^^RAMQ~^^^X||ESSAI^ANNE^Q~""|| 19700101|A||W~B||||||||77^^^HSJ',
    "ZZZ|a^b",
    "NK1|1|AA^BB^C",
    "NK1|2|CC",
    "PV1|1|I",
    "ORC|RE|p1||||||||||9^DOC",
    "OBR|1||f1|||||||||||||9^DOC",
    "OBX|1|NM|x||5.50|",
    "NTE|1||hey\\T\\",
    "OBX|2|ST|||a~b|",
    "OBX|7|CE|||c^d^L|",
    "OBR|2||f2|||||||||||||8^OTHER",
)
MESSAGE = "\r".join(SEGMENTS) + "\r"


def mapper_of(text: str, **files: str) -> TwoWayMapper:
    """Compile a mapper's text; `files` are what it extends or includes."""
    return compile_mapper(
        tree_of(text), v2=REBUILDING, find=lambda name: tree_of(files[name], name) if name in files else None
    )


def tree_of(text: str, name: str = "visit") -> Any:
    problems: list[Problem] = []
    tree = compose(text, f"{name}.yaml", problems)
    assert problems == []
    return tree


VISITS = mapper_of(VISIT)


def decoded(text: str, mapper: TwoWayMapper = VISITS) -> tuple[dict[str, Any], dict[str, Any]]:
    found = mapper.get("v2", parse(text.encode()))
    return found.data, found.complement


def encoded(
    data: dict[str, Any], complement: dict[str, Any] | None = None, mapper: TwoWayMapper = VISITS
) -> str:
    return write(mapper.put("v2", data, complement)).decode()
