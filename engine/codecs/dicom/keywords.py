"""The DICOM JSON model by keywords, as mappers read and write it; nothing is lost on the way there and back.

`{"StudyID": ["7"], "PatientName": [{"family": "Essai", "given": "Zoé"}], "ReferencedSeriesSequence": [{...}]}`: an
element is the list of its values under its keyword; dates and times are ISO 8601, names are taken apart; the date, time
and offset of a study are one moment, `StudyDateTime`; a patient's id and who gave it are one item of `PatientIDs`. What
has no keyword, another VR than the dictionary's, or a value that is none of its VR stands as in the model, under its
tag.
Source: DICOM PS3.18 F.2 (JSON model), PS3.5 6.2 (DA, TM, PN), PS3.6 6 (keywords).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

Model = dict[str, Any]
MOMENT: Final = "StudyDateTime"
PATIENTS: Final = "PatientIDs"
_PATIENT, _ISSUER = "PatientID", "IssuerOfPatientID"
_DATE, _TIME, _OFFSET = "StudyDate", "StudyTime", "TimezoneOffsetFromUTC"
_DA: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_ISO_DATE: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_TM: Final = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,6})?)?)?", re.ASCII)
_ISO_TIME: Final = re.compile(r"(\d{2})(?::(\d{2})(?::(\d{2})(\.\d{1,6})?)?)?", re.ASCII)
_SHIFT: Final = re.compile(r"([+-]\d{2})(\d{2})", re.ASCII)
_ISO_SHIFT: Final = re.compile(r"(.*T.*)([+-]\d{2}):(\d{2})", re.ASCII)
_ID: Final = {"value": _PATIENT, "issuer": _ISSUER}
_PARTS: Final = ("family", "given", "middle", "prefix", "suffix")
_GROUPS: Final = frozenset({"Alphabetic", "Ideographic", "Phonetic"})
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "AT"})


def to_keywords(model: Mapping[str, Any]) -> Model:
    """Return a data set in the JSON model by its keywords; the model is never changed."""
    made: Model = {}
    for tag, element in model.items():
        values = _values(tag, element)
        made[tag if values is None else keyword_for_tag(int(tag, 16))] = element if values is None else values
    return _with_patient(_with_moment(made))


def from_keywords(words: Mapping[str, Any]) -> Model:
    """Return the JSON model of what `to_keywords` gives, its tags in order.

    Raises:
        ValueError: there is no such keyword, or a value cannot be said in its VR; without the value.
    """
    made: Model = {}
    for name, values in _without_moment(_without_patient(words)).items():
        if isinstance(values, Mapping):  # as in the model
            made[name] = dict(values)
            continue
        number = tag_for_keyword(name)
        if number is None or not isinstance(values, list):
            raise ValueError(f"{name}: is no keyword with values")
        vr = dictionary_VR(number)
        back = _BACK.get(vr, _same)
        try:
            found = [None if value is None else back(value) for value in values]
        except (TypeError, AttributeError) as error:
            raise ValueError(f"{name}: holds what is no value of {vr}") from error
        made[f"{number:08X}"] = {"vr": vr, "Value": found} if found else {"vr": vr}
    return dict(sorted(made.items()))


# --------------------------------------------------------------------------- values


def _values(tag: str, element: Any) -> list[Any] | None:
    """Return the values of an element, None where it can only stand as it is."""
    if not isinstance(element, Mapping) or set(element) - {"vr", "Value"}:
        return None
    number = int(tag, 16)
    vr = element.get("vr")
    if not keyword_for_tag(number) or vr in _BINARY or dictionary_VR(number) != vr:
        return None
    values = element.get("Value", [])
    if not isinstance(values, list) or ("Value" in element and not values):
        return None
    there = _THERE.get(vr)
    if there is None:
        return list(values)
    found = [None if value is None else there(value) for value in values]
    unsaid = any(one is None and value is not None for one, value in zip(found, values, strict=True))
    return None if unsaid or (vr == "SQ" and None in found) else found


def _same(value: Any) -> Any:
    return value


def _date(value: Any) -> str | None:
    found = _DA.fullmatch(value) if isinstance(value, str) else None
    return "-".join(found.groups()) if found else None


def _date_back(value: Any) -> str:
    found = _ISO_DATE.fullmatch(value)
    if found is None:
        raise ValueError("a date is written as 2026-01-14")
    return "".join(found.groups())


def _time(value: Any) -> str | None:
    found = _TM.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else _joined(found, ":")


def _time_back(value: Any) -> str:
    found = _ISO_TIME.fullmatch(value)
    if found is None:
        raise ValueError("a time is written as 09:30:12.5, with six digits after the point at most")
    return _joined(found, "")


def _joined(found: re.Match[str], mark: str) -> str:
    hours, minutes, seconds, fraction = found.groups()
    return mark.join(filter(None, (hours, minutes, seconds))) + (fraction or "")


def _name(value: Any) -> Model | None:
    if not isinstance(value, Mapping) or set(value) - _GROUPS or not all(map(_is_text, value.values())):
        return None
    made = {group: text for group, text in value.items() if group != "Alphabetic"}
    written = value.get("Alphabetic")
    if written is not None:
        parts = written.split("^")
        if len(parts) > len(_PARTS) or not parts[-1]:
            return None
        made |= {part: text for part, text in zip(_PARTS, parts, strict=False) if text}
    return made


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _name_back(value: Any) -> Model:
    if set(value) - {*_GROUPS, *_PARTS} or not all(map(_is_text, value.values())):
        raise ValueError("a name has family, given, middle, prefix and suffix")
    parts = [value.get(part, "") for part in _PARTS]
    if any("^" in part or "=" in part or "\\" in part for part in parts):
        raise ValueError("a part of a name holds a mark of DICOM's names")
    written = "^".join(parts).rstrip("^")
    groups = {"Alphabetic": written} if written else {}
    return {**groups, **{group: text for group, text in value.items() if group in _GROUPS}}


_THERE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "DA": _date,
    "TM": _time,
    "PN": _name,
    "SQ": lambda item: to_keywords(item) if isinstance(item, Mapping) else None,
}
_BACK: Final[Mapping[str, Callable[[Any], Any]]] = {
    "DA": _date_back,
    "TM": _time_back,
    "PN": _name_back,
    "SQ": from_keywords,
}

# --------------------------------------------------------------------------- a patient's id


def _with_patient(made: Model) -> Model:
    """Put a patient's id and who gave it together."""
    value, issuer = made.get(_PATIENT), made.get(_ISSUER)
    if not isinstance(value, list) or len(value) != 1 or not _is_text(value[0]):
        return made
    item = {"value": made.pop(_PATIENT)[0]}
    if isinstance(issuer, list) and len(issuer) == 1 and _is_text(issuer[0]):
        item["issuer"] = made.pop(_ISSUER)[0]
    made[PATIENTS] = [item]
    return made


