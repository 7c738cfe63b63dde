"""Images for an engine under fire: a modality that stores one and asks about it, and a stranger who speaks no DICOM.

Nobody insists on these: what is promised of a message is judged by the orders.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom.ae import ApplicationEntity

from channels._dicom.commands import ACTION_TYPE, N_ACTION_RQ, number
from channels._dicom.endpoint import Timeouts
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Requestor
from channels.dicom.commitment.information import COMMITMENT, WELL_KNOWN, Reference, write_request
from engine.errors import PasserelleError
from tests.channels.dicom.modality import SECONDARY_CAPTURE, instance

LARGE_BYTES = 400_000
"""Pixels beyond what an instance may have to stay in memory."""
_SECONDS = 5.0


def store(port: int) -> None:
    """Store one large instance; blocks, returns also where the engine dies over it."""
    modality = ApplicationEntity("MODALITY")
    modality.acse_timeout = modality.dimse_timeout = modality.network_timeout = (
        modality.connection_timeout
    ) = _SECONDS
    modality.add_requested_context(SECONDARY_CAPTURE, ExplicitVRLittleEndian)
    association = modality.associate("127.0.0.1", port, ae_title="PASSERELLE")
    held = association.dul.socket
    line = held.socket if held is not None else None
    try:
        if association.is_established:
            with suppress(RuntimeError, ValueError):  # the association ended meanwhile
                association.send_c_store(instance(str(generate_uid()), pixels=LARGE_BYTES))
            association.abort()
    finally:
        if line is not None:
            line.close()  # pynetdicom 3.0.4 leaves it open where the other end closed first


def show(port: int) -> None:
    """Fetch an instance that is there by WADO-RS; returns also where there is none, and where the engine dies."""
    line = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        with suppress(OSError, HTTPException):
            line.request("GET", "/studies/2.25.1/instances?limit=1")
            answer = line.getresponse()
            found = json.loads(answer.read() or b"[]")
            if answer.status == 200 and found:
                line.request(
                    "GET", f"/studies/2.25.1/series/2.25.2/instances/{found[0]['00080018']['Value'][0]}"
                )
                line.getresponse().read()
    finally:
        line.close()


def break_off(port: int) -> None:
    """Begin an association with a PDU of a type that there is not (PS3.8 9.3.1), and hear what is answered."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), _SECONDS) as line:
        line.sendall(b"\x63\x00\x00\x00\x00\x04what")
        line.recv(64)


def ask_to_commit(port: int) -> None:
    """Ask for commitment to an instance that is not there, and hear so; returns also where it is cut short."""
    elements = {0x0003: COMMITMENT.encode(), 0x1001: WELL_KNOWN.encode(), ACTION_TYPE: number(1)}
    data = write_request("2.25.1", [Reference(SECONDARY_CAPTURE, "2.25.2")], ImplicitVRLittleEndian)
    with suppress(OSError, PasserelleError):
        line = Requestor(socket.create_connection(("127.0.0.1", port), _SECONDS), Timeouts())
        try:
            line.open("MODALITY", "PASSERELLE", [Proposal(COMMITMENT, (ImplicitVRLittleEndian,))])
            next(line.ask(N_ACTION_RQ, COMMITMENT, data=data, elements=elements, seconds=_SECONDS))
            line.hear(_SECONDS)
            for report in line.reports:
                line.acknowledge(report, 0)
            line.release()
        finally:
            line.close()
