"""A pynetdicom association to an engine under fire: opened when it is needed, closed whatever became of it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association

_SECONDS = 10.0


class Line:
    """One modality's line, of one class of objects; used by one thread."""

    def __init__(self, port: int, sop_class: str, *, calling: str = "MODALITY") -> None:
        self._port = port
        self._entity = ApplicationEntity(calling)
        self._entity.acse_timeout = self._entity.dimse_timeout = _SECONDS
        self._entity.network_timeout = self._entity.connection_timeout = _SECONDS
        self._entity.add_requested_context(sop_class, ExplicitVRLittleEndian)
        self._association: Association | None = None
        self._socket: socket.socket | None = None

    def say(self, request: Callable[[Association], Dataset]) -> int | None:
        """Return the status that a request is answered with, None where the engine died or is not there."""
        line = self._association
        if line is None or not line.is_established:
            line = self._association = self._associated()
        status: Dataset | None = None
        if line is not None and line.is_established:
            with suppress(RuntimeError, ValueError):  # it ended meanwhile
                status = request(line)
        if status is None or "Status" not in status:
            if line is not None:
                line.kill()
            self._association = None
            return None
        return int(status.Status)

    def close(self) -> None:
        """End it without a word."""
        if self._association is not None:
            self._association.abort()
        self._hang_up()

    def _associated(self) -> Association | None:
        """Return an association, None where nobody listens: pynetdicom 3.0.4 leaks its socket then."""
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self._port)):
                return None
        self._hang_up()
        line = self._entity.associate("127.0.0.1", self._port, ae_title="PASSERELLE")
        held = line.dul.socket
        self._socket = held.socket if held is not None else None
        return line

    def _hang_up(self) -> None:
        """Close what pynetdicom 3.0.4 leaves open where the other end closed first."""
        if self._socket is not None:
            self._socket.close()
