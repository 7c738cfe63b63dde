"""What instances, series and studies are searched by: the attributes that are kept beside each instance that is stored.

Source: DICOM PS3.18 tables 10.6.3-3, 10.6.3-4 and 10.6.3-5 (attributes of a search response), PS3.4 C.6.2.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from engine.codecs.dicom.instances import open_instance
from engine.codecs.dicom.json_model import to_json
from engine.codecs.dicom.looking_up import sought_of
from engine.codecs.dicom.reading import dataset_of
from engine.codecs.dicom.source import Source
from engine.model import Gathering, Instance

_LONGEST = 1024
"""Characters of a value that is kept."""

_MOST = 64
"""Values, or items of a sequence, that are kept of one attribute."""

OF_STUDY: Final = (
    0x00080005,  # SpecificCharacterSet
    0x00080020,  # StudyDate
    0x00080030,  # StudyTime
    0x00080050,  # AccessionNumber
    0x00080051,  # IssuerOfAccessionNumberSequence
    0x00080090,  # ReferringPhysicianName
    0x00080201,  # TimezoneOffsetFromUTC
    0x00081030,  # StudyDescription
    0x00081032,  # ProcedureCodeSequence
    0x00100010,  # PatientName
    0x00100020,  # PatientID
    0x00100021,  # IssuerOfPatientID
    0x00100030,  # PatientBirthDate
    0x00100040,  # PatientSex
    0x0020000D,  # StudyInstanceUID
    0x00200010,  # StudyID
)
OF_SERIES: Final = (
    0x00080021,  # SeriesDate
    0x00080031,  # SeriesTime
    0x00080060,  # Modality
    0x00080070,  # Manufacturer
    0x00080080,  # InstitutionName
    0x0008103E,  # SeriesDescription
    0x00081070,  # OperatorsName
    0x00180015,  # BodyPartExamined
    0x00181030,  # ProtocolName
    0x0020000E,  # SeriesInstanceUID
    0x00200011,  # SeriesNumber
    0x00200060,  # Laterality
    0x00400244,  # PerformedProcedureStepStartDate
    0x00400245,  # PerformedProcedureStepStartTime
    0x00400275,  # RequestAttributesSequence
)
OF_INSTANCE: Final = (
    0x00080008,  # ImageType
    0x00080016,  # SOPClassUID
    0x00080018,  # SOPInstanceUID
    0x00083002,  # AvailableTransferSyntaxUID
    0x00200013,  # InstanceNumber
    0x00280008,  # NumberOfFrames
    0x00280010,  # Rows
    0x00280011,  # Columns
    0x00280100,  # BitsAllocated
)
KEPT: Final = frozenset((*OF_STUDY, *OF_SERIES, *OF_INSTANCE))

_UID: Final = re.compile(r"(?=.{1,64}$)[0-9]+(?:\.[0-9]+)*", re.ASCII)
"""As UIDs are compared here: a component may begin with 0, as it does in some senders' (PS3.5 9.1 forbids it)."""

_STUDY: Final = tuple(f"{tag:08X}" for tag in OF_STUDY)
_SERIES: Final = (*_STUDY, *(f"{tag:08X}" for tag in OF_SERIES))
LEVELS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "study": _STUDY,
        "series": _SERIES,
        "instance": (*_SERIES, *(f"{tag:08X}" for tag in OF_INSTANCE)),
    }
)
"""The attributes that an answer of each level may hold: its own and those of what it belongs to."""


def instance_of(
    content: Path | bytes, *, uid: str = "", gathering: Gathering | None = None
) -> Instance | None:
    """Return what a Part 10 file says of itself; None where it says no study, no series or no UID.

    `uid` is the SOP Instance UID under which it was sent, that of its data set where none is given.

    Raises:
        MalformedMessage: it is no Part 10 file, or its head breaks.
        Transient: the file cannot be read.
    """
    head = open_instance(Source.of(content))
    found = to_json(dataset_of(head, tags=set(KEPT)))
    attributes = {tag: _bounded(attribute) for tag, attribute in found.items()}
    uid = uid or text_of(attributes, "00080018")
    study, series = text_of(attributes, "0020000D"), text_of(attributes, "0020000E")
    if not all(map(_UID.fullmatch, (uid, study, series))):
        return None
    attributes["00080018"] = {"vr": "UI", "Value": [uid]}
    attributes["00083002"] = {"vr": "UI", "Value": [head.transfer_syntax]}
    attributes.pop("00080005", None)  # the model is UTF-8
    return Instance(
        study=study,
        series=series,
        instance=uid,
        sop_class=text_of(attributes, "00080016"),
        modality=text_of(attributes, "00080060"),
        attributes=attributes,
        gathering=gathering,
        sought=sought_of(attributes),
    )


def text_of(attributes: Mapping[str, Any], tag: str) -> str:
    """Return the first value of an attribute as text, "" where there is none."""
    values = attributes.get(tag, {}).get("Value") or [None]
    value = values[0]
    if isinstance(value, Mapping):
        value = value.get("Alphabetic")
    return "" if value is None else str(value)


def _bounded(attribute: Any) -> Any:
    """Return an attribute without what is too long or too many: it is kept in a row, and read at every search."""
    if isinstance(attribute, dict):
        kept = {key: _bounded(value) for key, value in attribute.items() if key != "InlineBinary"}
        return dict(list(kept.items())[:_MOST])
    if isinstance(attribute, list):
        return [_bounded(value) for value in attribute[:_MOST]]
    return attribute[:_LONGEST] if isinstance(attribute, str) else attribute
