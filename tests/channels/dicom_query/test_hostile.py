"""Archives that do not keep to the protocol: their matches cannot be read, or never end."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from channels._dicom.commands import Command
from channels._dicom.querying import EXPLICIT, IMPLICIT
from channels.dicom.relaying import _respelled
from engine.codecs.dicom.encoding import decode, encode
from engine.errors import Transient
from tests.channels.dicom.archive import Connection, response
from tests.channels.dicom_query.asked import asking, relaying
from tests.channels.dicom_query.pacs import pacs, pending
from tests.channels.dicom_query.test_peers import findscu

MATCH = {"PatientComments": "x"}


def found(number: int) -> bytes:
    made = Dataset()
    made.StudyInstanceUID = f"2.25.{number}"
    return encode(made, EXPLICIT)


async def test_a_match_that_cannot_be_read_ends_the_question(tmp_path: Path) -> None:
    def garbage(connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        connection.transport.write(pending(command, context_id, b"\xff" * 64))
        connection.transport.write(response(command, context_id, 0))
        return True

    async with pacs() as peer, asking(tmp_path, peer.config) as way:
        peer.script.asked = garbage
        with pytest.raises(Transient) as caught:
            await way.ask(match=MATCH)
        assert caught.value.code == "garbage"


def endless(connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
    """Give matches as long as anybody listens, whatever is asked meanwhile."""

    def more(number: int = 1) -> None:
        if not connection.transport.is_closing():
            connection.transport.write(pending(command, context_id, found(number)))
            asyncio.get_running_loop().call_later(0.001, more, number + 1)

    if command.field == 0x0020:
        more()
    return True


async def test_matches_without_an_end_are_cut_off_in_time(tmp_path: Path) -> None:
    async with pacs() as peer, asking(tmp_path, peer.config) as way:
        peer.script.asked = endless
        began = time.monotonic()
        with pytest.raises(Transient):
            await way.ask(match=MATCH, limit=5, timeout=1.0)
        assert time.monotonic() - began < 5


async def test_a_relay_breaks_off_an_archive_that_does_not_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels.dicom.relaying._CANCELLED_SECONDS", 0.3)
    async with pacs() as peer, relaying(tmp_path, peer.config) as door:
        peer.script.asked = endless
        said = await findscu(door.port, "QueryRetrieveLevel=STUDY", "StudyInstanceUID", cancel=3)
        assert "Find Response: 3" in said
        await peer.until_left()


def test_a_match_is_written_in_the_syntax_of_who_asks() -> None:
    made = decode(_respelled(found(7), EXPLICIT, IMPLICIT), IMPLICIT)
    assert made.StudyInstanceUID == "2.25.7"
    assert _respelled(b"as it is", IMPLICIT, IMPLICIT) == b"as it is"
