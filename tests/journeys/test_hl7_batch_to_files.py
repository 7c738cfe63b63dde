"""A night's batch of laboratory reports: each message for itself, its PDF to a folder, the report on by HTTP."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from engine.app import Engine, running
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.store.protocol import DeliveryRow, Query
from tests.channels.http.answering import conversing, read_request

CONFIG = """
engine: {{name: journey, drain: 5s}}
store: sqlite:var/passerelle.db
listen:
  night: {{file: in, match: "*.hl7", codec: hl7v2, every: 10ms, stable: 0s, charset: windows-1252}}
partners:
  archives: {{endpoints: {{pdf: {{file: pdf, phi: full}}}}}}
  labo: {{endpoints: {{oru: {{webhook: "{url}", acknowledged: hl7, phi: full}}}}}}
"""
ROUTE = """
route: oru
from: night
order_by: msg.PID-3.1
steps:
  - each: {of: msg.OBX, when: 'it.OBX-2 == "NM"', set: {OBX-11: F}}
  - extract: {as: pdf, from: 'msg.OBX[OBX-2 == "ED"]-5.5', expect: application/pdf}
to:
  - labo.oru
  - {endpoint: archives.pdf, when: vars.pdf, body: vars.pdf, name: "{msg.OBR-3.1}_{meta.id}.pdf"}
"""
REPORT = (
    "MSH|^~\\&|LAB|CLINABC|EMR|HSJ|20260114||ORU^R01^ORU_R01|{id}|P|2.5.1\r"
    "PID|1||000123^^^HSJ^MR||ESSAI^HÉLÈNE\rOBR|1|A1|{id}-F|GLU\rOBX|1|NM|GLU||5.2|mmol/L\r"
)
DOCUMENT = "OBX|2|ED|RX||RIS^Application^PDF^Base64^JVBERi0xLjQK\r"
PATIENCE = 30.0


class Laboratory:
    """A partner that acknowledges each request as HL7 over HTTP does; `received` are the messages."""

    def __init__(self) -> None:
        self.received: list[bytes] = []

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            sent = (await read_request(reader)).partition(b"\r\n\r\n")[2]
            self.received.append(sent)
            control_id = sent.split(b"|")[9]
            ack = b"MSH|^~\\&|EMR|HSJ|LAB|C|20260114||ACK^R01^ACK|A1|P|2.5.1\rMSA|AA|%b\r" % control_id
            kind = b"content-type: x-application/hl7-v2+er7\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (kind, len(ack), ack))
            await writer.drain()


async def ended(engine: Engine, count: int) -> list[DeliveryRow]:
    """Return the deliveries once so many have ended."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = list(await engine.store.deliveries(Query()))
            if len(rows) == count and all(row.delivery.state.terminal for row in rows):
                return rows
            await asyncio.sleep(0.02)  # the store tells nobody that it moved


async def test_a_batch_becomes_messages_files_and_posts(tmp_path: Path) -> None:
    labo = Laboratory()
    reports = [REPORT.format(id=f"M{number}") for number in range(1, 4)]
    reports[1] += DOCUMENT
    content = "FHS|^~\\&|LAB\rBHS|^~\\&|LAB\r" + "".join(reports) + "BTS|3\rFTS|1\r"
    (tmp_path / "routes").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "routes" / "oru.yaml").write_text(ROUTE)
    async with conversing(labo.converse) as port:
        (tmp_path / "config.yaml").write_text(CONFIG.format(url=f"http://127.0.0.1:{port}/hl7"))
        async with running(tmp_path / "config.yaml") as engine:
            (tmp_path / "in" / "nuit.hl7").write_bytes(content.encode("windows-1252"))
            rows = await ended(engine, 4)
    states = Counter((row.delivery.destination, row.delivery.state.word) for row in rows)
    assert states == {("labo.oru", "delivered"): 3, ("archives.pdf", "delivered"): 1}
    assert (tmp_path / "in" / "done" / "nuit.hl7").exists()
    (pdf,) = (tmp_path / "pdf").glob("*.pdf")
    assert pdf.name.startswith("M2-F_") and pdf.read_bytes() == b"%PDF-1.4\n"
    assert [each.split(b"|")[9].decode() for each in labo.received] == ["M1", "M2", "M3"]
    assert labo.received[0] == reports[0].replace("|mmol/L\r", "|mmol/L|||||F\r").encode("windows-1252")
    pointer = compile_path("OBX[2]-5.1").get(parse(labo.received[1]))
    assert pointer.startswith("ni:///sha-256;")
