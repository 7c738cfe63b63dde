"""Data sets made to hurt whoever reads their head: the engine stays small, answers, and serves a good sender."""

from __future__ import annotations

import asyncio
from pathlib import Path
from struct import pack

import pytest

from tests.channels.dicom.pdus import DATA, RELEASE, Peer, command, pdu, value
from tests.channels.dicom.test_large import memory_of
from tests.crash.child import Child, await_ready
from tests.peers.ports import free_port

MOST_MIB = 300
PIECE = 200_000
_CONFIG = """\
engine: {{name: hostile}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  images: {{dicom: 127.0.0.1:{port}, group: {{by: study, quiet: 1s}}}}
partners:
  reading: {{endpoints: {{room: {{inbox: reading, phi: full}}}}}}
"""
_ROUTES = {
    "images.yaml": "route: images\nfrom: images\nto: [{endpoint: reading.room, when: 'msg.Modality == \"CT\"'}]\n",
    "studies.yaml": "route: studies\nfrom: {images: study}\nto: [reading.room]\n",
}


def element(tag: int, vr: str, content: bytes, *, length: int | None = None) -> bytes:
    """Return an element in explicit little endian, of a length that may be a lie."""
    said = len(content) if length is None else length
    head = pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (pack("<xxL", said) if vr in ("SQ", "OW", "UN", "UT") else pack("<H", said)) + content


def uid(tag: int, text: str) -> bytes:
    return element(tag, "UI", text.encode() + bytes(len(text) % 2))


HEAD = uid(0x00080016, "1.2.840.10008.5.1.4.1.1.7") + uid(0x00080018, "2.25.9001")
STUDY = uid(0x0020000D, "2.25.1") + uid(0x0020000E, "2.25.2")
SEQUENCE = element(0x00081115, "SQ", b"", length=0xFFFFFFFF) + pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
HOSTILE = {
    "elements without number": HEAD + element(0x00091001, "LO", b"") * 1_500_000 + STUDY,
    "the same element for ever": HEAD + element(0x00100010, "PN", b"A^B") * 500_000,
    "sequences within sequences": HEAD + SEQUENCE * 400_000,
    "items without number": HEAD
    + element(0x00081115, "SQ", b"", length=0xFFFFFFFF)
    + pack("<HHL", 0xFFFE, 0xE000, 0) * 1_000_000,
    "4 GiB said": HEAD + element(0x00081115, "UN", b"x", length=0xFFFFFFF0) + STUDY,
    "a value of 20 MB": HEAD + element(0x00104000, "UT", b"x" * 20_000_000) + STUDY,
    "values without number": HEAD
    + STUDY
    + element(0x00400275, "SQ", b"")
    + element(0x00080060, "CS", b"\\" * 65_534),
    "a study that is a path": HEAD
    + uid(0x0020000D, "../../../../etc/cron.d/x")
    + uid(0x0020000E, "..\\..\\x"),
    "a character set that nobody knows": element(0x00080005, "CS", b"\\" * 1_000) + HEAD + STUDY,
    "not a data set": b"\xff" * 3_000_000,
}


async def stored(port: int, data_set: bytes, number: int) -> int:
    """Store a data set in pieces over an association of its own; return the status, -1 where it was aborted."""
    peer = await Peer.at(port)
    try:
        await peer.agree()
        await peer.send(pdu(DATA, value(command(uid=f"2.25.{number}"), command=True, last=True)))
        for start in range(0, len(data_set), PIECE):
            last = start + PIECE >= len(data_set)
            piece = value(data_set[start : start + PIECE], command=False, last=last)
            await peer.send(pdu(DATA, piece))
        status = await peer.status()
        await peer.send(RELEASE)
        return status
    finally:
        peer.close()


@pytest.fixture
def project(tmp_path: Path) -> tuple[Child, int]:
    port = free_port()
    (tmp_path / "routes").mkdir()
    for name, text in _ROUTES.items():
        (tmp_path / "routes" / name).write_text(text)
    (tmp_path / "config.yaml").write_text(_CONFIG.format(port=port))
    return Child(tmp_path / "config.yaml"), port


async def test_hostile_heads_cost_little_and_stop_nobody(project: tuple[Child, int]) -> None:
    child, port = project
    child.start()
    try:
        await asyncio.to_thread(await_ready, child)
        answers = {
            name: await stored(port, data_set, number)
            for number, (name, data_set) in enumerate(HOSTILE.items())
        }
        good = await stored(port, HEAD + element(0x00080060, "CS", b"CT") + STUDY, 4711)
        most = memory_of(child.running.pid, "VmHWM")
        print(f"at most {most:.0f} MiB, {answers}")
        code = child.stop()
    finally:
        child.end()

    assert good == 0
    assert -1 not in answers.values(), answers
    assert most < MOST_MIB
    assert code == 0
