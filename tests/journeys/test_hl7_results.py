"""Results to a clinic that does not know the patient yet, and whose answer names the report for what comes later."""

from __future__ import annotations

from pathlib import Path

from engine.model import State
from engine.testing.peers_mllp import control_id, mllp_peer
from tests.journeys.hospital import hospital

CONFIG = """
listen:
  labo: {{mllp: "127.0.0.1:0", partner: labo}}
partners:
  labo: {{}}
  clinique-abc: {{endpoints: {{oru: {{mllp: "127.0.0.1:{port}", phi: full}}}}}}
"""
ROUTE = """
route: oru-labo
from: labo
accept: {types: ORU^R01}
order_by: first(msg.ORC-3.1, msg.OBR-3.1)
steps:
  - set: {OBR-2: "{memory.his_id}"}
to:
  - endpoint: clinique-abc.oru
    on_reply: [{when: 'reply.ERR-3.1 == "204"', hold: 300ms}]
    remember: {his_id: reply.MSA-3}
"""
REPORT = (
    "MSH|^~\\&|LAB|HSJ|EMR|ABC|20261102083000-0500||ORU^R01^ORU_R01|{id}|P|2.5.1\r"
    "PID|1||000123^^^HSJ^MR||Fictive^Zelie\rOBR|1|{his}|{order}^LAB|GLU^Glucose\rOBX|1|NM|GLU||5.2|mmol/L\r"
)
ANSWER = (
    "MSH|^~\\&|EMR|ABC|LAB|HSJ|20261102083001-0500||ACK^R01^ACK|R1|P|2.5.1\rMSA|{code}|{id}|{text}\r{err}"
)
UNKNOWN = "ERR||PID^1^3|204^Unknown key identifier^HL70357|E\r"
"""Source: HL7 v2.5.1 2.15.5 (ERR), table 0357."""


def report(name: str, order: str, his: str = "") -> bytes:
    return REPORT.format(id=name, order=order, his=his).encode()


async def test_a_report_waits_for_its_patient_and_the_next_one_bears_what_was_learnt(tmp_path: Path) -> None:
    asked: list[str] = []

    def clinic(received: bytes) -> list[bytes]:
        asked.append(control_id(received))
        if asked.count("R1") == 1 and asked[-1] == "R1":
            return [ANSWER.format(code="AE", id="R1", text="", err=UNKNOWN).encode()]
        return [ANSWER.format(code="AA", id=asked[-1], text=f"HIS-{asked[-1]}", err="").encode()]

    async with (
        mllp_peer() as peer,
        hospital(tmp_path, CONFIG.format(port=peer.port), {"oru-labo": ROUTE}) as engine,
    ):
        peer.script = clinic
        await engine.sent("labo", report("R1", "F1"), report("X1", "F2"))
        held = await engine.in_state(State.RETRYING)
        first, other = await engine.ended(2)
        await engine.sent("labo", report("R2", "F1"))
        await engine.ended(3)

        assert held.delivery.sequence == first.delivery.sequence
        assert [row.delivery.state for row in (first, other)] == [State.DELIVERED] * 2
        assert asked == ["R1", "X1", "R1", "R2"], "another order does not wait"
        assert [attempt.code for attempt in await engine.attempts(first)] == ["AE_204", "AA"]
        assert peer.received[-1] == report("R2", "F1", his="HIS-R1")


async def test_a_report_that_follows_a_held_one_waits_behind_it(tmp_path: Path) -> None:
    asked: list[str] = []

    def clinic(received: bytes) -> list[bytes]:
        asked.append(control_id(received))
        late = len(asked) == 1
        code, err = ("AE", UNKNOWN) if late else ("AA", "")
        return [ANSWER.format(code=code, id=asked[-1], text="", err=err).encode()]

    async with (
        mllp_peer() as peer,
        hospital(tmp_path, CONFIG.format(port=peer.port), {"oru-labo": ROUTE}) as engine,
    ):
        peer.script = clinic
        await engine.sent("labo", report("R1", "F1"), report("R2", "F1"))
        await engine.ended(2)
        assert asked == ["R1", "R1", "R2"]
