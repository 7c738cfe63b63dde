"""A service of a listener beside storage: its requests, its answers, its cancellation, its reports, its errors."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_CANCEL
from pynetdicom.dsutils import decode
from pynetdicom.presentation import build_context

from channels._dicom.commands import C_FIND_RQ, N_ACTION_RQ, N_CREATE_RQ, Command, read_command, response_to
from channels.dicom.requests import DATA_BYTES, Request
from channels.dicom.services import Service, Talk
from engine.errors import Transient
from engine.model import Body, Disposition, Verdict
from tests.channels.dicom.serving import Door, listening

FIND = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
WELL_KNOWN = "1.2.840.10008.1.20.1.1"


class Accepts:
    def reply(self, verdict: Verdict) -> bytes:
        return b"yes"


class Toy(Service):
    """Finds what it is asked for 50 times, or forever; creates; reports; breaks where it is told so."""

    def __init__(self) -> None:
        self.classes = {
            FIND: frozenset({C_FIND_RQ}),
            MPPS: frozenset({N_CREATE_RQ}),
            COMMITMENT: frozenset({N_ACTION_RQ}),
        }
        self.requests: list[Request] = []
        self.reported: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.was_cancelled = threading.Event()
        self.ran = False

    async def run(self) -> None:
        self.ran = True

    def serve(self, request: Request, talk: Talk) -> None:
        self.requests.append(request)
        if request.abstract_syntax == FIND:
            self._find(request, talk)
        elif request.abstract_syntax == MPPS:
            if request.command.sop_instance == "1.2.3":
                raise Transient("the store is away")
            message = talk.message(Body.of(b"{}", "application/json"), codec="json", selector="steps")
            receipt = talk.run(lambda: talk.hand_in(message, Accepts()))
            talk.respond(0x0000 if receipt.disposition is Disposition.ACCEPTED else 0x0110)
        else:
            talk.respond(0x0000)
            self.reported.put(talk.report(COMMITMENT, WELL_KNOWN, 1, request.data, seconds=20))

    def _find(self, request: Request, talk: Talk) -> None:
        wanted = decode_bytes(request).PatientID
        times = 0
        while wanted == "FOREVER" or times < 50:
            if talk.cancelled():
                self.was_cancelled.set()
                talk.respond(0xFE00)
                return
            talk.respond(0xFF00, request.data)
            times += 1
        talk.respond(0x0000)


def decode_bytes(request: Request) -> Dataset:
    implicit = request.transfer_syntax == ImplicitVRLittleEndian
    return decode(BytesIO(request.data), implicit, True)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    service = Toy()
    monkeypatch.setattr("channels.dicom.inbound.services_of", lambda config, context: (service,))
    return service


@contextmanager
def associated(door: Door, *classes: str, handlers: list[Any] | None = None) -> Iterator[Association]:
    entity = AE("MODALITY")
    for sop_class in classes:
        entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE", evt_handlers=handlers or [])
    try:
        assert association.is_established
        yield association
    finally:
        if association.is_established:
            association.release()


def asked_for(patient: str) -> Dataset:
    wanted = Dataset()
    wanted.PatientID = patient
    wanted.PatientName = ""
    return wanted


async def test_answers_come_until_the_last(toy: Toy) -> None:
    async with listening() as door:

        def find() -> list[int]:
            with associated(door, FIND) as association:
                return [status.Status for status, _ in association.send_c_find(asked_for("P1"), FIND)]

        assert await asyncio.to_thread(find) == [0xFF00] * 50 + [0x0000]
    assert toy.ran
    assert toy.requests[0].transfer_syntax == ExplicitVRLittleEndian


async def test_a_cancelled_request_ends(toy: Toy) -> None:
    async with listening() as door:

        def find() -> int:
            with associated(door, FIND) as association:
                last = -1
                for count, (status, _) in enumerate(association.send_c_find(asked_for("FOREVER"), FIND, 7)):
                    last = status.Status
                    if count == 3:
                        cancel = C_CANCEL()
                        cancel.MessageIDBeingRespondedTo = 7
                        context = association.accepted_contexts[0].context_id
                        assert context is not None
                        association.dimse.send_msg(cancel, context)
                return last

        assert await asyncio.to_thread(find) == 0xFE00


async def test_a_peer_that_leaves_is_answered_no_more(toy: Toy) -> None:
    async with listening() as door:

        def find() -> bool:
            with associated(door, FIND) as association:
                next(association.send_c_find(asked_for("FOREVER"), FIND))
                association.abort()
            return toy.was_cancelled.wait(20)

        assert await asyncio.to_thread(find)


async def test_a_service_hands_in_messages(toy: Toy) -> None:
    async with listening() as door:

        def create() -> int:
            with associated(door, MPPS) as association:
                status, _ = association.send_n_create(asked_for("P1"), MPPS, "1.2.4")
                return int(status.Status)

        assert await asyncio.to_thread(create) == 0
        (message,) = door.intake.messages
        assert (message.codec, message.selector, message.meta["calling_ae"]) == ("json", "steps", "MODALITY")


async def test_an_error_of_a_service_is_a_failure_and_the_association_goes_on(toy: Toy) -> None:
    async with listening() as door:

        def create() -> list[int]:
            with associated(door, MPPS) as association:
                first, _ = association.send_n_create(asked_for("P1"), MPPS, "1.2.3")
                second, _ = association.send_n_create(asked_for("P1"), MPPS, "1.2.4")
                return [first.Status, second.Status]

        assert await asyncio.to_thread(create) == [0x0110, 0]


async def test_a_report_is_sent_on_the_same_association(toy: Toy) -> None:
    heard: list[str] = []

    def on_report(event: evt.Event) -> tuple[int, None]:
        heard.append(event.event_information.PatientID)
        return 0, None

    async with listening() as door:

        def act() -> int:
            with associated(door, COMMITMENT, handlers=[(evt.EVT_N_EVENT_REPORT, on_report)]) as association:
                status, _ = association.send_n_action(asked_for("P9"), 1, COMMITMENT, WELL_KNOWN)
                assert toy.reported.get(timeout=20) == 0  # answered, before the association is released
                return int(status.Status)

        assert await asyncio.to_thread(act) == 0
    assert heard == ["P9"]


async def test_what_no_service_takes_is_not_negotiated(toy: Toy) -> None:
    async with listening() as door:

        def propose() -> list[str]:
            entity = AE("MODALITY")
            entity.requested_contexts = [build_context(FIND), build_context("1.2.840.10008.5.1.4.1.2.2.1")]
            association = entity.associate("127.0.0.1", door.port, ae_title="PASSERELLE")
            accepted = [str(context.abstract_syntax) for context in association.accepted_contexts]
            association.release()
            return accepted

        assert await asyncio.to_thread(propose) == [FIND]


async def test_an_identifier_without_an_end_ends_the_association(toy: Toy) -> None:
    async with listening() as door:

        def find() -> list[bool]:
            with associated(door, FIND) as association:
                endless = Dataset()
                endless.EncapsulatedDocument = b"x" * (DATA_BYTES + 2)
                return [bool(status) for status, _ in association.send_c_find(endless, FIND)]

        assert await asyncio.to_thread(find) == [False]
        await door.until("long_data_set")
    assert not toy.requests


def test_a_response_is_a_command_set_that_reads_back() -> None:
    command = Command(N_ACTION_RQ, 12, COMMITMENT, WELL_KNOWN, True)
    said = read_command(response_to(command, 0x0112, comment="no such\nthing \u00e9" + "x" * 80))
    assert (said.field, said.message_id, said.has_data) == (0x8130, 12, False)
    assert (said.sop_class, said.sop_instance) == (COMMITMENT, WELL_KNOWN)
    assert said.number(0x0900) == 0x0112
    assert said.text(0x0902) == ("no such?thing ?" + "x" * 80)[:64]
