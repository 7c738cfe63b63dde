"""What is handed in by hand is read as its door reads, and never stands in the way of what comes through that door."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.api.injecting import Injector
from engine.app import running
from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.errors import NotFound, Transient
from engine.model import Disposition, Message
from engine.testing.intake import RecordingIntake
from engine.testing.virtual_clock import VirtualClock
from tests.api.project import Speaker
from tests.peers.ports import free_port

CONFIG = """\
engine: {name: test}
listen:
  analyser: {mllp: 127.0.0.1:PORT, charset: unicode utf-8, partner: clinic}
  door: {rest: 127.0.0.1:0}
  fhir: {rest: 127.0.0.1:0, codec: fhir}
partners:
  clinic:
    endpoints:
      box: {inbox: clinic, phi: full}
"""
ROUTES = {
    "results": "from: analyser\naccept: {types: [ORU]}\nto: [clinic.box]\n",
    "notes": "from: {door: POST /notes}\nto: [clinic.box]\n",
    "patients": "from: {fhir: POST /patients}\nto: [clinic.box]\n",
    "below": "to: [clinic.box]\n",
    "above": "from: {door: POST /above}\nto: [{route: below}]\n",
}
NINE = datetime(2026, 11, 2, 9, tzinfo=UTC)
RESULT = b"MSH|^~\\&|LAB|HUG|EMR|HUG|20260102030405||ORU^R01^ORU_R01|A-1|P|2.5.1\rOBX|1|NM|K||4.1\r"


def write(folder: Path, port: int = 0) -> Path:
    """Write a project with doors of several codecs; return its config.yaml."""
    (folder / "routes").mkdir()
    for name, text in ROUTES.items():
        (folder / "routes" / f"{name}.yaml").write_text(f"route: {name}\n{text}", encoding="utf-8")
    config = folder / "config.yaml"
    config.write_text(CONFIG.replace("PORT", str(port)), encoding="utf-8")
    return config


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load_configuration(write(tmp_path), environ={})


def injector(loaded: Loaded, intake: RecordingIntake) -> Injector:
    return Injector(lambda listener: intake, lambda: loaded, VirtualClock(NINE), lambda: "M1")


async def handed_in(
    loaded: Loaded, route: str, content: bytes, *, file: str = "", content_type: str = ""
) -> Message:
    """Return the message that the intake of the route's door is given."""
    intake = RecordingIntake()
    await injector(loaded, intake)(route, content, content_type, file, "uid:7")
    return intake.messages[0]


# --------------------------------------------------------------------------- what it is read as


@pytest.mark.parametrize("file", ["result.hl7", "result.txt", "result.json", ""])
async def test_a_doors_own_codec_reads_whatever_the_file_is_called(loaded: Loaded, file: str) -> None:
    message = await handed_in(loaded, "results", RESULT, file=file)
    assert (message.codec, message.control_id, message.partner) == ("hl7v2", "A-1", "clinic")
    assert message.content_type == "x-application/hl7-v2+er7; charset=unicode utf-8"
    assert (message.meta["application"], message.meta["facility"]) == ("LAB", "HUG")


@pytest.mark.parametrize("said", ["application/json", "text/plain"])
async def test_a_listeners_codec_is_not_overruled_by_a_media_type(loaded: Loaded, said: str) -> None:
    message = await handed_in(loaded, "patients", b"{}", file="patient.json", content_type=said)
    assert (message.codec, message.content_type) == ("fhir", said)


@pytest.mark.parametrize(
    ("file", "said", "codec"),
    [
        ("note.json", "", "json"),
        ("note", "", "json"),
        ("note.TXT", "", "text"),
        ("result.hl7", "", "hl7v2"),
        ("RESULT.ER7", "", "hl7v2"),
        ("note", "X-Application/hl7-v2+er7; charset=utf-8", "hl7v2"),
        ("note", "text/plain; charset=iso-8859-1", "text"),
        ("result.hl7", "application/cloudevents+json", "json"),
    ],
)
async def test_where_the_door_does_not_say_the_media_type_decides_then_the_name(
    loaded: Loaded, file: str, said: str, codec: str
) -> None:
    message = await handed_in(loaded, "notes", RESULT, file=file, content_type=said)
    assert message.codec == codec
    assert message.content_type == message.body.content_type
    assert said in ("", message.content_type)


async def test_hl7_without_a_header_is_handed_in_as_it_is(loaded: Loaded) -> None:
    message = await handed_in(loaded, "results", b"PID|1", file="result.hl7")
    assert (message.control_id, message.meta) == ("", {"file": "result.hl7"})


async def test_it_says_who_handed_it_in_and_nothing_of_folders(loaded: Loaded) -> None:
    message = await handed_in(loaded, "notes", b"{}", file="home/someone/note.json")
    assert message.peer is not None
    assert (message.peer.address, message.meta) == ("inject by uid:7", {"file": "note.json"})
    assert (await handed_in(loaded, "notes", b"{}")).meta == {}


# --------------------------------------------------------------------------- what is answered


async def test_a_refusal_tells_its_faults(loaded: Loaded) -> None:
    view = await injector(loaded, RecordingIntake(Disposition.REFUSED))("notes", b"{}", "", "", "uid:7")
    assert (view["disposition"], view["id"]) == ("refused", "M1")
    assert view["faults"] == [{"path": "appointment.end", "text": "ends before it starts", "code": "require"}]


async def test_the_share_of_the_bytes_in_flight_is_given_back_when_the_store_is_busy(loaded: Loaded) -> None:
    intake = RecordingIntake(Transient("busy"))
    with pytest.raises(Transient):
        await injector(loaded, intake)("notes", b"{}", "", "", "uid:7")
    assert (intake.most_admitted, intake.outstanding) == (1, 0)


@pytest.mark.parametrize(
    ("route", "why"), [("nots", r'no route "nots"; did you mean "notes"\?'), ("below", "has no door")]
)
async def test_a_route_that_takes_nothing_from_outside_is_not_found(
    loaded: Loaded, route: str, why: str
) -> None:
    with pytest.raises(NotFound, match=why):
        await handed_in(loaded, route, b"{}")


async def test_a_copy_through_the_channel_is_answered_in_the_channels_words(tmp_path: Path) -> None:
    port = free_port()
    async with running(write(tmp_path, port)) as engine:
        speaker = Speaker(tmp_path / "var" / "passerelle.sock", engine)
        content = b64encode(RESULT).decode()
        first = await speaker.post("inject", route="results", content=content, file="result.hl7")
        again = await speaker.post("inject", route="results", content=content, file="copy.hl7")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x0b" + RESULT + b"\x1c\r")
        acknowledgement = await asyncio.wait_for(reader.readuntil(b"\x1c\r"), 10)
        writer.close()
        await writer.wait_closed()
        messages = (await speaker.get("messages"))["messages"]
    assert [view["disposition"] for view in (first, again)] == ["accepted", "duplicate"]
    assert again["id"] == first["id"]
    assert b"\rMSA|AA|A-1" in acknowledgement
    assert [row["id"] for row in messages] == [first["id"]]
