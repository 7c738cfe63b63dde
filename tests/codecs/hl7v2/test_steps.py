"""The steps of a route on HL7 messages, written as people write them."""

from __future__ import annotations

from typing import Any, cast

from engine.codecs.hl7v2 import CODEC, Hl7Document
from engine.expressions import Expression, Template, compile_expression, compile_template
from engine.spi import CompiledPath, Scope
from engine.steps import Workshop, step_type
from tests.codecs.hl7v2.samples import ADT, message


class Bench:
    """Compiles expressions, templates and paths, which is all that these steps ask for."""

    codec = CODEC

    def expression(self, text: str) -> Expression:
        return compile_expression(text, CODEC)

    def template(self, text: str) -> Template:
        return compile_template(text, CODEC)

    def path(self, text: str) -> CompiledPath:
        return CODEC.path(text)


def after(name: str, written: Any) -> list[str]:
    """Return the messages that the step makes of the sample."""
    kind = step_type(name)
    step = kind.build(kind.config.model_validate(written), cast(Workshop, Bench()))
    document = CODEC.decode(message(ADT.encode()))
    tables = {"units": {"3W": "TROIS"}}
    scope = Scope(document.root, document.root, {}, 0, tables=tables)
    return [CODEC.encode(cast(Hl7Document, one)).decode() for one in step(document, scope)]


def test_set_writes_values_and_copies_parts() -> None:
    values = {
        "MSH-5": "RIS",
        "PV1-3.1": "{table('units', msg.PV1-3.1, miss='keep')}",
        "PV1-7": "{msg.EVN-5}",
        "ZPV-4": "{'a^b'}",
        "ZPV-5": "a^b",
    }
    expected = (
        ADT.replace("|LAB|", "|RIS|")
        .replace("3W^", "TROIS^")
        .replace('""^x', '""^x||1234^Roy^Ana')
        .replace("c|\r", "c||a\\S\\b|a^b\r")
    )
    assert after("set", {"values": values}) == [expected]


def test_remove_takes_segments_out() -> None:
    assert after("remove", ["NK1", "ZPV", "EVN"]) == [
        "".join(part + "\r" for part in ADT.split("\r")[:-1] if part[:3] not in ("ZPV", "EVN"))
    ]


def test_keep_filters() -> None:
    assert after("keep", 'msg.PV1-2 in ["I", "E"] or msg.MSH-9.2 == "A40"') == [ADT]
    assert after("keep", 'msg.MSH-9 == "ADT^A03^ADT_A03"') == []
