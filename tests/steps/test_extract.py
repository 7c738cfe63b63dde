"""`extract` takes a document out of a message, says what it is, and leaves what the route asks for."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from engine.codecs import codec
from engine.errors import Rejected
from engine.spi import Scope
from engine.steps import step_type
from tests.steps.hl7_bench import REPORT, hl7_document, hl7_step, scope_of

PDF = b"%PDF-1.4\n"
PLACE = 'msg.OBX[OBX-2 == "ED"]-5.5'


def taken(data: bytes = REPORT, **written: Any) -> tuple[bytes, Scope]:
    document = hl7_document(data)
    scope = scope_of(document)
    config = {"as": "pdf", "from": PLACE, "expect": "application/pdf", **written}
    (made,) = hl7_step("extract", config)(document, scope)
    return codec("hl7v2").encode(made), scope


def test_the_content_its_type_and_its_digest_are_a_value() -> None:
    _, scope = taken()
    assert scope.vars["pdf"] == {
        "content": PDF,
        "type": "application/pdf",
        "size": 9,
        "sha256": hashlib.sha256(PDF).hexdigest(),
    }


def test_a_reference_makes_the_observation_a_pointer() -> None:
    made, _ = taken()
    digest = base64.urlsafe_b64encode(hashlib.sha256(PDF).digest()).decode().rstrip("=")
    assert made == REPORT.replace(
        b"OBX|2|ED|RX^Rapport||RIS^Application^PDF^Base64^JVBERi0xLjQK",
        f"OBX|2|RP|RX^Rapport||ni:///sha-256;{digest}^RIS^Application^PDF".encode(),
    )


def test_a_reference_may_be_the_name_that_the_route_gives() -> None:
    made, _ = taken(reference="{msg.OBR[2]-3}_{meta.id}.pdf")
    assert b"OBX|2|RP|RX^Rapport||F2_01JD.pdf^RIS^Application^PDF\r" in made


def test_remove_leaves_an_empty_component_and_keep_all() -> None:
    assert taken(leave="remove")[0] == REPORT.replace(b"^Base64^JVBERi0xLjQK", b"^Base64^")
    assert taken(leave="keep")[0] == REPORT


def test_line_breaks_and_missing_padding_are_taken_as_they_are_meant() -> None:
    broken = base64.b64encode(b"%PDF-1.7 x").rstrip(b"=").replace(b"My", b"M\\.br\\y")
    _, scope = taken(REPORT.replace(b"JVBERi0xLjQK", broken[:8] + b" " + broken[8:]))
    assert scope.vars["pdf"]["content"] == b"%PDF-1.7 x"


def test_hex_is_decoded() -> None:
    _, scope = taken(REPORT.replace(b"JVBERi0xLjQK", PDF.hex().encode()), decode="hex")
    assert scope.vars["pdf"]["content"] == PDF


def test_a_message_without_the_document_goes_on_without_the_value() -> None:
    plain = REPORT.replace(b"|ED|", b"|TX|")
    made, scope = taken(plain)
    assert (made, scope.vars) == (plain, {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"JVBE!i0xLjQK", "not written"),
        (b"R0lGODlhAQAB", "does not begin"),
        (b"JVBE\xe9i0xLjQK", "not written"),
    ],
)
def test_what_is_not_what_was_expected_is_refused_at_its_path(content: bytes, said: str) -> None:
    with pytest.raises(Rejected, match=said) as caught:
        taken(REPORT.replace(b"JVBERi0xLjQK", content))
    assert [fault.path for fault in caught.value.faults] == ['OBX[OBX-2 == "ED"]-5.5']


def test_several_values_are_refused_since_nobody_says_which() -> None:
    with pytest.raises(Rejected, match="several"):
        taken(REPORT, **{"from": "msg.OBX[*]-5.5"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": "OBX-5.5"},
        {"leave": "keep", "reference": "x"},
        {"expect": "application/msword"},
        {"as": "my pdf"},
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_read(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        step_type("extract").config.model_validate({"as": "pdf", "from": PLACE, **wrong})
