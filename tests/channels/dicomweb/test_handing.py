"""What a sender is told of each instance, whatever becomes of it."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pytest

from channels._dicom.part10 import read_head
from channels._dicom.receiving import Spool
from channels.dicomweb.handing import Delivery, Handing, Reasons
from channels.dicomweb.incoming import Arrived
from channels.dicomweb.listener import DicomWebListener
from engine.codecs.dicom.searching import instance_of
from engine.config.models import HostPort
from engine.errors import CommitUnknown, Conflict, Rejected, StoreCorrupt, Transient
from engine.model import Body, Disposition, Fault, Peer, Verdict
from engine.testing.channels import RecordingIntake, channel_context
from tests.channels.dicomweb.instances import SECONDARY_CAPTURE, SERIES, STUDY, instance

UID = "2.25.7"


class Desk:
    """A delivery, what it counted, and the bugs that it told of."""

    def __init__(self, folder: Path, *script: Any, study: str = "") -> None:
        self.counted: list[str] = []
        self.bugs: list[BaseException] = []
        self.intake = RecordingIntake(*script)
        config = DicomWebListener.model_validate(
            {"dicomweb": HostPort("127.0.0.1", 0), "partner": "radiology"}
        )
        handing = Handing(config, channel_context(folder), broke=self.bugs.append, count=self.counted.append)
        self.delivery = Delivery(handing, self.intake, "radiology", Peer("192.0.2.1:443"), study)

    async def status(self, arrived: Arrived) -> int | None:
        """Hand an instance in, and return what is told of it."""
        await self.delivery.hand_in(arrived)
        return self.delivery.outcomes[-1].status


def arrived(**more: Any) -> Arrived:
    content = instance(UID)
    made = Arrived(Body.of(content, "application/dicom"), read_head(content), None, says=instance_of(content))
    return dataclasses.replace(made, **more)


async def test_an_instance_that_is_stored_is_told_by_all_of_its_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.status(arrived()) == 0
    [outcome] = desk.delivery.outcomes
    assert (outcome.sop_class, outcome.sop_instance) == (SECONDARY_CAPTURE, UID)
    assert (outcome.study, outcome.series) == (STUDY, SERIES)
    [message] = desk.intake.messages
    assert (message.control_id, message.partner, message.codec, message.faults) == (
        UID,
        "radiology",
        "dicom",
        (),
    )


@pytest.mark.parametrize(
    ("line", "status", "counted", "bugs"),
    [
        (Rejected("no route"), 0xC000, [], 0),
        (Transient("the disk is full"), 0xA700, ["out_of_resources"], 0),
        (CommitUnknown("nobody knows"), None, ["commit_unknown"], 0),
        (Conflict("somebody was faster"), None, [], 0),
        (KeyError("bug"), 0x0110, [], 1),
        (Disposition.REFUSED, 0xC000, [], 0),
        (Disposition.DUPLICATE, 0, [], 0),
        (Disposition.FILTERED, 0, [], 0),
    ],
)
async def test_each_end_has_its_status(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    line: Any,
    status: int | None,
    counted: list[str],
    bugs: int,
) -> None:
    caplog.set_level(logging.ERROR)
    desk = Desk(tmp_path, line)
    assert await desk.status(arrived()) == status
    assert (desk.counted, len(desk.bugs)) == (counted, bugs)
    assert ("left without an answer" in caplog.text) == isinstance(line, Conflict)


async def test_a_store_that_is_corrupt_is_heard_of_above(tmp_path: Path) -> None:
    desk = Desk(tmp_path, StoreCorrupt("the database is malformed"))
    with pytest.raises(StoreCorrupt):
        await desk.status(arrived())
    assert desk.delivery.outcomes == []


async def test_an_instance_of_another_study_than_the_path_is_held_against_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path, study="2.25.999")
    assert await desk.status(arrived()) == 0xA900
    assert await desk.status(arrived(says=None)) == 0xA900
    assert [each.code for message in desk.intake.messages for each in message.faults] == ["A900", "A900"]


async def test_a_deflated_instance_is_held_against_it(tmp_path: Path) -> None:
    head = dataclasses.replace(read_head(instance(UID)), transfer_syntax="1.2.840.10008.1.2.1.99")
    desk = Desk(tmp_path)
    assert await desk.status(arrived(head=head)) == 0xC122


async def test_a_part_that_is_no_instance_is_kept_as_evidence(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.status(arrived(head=None, says=None, fault=0xC000, why="no DICOM file")) == 0xC000
    [message] = desk.intake.messages
    assert (message.control_id, [each.text for each in message.faults]) == ("", ["no DICOM file"])


async def test_what_leaves_nothing_to_hand_in_has_its_reason_at_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert await desk.status(arrived(body=None, fault=0xA700)) == 0xA700
    assert desk.intake.messages == []


async def test_a_spooled_file_is_given_up_once_the_store_has_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "x.part", instance(UID))
    spool.write(bytes(2**20))
    desk = Desk(tmp_path)
    assert (tmp_path / "x.part").stat().st_size > 2**20
    await desk.status(arrived(spool=spool))
    with pytest.raises(FileNotFoundError):
        (tmp_path / "x.part").stat()


@pytest.mark.parametrize(
    ("code", "stored"), [("A900", b"A900"), ("C122", b"C122"), ("require", b"C000"), ("", b"C000")]
)
def test_a_refusal_has_the_status_of_its_first_fault(code: str, stored: bytes) -> None:
    faults = (Fault("", "refused", code),) if code else ()
    assert Reasons().reply(Verdict(Disposition.REFUSED, "01JD0000000000000001", faults)) == stored
