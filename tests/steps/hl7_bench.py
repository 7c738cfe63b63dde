"""A workshop for HL7 documents, and the few synthetic messages that the tests of steps read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.codecs import codec
from engine.codecs.hl7v2 import Hl7Document
from engine.codecs.hl7v2.reading import parse
from engine.errors import NotFound
from engine.expressions import compile_expression, compile_template
from engine.spi import CompiledPath, Document, Mapper, Scope, Step, TwoWay
from engine.steps import build, step_type
from engine.steps.contract import Compiled, House, PartnerIndex, Rendered, SchemaCheck

PLACES = ("msg", "source", "vars", "meta", "sender", "partner", "memory")
REPORT = (
    b"MSH|^~\\&|LAB|CLINABC|EMR|HSJ|20260114093012||ORU^R01^ORU_R01|MSG00001|P|2.5.1\r"
    b"PID|1||000123^^^HSJ^MR||ESSAI^PATIENT\r"
    b"ORC|RE|A1\rOBR|1|A1|F1|GLU\rOBX|1|NM|GLU^Glucose||5.2|mmol/L\r"
    b"ORC|RE|A2\rOBR|2|A2|F2|RX\rOBX|1|ST|NOTE||ras\r"
    b"OBX|2|ED|RX^Rapport||RIS^Application^PDF^Base64^JVBERi0xLjQK\r"
)
"""Two orders of one synthetic patient; the last observation is a PDF of nine bytes."""


class Nobody:
    """A directory without partners."""

    def find(self, **identifiers: str) -> Mapping[str, Any] | None:
        return None


@dataclass(slots=True)
class Hl7Bench:
    """A workshop for HL7 documents; `it` is known only within `each`, as in a route."""

    names: tuple[str, ...] = PLACES
    codec: Any = field(default_factory=lambda: codec("hl7v2"))
    directory: PartnerIndex = field(default_factory=Nobody)

    def within(self) -> Hl7Bench:
        return Hl7Bench((*PLACES, "it"))

    def expression(self, text: str) -> Compiled:
        return compile_expression(text, self.codec, names=self.names)

    def template(self, text: str) -> Rendered:
        return compile_template(text, self.codec, names=self.names)

    def path(self, text: str) -> CompiledPath:
        found: CompiledPath = self.codec.path(text)
        return found

    def mapper(self, name: str) -> Mapper:
        raise NotFound(name)

    def two_way(self, name: str) -> TwoWay | None:
        return None

    @property
    def house(self) -> House:
        raise NotFound("there are no two-way mappers here")

    def schema(self, name: str) -> SchemaCheck:
        raise NotFound(name)


def hl7_step(name: str, written: Any) -> Step:
    """Compile one step for HL7 documents."""
    (built,) = build([{name: step_type(name).config.model_validate(written)}], Hl7Bench())
    return built


def hl7_document(data: bytes = REPORT) -> Hl7Document:
    """Decode a message."""
    return Hl7Document(parse(data))


def scope_of(document: Document) -> Scope:
    """Return what expressions see of a message."""
    return Scope(msg=document.root, source=document.root, meta={"id": "01JD"}, now_ms=0)


def hl7_run(name: str, written: Any, data: bytes = REPORT) -> list[bytes]:
    """Return the bytes of what a step makes of a message."""
    document = hl7_document(data)
    made = hl7_step(name, written)(document, scope_of(document))
    return [codec("hl7v2").encode(each) for each in made]
