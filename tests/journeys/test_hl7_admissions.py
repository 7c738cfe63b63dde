"""A hospital's admissions by the shipped route: to the laboratory as they came, to imaging changed, merges in order."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from engine.model import State
from engine.testing.peers_mllp import MllpPeer, answer, control_id, mllp_peer
from tests.journeys.hospital import Hospital, hospital

SHIPPED = Path(__file__).parents[2] / "routes" / "hl7"
CONFIG = """
listen:
  adt-hsj: {{mllp: "127.0.0.1:0", partner: hsj, charset: windows-1252, unmatched: filtered}}
tables:
  units: {{csv: tables/units.csv, key: unit, value: name}}
alerts:
  ops: {{to: operations.alerts, settle: 1s}}
partners:
  hsj: {{}}
  labo: {{endpoints: {{adt: {{mllp: "127.0.0.1:{labo}", phi: full}}}}}}
  imagerie: {{endpoints: {{adt: {{mllp: "127.0.0.1:{imagerie}", phi: full}}}}}}
  operations: {{endpoints: {{alerts: {{inbox: operations}}}}}}
"""

HEAD = "MSH|^~\\&|ADT1|HSJ|{to}|HSJ|20261102090000-0500||ADT^{event}|{id}|P|2.5.1\r"
PERSON = "PID|1||{mrn}^^^HSJ^MR||Tremblay^Zoé||19800101|F\r"
ADMITTED = (HEAD + PERSON + "NK1|1|Tremblay^Benoît|SPO\rPV1|1|I|4EST^401^1\rZPA|1|interne\r").format
FOR_IMAGING = (HEAD + PERSON + "PV1|1|I|4-EST^401^1\r").format
OUTPATIENT = (HEAD + PERSON + "PV1|1|O|CLIN^2\r").format
MERGE = (HEAD + PERSON + "MRG|{gone}^^^HSJ^MR\r").format


def encoded(text: str) -> bytes:
    """Return a message as this hospital's system writes it: MSH-18 is empty, the bytes are windows-1252."""
    return text.encode("windows-1252")


@asynccontextmanager
async def feed(folder: Path) -> AsyncIterator[tuple[Hospital, MllpPeer, MllpPeer]]:
    """Run the shipped route; give the engine, the laboratory and imaging."""
    shutil.copytree(SHIPPED / "tables", folder / "tables")
    route = {"adt-hsj": (SHIPPED / "adt-hsj.yaml").read_text()}
    async with (
        mllp_peer() as labo,
        mllp_peer() as imagerie,
        hospital(folder, CONFIG.format(labo=labo.port, imagerie=imagerie.port), route) as engine,
    ):
        yield engine, labo, imagerie


async def test_each_destination_gets_what_is_for_it(tmp_path: Path) -> None:
    inside = encoded(ADMITTED(to="PASSERELLE", event="A01^ADT_A01", id="A1", mrn="0001234"))
    outside = encoded(OUTPATIENT(to="PASSERELLE", event="A04^ADT_A01", id="A2", mrn="0005678"))
    async with feed(tmp_path) as (engine, labo, imagerie):
        answers = await engine.sent("adt-hsj", inside, outside)
        await engine.ended(3)

        assert answers == [("AA", "A1"), ("AA", "A2")]
        assert labo.received == [inside, outside], "byte for byte"
        expected = FOR_IMAGING(to="RIS", event="A01^ADT_A01", id="A1", mrn="0001234")
        assert imagerie.received == [encoded(expected)]


async def test_imaging_that_is_down_does_not_hold_the_laboratory(tmp_path: Path) -> None:
    async with feed(tmp_path) as (engine, _, imagerie):
        await imagerie.stop()
        messages = [
            encoded(ADMITTED(to="P", event="A01", id=f"A{number}", mrn=f"000{number}")) for number in range(5)
        ]
        await engine.sent("adt-hsj", *messages)
        delivered = await engine.ended(5, endpoint="labo.adt")
        assert [row.delivery.state for row in delivered] == [State.DELIVERED] * 5
        await imagerie.start()
        await engine.ended(10)
        assert sorted(map(control_id, imagerie.received)) == ["A0", "A1", "A2", "A3", "A4"]


async def test_a_merge_waits_for_both_patients_and_holds_both(tmp_path: Path) -> None:
    """The patient that goes away has an admission which the laboratory does not take yet; another patient passes."""
    ready = asyncio.Event()
    sent = [
        encoded(ADMITTED(to="P", event="A01", id="GONE", mrn="9999")),
        encoded(MERGE(to="P", event="A40", id="MERGE", mrn="1234", gone="9999")),
        encoded(ADMITTED(to="P", event="A08", id="STAYS", mrn="1234")),
        encoded(ADMITTED(to="P", event="A08", id="GONE2", mrn="9999")),
        encoded(ADMITTED(to="P", event="A01", id="OTHER", mrn="5555")),
    ]

    def not_yet(received: bytes) -> list[bytes]:
        late = control_id(received) == "GONE" and not ready.is_set()
        return [answer(received, "AE" if late else "AA")]

    async with feed(tmp_path) as (engine, labo, _):
        labo.script = not_yet
        await engine.sent("adt-hsj", *sent)
        await engine.in_state(State.DELIVERED, endpoint="labo.adt")
        before = [control_id(each) for each in labo.received]
        ready.set()
        await engine.ended(5, endpoint="labo.adt")
        after = [control_id(each) for each in labo.received]

    assert set(before) == {"GONE", "OTHER"}
    assert [name for name in after if name != "OTHER"][-4:-2] == ["GONE", "MERGE"]
    assert sorted(after[-2:]) == ["GONE2", "STAYS"]


async def test_a_refused_admission_parks_its_patients_merge_and_nobody_else(tmp_path: Path) -> None:
    sent = [
        encoded(ADMITTED(to="P", event="A01", id="BAD", mrn="9999")),
        encoded(MERGE(to="P", event="A40", id="MERGE", mrn="1234", gone="9999")),
        encoded(ADMITTED(to="P", event="A01", id="OTHER", mrn="5555")),
    ]
    async with feed(tmp_path) as (engine, labo, _):
        labo.script = lambda received: [answer(received, "AR" if control_id(received) == "BAD" else "AA")]
        await engine.sent("adt-hsj", *sent)
        await engine.in_state(State.DELIVERED, endpoint="labo.adt")
        dead = await engine.in_state(State.DEAD, endpoint="labo.adt")

        rows = await engine.rows(endpoint="labo.adt")

        assert [(row.delivery.state, row.blocked) for row in rows] == [
            (State.DEAD, False),
            (State.PENDING, True),
            (State.DELIVERED, False),
        ]
        assert dead.delivery.attempts == 1
        assert "MERGE" not in [control_id(each) for each in labo.received]
