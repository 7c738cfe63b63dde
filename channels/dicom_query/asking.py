"""What a message asks of an archive: an information model, a level, what is to match, what is to be told.

Source: DICOM PS3.4 C.2.2 (matching), C.4.1.1.3 (identifier), C.6 (keys of each level).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from engine.errors import Rejected
from engine.model import Fault

_LEVELS: Final = {"patient": "PATIENT", "study": "STUDY", "series": "SERIES", "image": "IMAGE"}
_MOST_KEYS: Final = 256
_ABOVE: Final = {
    "patient": (),
    "study": ("StudyInstanceUID",),
    "series": ("StudyInstanceUID", "SeriesInstanceUID"),
    "image": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
}
_SHOWN: Final = {
    "patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "study": (
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
        "ModalitiesInStudy",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "NumberOfStudyRelatedInstances",
    ),
    "series": (
        "SeriesInstanceUID",
        "Modality",
        "SeriesNumber",
        "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    "image": ("SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}
"""What is asked for at each level where a message names nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query by its information model (`patient`, `study`) and its identifier; `limit` is 0 where none is said."""

    root: str
    identifier: Dataset
    limit: int


def question_of(body: bytes, *, retrieve: bool) -> Question:
    """Read a message; `retrieve` says that what matches is to be brought, so that only UIDs may match.

    Raises:
        Rejected: it asks for nothing that can be asked; the faults name the keys.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        _refuse("", "the message is no JSON")
    if not isinstance(asked, dict) or asked.keys() - {"root", "level", "match", "return", "limit"}:
        _refuse("", "the message is an object of root, level, match, return and limit")
    level = asked.get("level", "study")
    root = asked.get("root", "patient" if level == "patient" else "study")
    if level not in _LEVELS or root not in ("patient", "study") or (level == "patient" and root == "study"):
        _refuse(
            "level", "levels are patient, study, series and image; that of patients needs the patient root"
        )
    match, shown = asked.get("match", {}), asked.get("return", list(_SHOWN[level]))
    limit = asked.get("limit", 0)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        _refuse("limit", "a limit is a number")
    if not isinstance(match, dict) or not isinstance(shown, list) or len(match) + len(shown) > _MOST_KEYS:
        _refuse("match", f"match is an object, return a list, of {_MOST_KEYS} keys together")
    identifier = _identifier(match, () if retrieve else (*_ABOVE[level], *shown))
    identifier.QueryRetrieveLevel = _LEVELS[level]
    if retrieve:
        _check_unique(identifier, level, root)
    return Question(root, identifier, limit)


def _identifier(match: Mapping[str, Any], shown: tuple[Any, ...]) -> Dataset:
    made = Dataset()
    for path in shown:
        _put(made, path, "", f"return.{path}")
    for path, said in match.items():
        values = said if isinstance(said, list) else [said]
        if not all(isinstance(each, str) for each in values):
            _refuse(f"match.{path}", "a value is text, or a list of texts")
        _put(made, path, "\\".join(values), f"match.{path}")
    if not all(str(value).isascii() for value in match.values()):
        made.SpecificCharacterSet = "ISO_IR 192"
    return made


def _put(made: Dataset, path: Any, value: str, where: str) -> None:
    """Write a key; a dot leads into the one item of a sequence."""
    name, _, inner = path.partition(".") if isinstance(path, str) else ("", "", "")
    tag = tag_for_keyword(name) if name else None  # the dictionary has tags whose keyword is empty
    if tag is None or name == "QueryRetrieveLevel":
        _refuse(where, "it is no keyword of DICOM's dictionary")
    vr = dictionary_VR(tag)
    if (vr == "SQ") != bool(inner):
        _refuse(where, "a sequence is asked by a dot and what is within it, and nothing else is")
    if vr == "SQ":
        if tag not in made:
            made.add_new(tag, "SQ", Items([Dataset()]))
        _put(made[tag].value[0], inner, value, where)
        return
    try:
        made.add_new(tag, vr, value)
    except (ValueError, TypeError, OverflowError):
        _refuse(where, "the value is none of its kind")


def _check_unique(identifier: Dataset, level: str, root: str) -> None:
    """What is retrieved is named by unique keys alone (PS3.4 C.4.2.2.1)."""
    needed = (*(("PatientID",) if root == "patient" else ()), *_ABOVE[level])
    for keyword in needed:
        if not identifier.get(keyword):
            _refuse(f"match.{keyword}", "what is brought is named by it")
    for element in identifier:
        if element.keyword not in (*needed, "QueryRetrieveLevel", "SpecificCharacterSet"):
            _refuse(f"match.{element.keyword}", "what is brought is named by unique keys alone")
        if any(sign in str(element.value) for sign in "*?"):
            _refuse(f"match.{element.keyword}", "what is brought is named in full")


def _refuse(path: str, text: str) -> NoReturn:
    raise Rejected(f"{path}: {text}" if path else text, faults=(Fault(path, text, "query"),), code="query")
