"""A modality: a real pynetdicom sender in a thread of its own, which stores one instance after the other."""

from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import threading
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

from engine.testing.channels import Answer, Sender

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
VERIFICATION = "1.2.840.10008.1.1"


def instance(uid: str, *, pixels: int = 64) -> Dataset:
    """Return a small made-up secondary capture of a made-up person."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = SECONDARY_CAPTURE
    made.SOPInstanceUID = uid
    made.PatientName = "ESSAI^IMAGERIE"
    made.PatientID = "TEST0001"
    made.StudyInstanceUID = "2.25.1"
    made.SeriesInstanceUID = "2.25.2"
    made.Modality = "OT"
    made.add_new(0x7FE00010, "OB", bytes(pixels))
    return made


def answer_to(status: Dataset) -> Answer:
    """Return what a status means to a modality: an empty one says that the association ended without an answer."""
    code = int(status.get("Status", 0xA700))
    if code == 0:
        return Answer.ACCEPTED
    return Answer.LATER if code & 0xFF00 == 0xA700 or code == 0x0110 else Answer.REFUSED


class Modality(Sender):
    """Opens an association when it has something to send, and another when that one ended."""

    def __init__(
        self, config: Any, *, client: ssl.SSLContext | None = None, calling: str = "MODALITY"
    ) -> None:
        self.config = config
        self._client = client
        self._entity = ApplicationEntity(calling)
        self._entity.add_requested_context(SECONDARY_CAPTURE, ExplicitVRLittleEndian)
        self._address = ("", 0)
        self._association: Association | None = None
        self._socket: socket.socket | None = None
        self._orders: queue.Queue[str | None] = queue.Queue()
        self._instances: dict[str, Dataset] = {}
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._send_all, name="modality")
        self._thread.start()

    async def connect(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))

    async def offer(self) -> str:
        uid = str(generate_uid())
        self._instances[uid] = instance(uid)
        await self.offer_again(uid)
        return uid

    async def offer_again(self, control_id: str) -> None:
        self._answers[control_id] = self._loop.create_future()
        self._orders.put(control_id)

    async def answer(self, control_id: str) -> Answer:
        return await asyncio.shield(self._answers[control_id])

    async def close(self) -> None:
        """End the thread and its association."""
        self._orders.put(None)
        await asyncio.to_thread(self._thread.join)

    def _send_all(self) -> None:
        while (uid := self._orders.get()) is not None:
            told = self._send(uid)
            self._loop.call_soon_threadsafe(self._tell, uid, told)
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._hang_up()

    def _send(self, uid: str) -> Answer:
        if self._association is None or not self._association.is_established:
            if not self._listens():
                return Answer.LATER
            self._hang_up()
            tls = (self._client, "localhost") if self._client is not None else None
            self._association = self._entity.associate(*self._address, ae_title="PASSERELLE", tls_args=tls)
            held = self._association.dul.socket
            self._socket = held.socket if held is not None else None
        if not self._association.is_established:
            return Answer.LATER
        status = self._association.send_c_store(self._instances[uid])
        if not status:  # it ended, though pynetdicom may take a moment to say so
            self._association.kill()
            self._association = None
        return answer_to(status)

    def _listens(self) -> bool:
        """Tell whether anybody listens; pynetdicom 3.0.4 leaks its socket where nobody does."""
        with socket.socket() as probe:
            return probe.connect_ex(self._address) == 0

    def _hang_up(self) -> None:
        """Close what pynetdicom 3.0.4 leaves open where the other end closed first."""
        if self._socket is not None:
            self._socket.close()

    def _tell(self, uid: str, told: Answer) -> None:
        if not self._answers[uid].done():
            self._answers[uid].set_result(told)
