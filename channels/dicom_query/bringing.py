"""The instances that a C-GET brings: each is spooled, and handed in at a listener before the archive is told success.

Source: DICOM PS3.4 C.4.3.3 (C-STORE sub-operations on the same association), PS3.7 9.1.3.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import anyio.from_thread
from pynetdicom.sop_class import _STORAGE_CLASSES

from channels._dicom.answering import OUT_OF_RESOURCES, PROCESSING_FAILURE, Answer, Statuses
from channels._dicom.commands import Command, is_uid
from channels._dicom.negotiation import is_taken
from channels._dicom.proposing import Proposal
from channels._dicom.querying import EXPLICIT, IMPLICIT
from channels._dicom.receiving import Spool, file_meta
from engine.codecs.dicom.searching import instance_of
from engine.errors import FATAL, MalformedMessage, PasserelleError, Transient
from engine.model import Body, Instance, Message
from engine.spi import Admission, Intake

_PLAIN: Final = (EXPLICIT, IMPLICIT)
_COMPRESSED: Final = (
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.5",
)
_OFTEN_COMPRESSED: Final = (
    "ComputedRadiographyImageStorage",
    "CTImageStorage",
    "MRImageStorage",
    "UltrasoundImageStorage",
    "UltrasoundMultiFrameImageStorage",
    "SecondaryCaptureImageStorage",
    "XRayAngiographicImageStorage",
    "PositronEmissionTomographyImageStorage",
    "NuclearMedicineImageStorage",
    "DigitalMammographyXRayImageStorageForPresentation",
    "DigitalXRayImageStorageForPresentation",
    "EnhancedCTImageStorage",
    "EnhancedMRImageStorage",
)
"""What a context each is spent on for every compressed syntax: an archive chooses one syntax of a context, and what it
holds in another one it cannot give."""

_OTHERS: Final = (
    "BasicTextSRStorage",
    "EnhancedSRStorage",
    "ComprehensiveSRStorage",
    "Comprehensive3DSRStorage",
    "XRayRadiationDoseSRStorage",
    "MammographyCADSRStorage",
    "KeyObjectSelectionDocumentStorage",
    "GrayscaleSoftcopyPresentationStateStorage",
    "EncapsulatedPDFStorage",
    "EncapsulatedCDAStorage",
    "RTImageStorage",
    "RTDoseStorage",
    "RTStructureSetStorage",
    "RTPlanStorage",
    "SegmentationStorage",
    "SpatialRegistrationStorage",
    "RawDataStorage",
    "BreastTomosynthesisImageStorage",
    "BreastProjectionXRayImageStorageForPresentation",
    "DigitalMammographyXRayImageStorageForProcessing",
    "DigitalXRayImageStorageForProcessing",
    "DigitalIntraOralXRayImageStorageForPresentation",
    "EnhancedXAImageStorage",
    "XRayRadiofluoroscopicImageStorage",
    "EnhancedPETImageStorage",
    "MultiFrameGrayscaleByteSecondaryCaptureImageStorage",
    "MultiFrameGrayscaleWordSecondaryCaptureImageStorage",
    "MultiFrameTrueColorSecondaryCaptureImageStorage",
    "VLEndoscopicImageStorage",
    "VLMicroscopicImageStorage",
    "VLPhotographicImageStorage",
    "OphthalmicPhotography8BitImageStorage",
    "OphthalmicTomographyImageStorage",
    "TwelveLeadECGWaveformStorage",
    "GeneralECGWaveformStorage",
    "HemodynamicWaveformStorage",
)
_IN_FLIGHT: Final = 512 * 1024
"""Bytes of memory that one instance takes while it comes, whatever its size."""

_STATUSES: Final = Statuses()


@cache
def storage_proposals() -> tuple[Proposal, ...]:
    """Return the storage classes that may be brought, as many as an association has room for; we are their provider."""
    found = [
        Proposal(_STORAGE_CLASSES[each], syntaxes, scp=True)
        for each in _OFTEN_COMPRESSED
        for syntaxes in (_PLAIN, *((syntax,) for syntax in _COMPRESSED))
    ]
    return (*found, *(Proposal(_STORAGE_CLASSES[each], _PLAIN, scp=True) for each in _OTHERS))


@dataclass(frozen=True, slots=True)
class Bringing:
    """Takes what comes; implements `hearing.SubOperations`. Used in one thread of anyio's at a time."""

    intake: Intake
    partner: str | None
    largest: int
    new_path: Callable[[], Path]
    message: Callable[[Command, str, Body, Instance | None], Message]
    count: Callable[[str], None]

    def begin(self, command: Command, syntax: str) -> Brought:
        """Begin to take an instance."""
        return Brought(self, command, syntax)


class Brought:
    """One instance on its way in; implements `hearing.Sink`."""

    def __init__(self, bringing: Bringing, command: Command, syntax: str) -> None:
        self._bringing = bringing
        self._command = command
        self._syntax = syntax
        self._admission: Admission | None = None
        self._spool: Spool | None = None
        self._why = OUT_OF_RESOURCES
        try:
            self._admission = anyio.from_thread.run_sync(self._admitted)
        except Transient:
            return
        except PasserelleError:
            self._why = PROCESSING_FAILURE
            return
        head = file_meta(command.sop_class, command.sop_instance, syntax)
        self._spool = Spool(bringing.new_path(), head)

    def write(self, data: memoryview) -> None:
        if self._spool is None:
            return
        try:
            self._spool.write(data)
        except OSError:
            self._give_up(OUT_OF_RESOURCES)
        else:
            if self._spool.size > self._bringing.largest:
                self._give_up(PROCESSING_FAILURE)

    def finish(self) -> int:
        """Hand it in, and return the status; whatever is not durable is not said to be stored."""
        try:
            status = self._handed_in()
        except (Transient, OSError):
            status = OUT_OF_RESOURCES
        except FATAL:
            raise
        except PasserelleError:
            status = PROCESSING_FAILURE
        finally:
            self.discard()
        self._bringing.count("instance_brought" if status == 0 else "instance_not_brought")
        return status

    def discard(self) -> None:
        if self._spool is not None:
            with suppress(OSError):
                self._spool.discard()
            self._spool = None
        admission, self._admission = self._admission, None
        if admission is not None:
            anyio.from_thread.run_sync(admission.__exit__, None, None, None)

    def _admitted(self) -> Admission:
        admission = self._bringing.intake.admit(self._bringing.partner, _IN_FLIGHT)
        admission.__enter__()
        return admission

    def _give_up(self, why: int) -> None:
        """Keep nothing of it, and say so once it has come to its end."""
        self._why = why
        self.discard()

    def _handed_in(self) -> int:
        if self._spool is None:
            return self._why
        if not is_uid(self._command.sop_instance) or not is_taken(self._syntax):
            return PROCESSING_FAILURE
        body = self._spool.finish()
        message = self._bringing.message(self._command, self._syntax, body, self._says(body))
        receipt = anyio.from_thread.run(self._bringing.intake, message, _STATUSES)
        return Answer.of(receipt.reply).status

    def _says(self, body: Body) -> Instance | None:
        content = body.path if body.data is None else body.data
        assert content is not None, "a body has bytes or a path"
        try:
            return instance_of(content, uid=self._command.sop_instance)
        except (MalformedMessage, Transient):
            return None