def _without_patient(words: Mapping[str, Any]) -> Mapping[str, Any]:
    items = words.get(PATIENTS)
    if items is None:
        return words
    made = {name: values for name, values in words.items() if name != PATIENTS}
    if not isinstance(items, list) or len(items) > 1:
        raise ValueError(f"{PATIENTS}: an image has one patient with one id")
    for item in items:
        if not isinstance(item, Mapping) or set(item) - set(_ID) or not all(map(_is_text, item.values())):
            raise ValueError(f"{PATIENTS}: an id has a value and its issuer, both as text")
        made |= {_ID[key]: [text] for key, text in item.items()}
    return made


# --------------------------------------------------------------------------- when a study began


def _with_moment(made: Model) -> Model:
    """Put date, time and offset of a study together, as far as they are said."""
    date = made.get(_DATE)
    if not isinstance(date, list) or len(date) != 1 or date[0] is None:
        return made
    moment = made.pop(_DATE)[0]
    time, shift = made.get(_TIME), made.get(_OFFSET)
    if isinstance(time, list) and len(time) == 1 and time[0] is not None:
        moment += f"T{made.pop(_TIME)[0]}"
        found = _SHIFT.fullmatch(str(shift[0])) if isinstance(shift, list) and len(shift) == 1 else None
        if found is not None:
            moment += f"{found[1]}:{found[2]}"
            del made[_OFFSET]
    made[MOMENT] = [moment]
    return made


def _without_moment(words: Mapping[str, Any]) -> Mapping[str, Any]:
    moments = words.get(MOMENT)
    if moments is None:
        return words
    made = {name: values for name, values in words.items() if name != MOMENT}
    if not isinstance(moments, list) or len(moments) > 1 or not all(map(_is_text, moments)):
        raise ValueError(f"{MOMENT}: a moment is written as 2026-01-14T09:30:12-05:00")
    for moment in moments:
        shifted = _ISO_SHIFT.fullmatch(moment)
        date, _, time = (shifted[1] if shifted else moment).partition("T")
        made[_DATE] = [date]
        if time:
            made[_TIME] = [time]
        if shifted:
            made[_OFFSET] = [f"{shifted[2]}{shifted[3]}"]
    return made
