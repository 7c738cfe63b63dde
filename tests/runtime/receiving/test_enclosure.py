"""A destination that sends what was taken out of a message, under a name of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.codecs import codec
from engine.errors import ConfigurationError, Rejected
from engine.ids import IdSource
from engine.model import Body, Message
from engine.runtime.routing.opening import opening
from engine.runtime.routing.paper import Parts
from engine.runtime.routing.program import Routed, Setting
from engine.store.protocol import Rendering
from engine.testing.virtual_clock import VirtualClock
from tests.runtime.receiving.house import START
from tests.runtime.receiving.project import CONFIG, assembled

ER7 = "x-application/hl7-v2+er7"
HL7_CONFIG = CONFIG.replace("listen:\n", "listen:\n  labo: {file: labo, codec: hl7v2}\n")
REPORT = (
    b"MSH|^~\\&|LAB|CLINABC|EMR|HSJ|20260114093012||ORU^R01^ORU_R01|MSG00001|P|2.5.1\r"
    b"PID|1||000123^^^HSJ^MR||ESSAI^PATIENT\rOBR|1|A2|F2|RX\r"
    b"OBX|1|ED|RX^Rapport||RIS^Application^PDF^Base64^JVBERi0xLjQK\r"
)
ROUTE = """
route: pdf
from: labo
steps:
  - extract: {as: pdf, from: 'msg.OBX[OBX-2 == "ED"]-5.5', expect: application/pdf}
to:
  - clinique-abc.queue
  - endpoint: clinique-abc.emr
    when: vars.pdf
    body: vars.pdf
    name: "{msg.OBR-3.1}_{msg.PID-5.1}.pdf"
    fallback: {to: [clinique-nord.queue, {endpoint: clinique-abc.queue, steps: [{set: {MSH-5: X}}]}]}
"""


def routed(folder: Path, route: str, data: bytes = REPORT) -> Routed:
    """Run one route over a message that a folder gave."""
    board = assembled(folder, route, config=HL7_CONFIG).board
    ids = IdSource(VirtualClock(START))
    message = Message(ids.next(), "labo", Body.of(data), "hl7v2", 0, content_type=ER7)
    program = board.routes["pdf"].program("hl7v2")
    assert program is not None
    document = codec("hl7v2").decode(message)
    scope = opening(message, document, board, now_ms=0, new_id=ids.next)
    return program.route(document, scope, message, Setting(Parts(ids.next)))


def content(made: Routed, role: str) -> Rendering:
    (found,) = [rendering for rendering in made.renderings if rendering.role == role]
    return found


def test_a_destination_sends_the_extracted_document_under_its_name(tmp_path: Path) -> None:
    made = routed(tmp_path, ROUTE)
    _, second = made.deliveries
    found = content(made, second.chain[0].rendering)
    assert found.body.read() == b"%PDF-1.4\n"
    assert found.content_type == 'application/pdf; name="F2_ESSAI.pdf"'


def test_the_other_destination_gets_the_message_with_a_reference(tmp_path: Path) -> None:
    made = routed(tmp_path, ROUTE)
    first = content(made, made.deliveries[0].chain[0].rendering)
    assert b"OBX|1|RP|RX^Rapport||ni:///sha-256;" in first.body.read()
    assert first.content_type == ER7


def test_a_fallback_sends_the_same_content_unless_it_has_steps(tmp_path: Path) -> None:
    made = routed(tmp_path, ROUTE)
    chain = made.deliveries[1].chain
    assert [hop.endpoint for hop in chain] == [
        "clinique-abc.emr",
        "clinique-nord.queue",
        "clinique-abc.queue",
    ]
    assert chain[0].rendering == chain[1].rendering
    assert content(made, chain[2].rendering).body.read().startswith(b"MSH|^~\\&|LAB|CLINABC|X|HSJ|")


def test_a_name_beyond_ascii_is_encoded_as_the_standard_says(tmp_path: Path) -> None:
    made = routed(
        tmp_path,
        ROUTE,
        REPORT.replace(b"ESSAI", "ÉLISE/1".encode()).replace(b"2.5.1\r", b"2.5.1||||||UNICODE UTF-8\r"),
    )
    found = content(made, made.deliveries[1].chain[0].rendering)
    assert found.content_type == "application/pdf; name*=UTF-8''F2_%C3%89LISE%2F1.pdf"


def test_without_the_document_the_destination_is_not_served(tmp_path: Path) -> None:
    made = routed(tmp_path, ROUTE, REPORT.replace(b"|ED|", b"|TX|"))
    assert [row.destination for row in made.deliveries] == ["clinique-abc.queue"]


def test_nothing_to_send_is_refused_where_the_route_does_not_say_when(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="gives no content") as caught:
        routed(tmp_path, ROUTE.replace("    when: vars.pdf\n", ""), REPORT.replace(b"|ED|", b"|TX|"))
    assert [fault.path for fault in caught.value.faults] == ["vars.pdf"]


def test_a_text_is_sent_as_plain_text(tmp_path: Path) -> None:
    route = "route: pdf\nfrom: labo\nto: [{endpoint: clinique-abc.emr, body: msg.OBR-3, name: note.txt}]\n"
    made = routed(tmp_path, route)
    found = content(made, made.deliveries[0].chain[0].rendering)
    assert (found.body.read(), found.content_type) == (b"F2", 'text/plain; charset=utf-8; name="note.txt"')


def test_an_endpoint_that_may_not_hold_content_gets_none(tmp_path: Path) -> None:
    route = "route: pdf\nfrom: labo\nto: [{endpoint: clinique-abc.mail, body: msg.OBR-3}]\n"
    with pytest.raises(ConfigurationError, match=r'"clinique-abc\.mail" gets the whole message'):
        routed(tmp_path, route)


def test_a_name_that_tells_of_the_message_goes_to_no_endpoint_that_may_not_know(tmp_path: Path) -> None:
    route = """
route: pdf
from: labo
steps: [map: appointment-notice]
to: [{endpoint: clinique-abc.mail, name: "NAME"}]
"""
    with pytest.raises(ConfigurationError, match="its `phi` forbids it"):
        routed(tmp_path, route.replace("NAME", "{vars.note}.txt"))
    (told,) = routed(tmp_path, route.replace("NAME", "{meta.file}.txt")).deliveries
    assert (told.state.word, told.reason) == ("dead", "phi")
    (harmless,) = routed(tmp_path, route.replace("NAME", "{meta.id}.txt")).deliveries
    assert harmless.state.word == "pending"


def test_a_document_may_be_named(tmp_path: Path) -> None:
    route = 'route: pdf\nfrom: labo\nto: [{endpoint: clinique-abc.emr, name: "{msg.OBR-3}.hl7"}]\n'
    made = routed(tmp_path, route)
    found = content(made, made.deliveries[0].chain[0].rendering)
    assert (found.body.read(), found.content_type) == (REPORT, f'{ER7}; name="F2.hl7"')
