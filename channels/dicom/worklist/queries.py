"""One query of a modality: what the store can look up of it, what is judged step by step, and what each answer holds.

The store narrows by what its columns say, and reads of each step that is left no more than the attributes which are
asked for beside those: ten thousand steps are looked through without one of them being read as a whole.

Source: DICOM PS3.4 table K.6-1 (attributes of a worklist and their matching), K.4.1.1.4 (keys that are not supported).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from pydicom.dataset import Dataset

from channels.dicom.worklist.answers import chosen, wanted_of
from engine.codecs.dicom.matching import Key, folded, keys_of, matches_json, value_test
from engine.spi import Narrow

PENDING: Final = 0xFF00
PENDING_WITHOUT_KEYS: Final = 0xFF01
_STEP, _STATION, _DAY, _MOMENT, _MODALITY = "00400100", "00400001", "00400002", "00400003", "00080060"
_PATIENT, _ACCESSION, _STUDY, _NAME = "00100020", "00080050", "0020000D", "00100010"

_AS_THEY_ARE: Final = frozenset({"AE", "CS", "LO", "SH", "UI"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9._ *?-]+", re.ASCII)
"""Texts that JSON writes as they are."""

_DATE: Final = re.compile(r"\d{8}", re.ASCII)

Model = Mapping[str, Any]


class Query:
    """What is asked for; Rejected where it is none. `stations` are those that who asks may see, None for all."""

    def __init__(self, identifier: Dataset, stations: tuple[str, ...] | None) -> None:
        keys = keys_of(identifier)
        self._stations = frozenset(stations) if stations is not None else None
        self._narrow = _narrow(keys, stations)
        self._span, self._keys = _spanned(keys)
        self._wanted = wanted_of(identifier)
        self.pending = PENDING

    @property
    def judges(self) -> bool:
        """Whether some keys are judged beside what the store looks up; `known_by` comes first then."""
        return bool(self._judged())

    def known_by(self, step: Model) -> None:
        """Leave out keys that a worklist does not know, as any step of it shows: they are universal, and it is said."""
        known = _known(self._keys, step)
        if known != self._keys:
            self._keys, self.pending = known, PENDING_WITHOUT_KEYS

    def narrow(self) -> Narrow:
        """Return what the store is asked for."""
        judged = self._judged()
        tags = tuple(key.tag for key in judged)
        judge = partial(matches_json, keys=judged)
        if self._span is not None:
            tags = (*tags, f"{_STEP}.{_DAY}", f"{_STEP}.{_MOMENT}")
            judge = partial(_holds_in, self._span, judged)
        elif not judged:
            return self._narrow
        holding = tuple(filter(None, map(_needle, judged)))
        return replace(self._narrow, attributes=tags, wanted=judge, holding=holding)

    def answer(self, step: Model) -> dict[str, Any] | None:
        """Return what is answered of a step, None where it is not asked for."""
        items = step[_STEP]["Value"]
        if self._stations is not None and not any(self._stations & _stations_of(item) for item in items):
            return None
        if not matches_json(step, self._keys):
            return None
        if self._span is not None and not any(self._span.holds(item) for item in items):
            return None
        return chosen(step, self._wanted)

    def _judged(self) -> tuple[Key, ...]:
        return tuple(key for key in _flat(self._keys) if not _is_looked_up(key))


class _Span:
    """A range of days and a range of times that mean one stretch of time together (PS3.4 table K.6-1)."""

    def __init__(self, days: str, moments: str) -> None:
        first_day, _, last_day = days.partition("-")
        first, _, last = moments.partition("-")
        for vr, text in (("DA", days), ("TM", moments)):
            value_test(vr, text)  # Rejected where it is no range
        self._from = _digits(first_day).ljust(8, "0") + _seconds(first).ljust(6, "0")
        self._to = (_digits(last_day) or "99991231") + _seconds(last).ljust(6, "9")

    def holds(self, item: Model) -> bool:
        """Say whether a step begins within; one without a time does where its day may."""
        day, moment = _first(item, _DAY), _seconds(_first(item, _MOMENT))
        return day + moment.ljust(6, "9") >= self._from and day + moment.ljust(6, "0") <= self._to


def _holds_in(span: _Span, keys: tuple[Key, ...], found: Model) -> bool:
    item = {tag: found.get(f"{_STEP}.{tag}") or {} for tag in (_DAY, _MOMENT)}
    return span.holds(item) and matches_json(found, keys)


def _spanned(keys: tuple[Key, ...]) -> tuple[_Span | None, tuple[Key, ...]]:
    """Take ranges of day and time out of the keys where both are asked for."""
    step = next((key for key in keys if key.tag == _STEP), None)
    found = {key.tag: key.text for key in step.items} if step is not None else {}
    days, moments = found.get(_DAY, ""), found.get(_MOMENT, "")
    if step is None or "-" not in days or "-" not in moments:
        return None, keys
    items = tuple(key for key in step.items if key.tag not in (_DAY, _MOMENT))
    others = tuple(key for key in keys if key is not step)
    return _Span(days, moments), (*others, replace(step, items=items)) if items else others


def _known(keys: tuple[Key, ...], found: Model) -> tuple[Key, ...]:
    """Return the keys that a worklist knows, in sequences too."""
    kept = []
    for key in keys:
        element = found.get(key.tag)
        items = element.get("Value") if element is not None and key.items else None
        if items:
            inner = _known(key.items, items[0])
            if inner:
                kept.append(key if inner == key.items else replace(key, items=inner))
        elif element is not None:
            kept.append(key)
    return tuple(kept)


def _flat(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """Return keys with those of the step beside the others: it is the one item of its sequence."""
    flat: list[Key] = []
    for key in keys:
        inner = key.items if key.tag == _STEP else ()
        flat += [replace(each, tag=f"{_STEP}.{each.tag}") for each in inner] or [key]
    return tuple(flat)


# --------------------------------------------------------------------------- what the store looks up


def _narrow(keys: tuple[Key, ...], stations: tuple[str, ...] | None) -> Narrow:
    """Return what the store can look up of a query; what it finds more is left out afterwards."""
    texts = {key.tag: key.text for key in _flat(keys)}
    days, moments = texts.get(f"{_STEP}.{_DAY}", ""), texts.get(f"{_STEP}.{_MOMENT}", "")
    first, last = _days(days)
    earliest, latest = ("", "") if "-" in days and "-" in moments else _moments(moments)
    return Narrow(
        first_day=first,
        last_day=last,
        first_moment=earliest,
        last_moment=latest,
        modalities=_exact(texts.get(f"{_STEP}.{_MODALITY}", "")),
        stations=_exact(texts.get(f"{_STEP}.{_STATION}", "")) or (stations or ()),
        patient=_single(texts.get(_PATIENT, "")),
        accession=_single(texts.get(_ACCESSION, "")),
        study=_single(texts.get(_STUDY, "")),
        name=_named(texts.get(_NAME, "")),
    )


def _is_looked_up(key: Key) -> bool:
    """Say whether `_narrow` has all that a key asks for."""
    step, _, inner = key.tag.rpartition(".")
    if not step:
        looked_up = {_PATIENT: _single, _ACCESSION: _single, _STUDY: _single, _NAME: _named}.get(key.tag)
        return looked_up is not None and bool(looked_up(key.text))
    if inner in (_MODALITY, _STATION):
        return bool(_exact(key.text))
    return inner in (_DAY, _MOMENT) and "\\" not in key.text


def _needle(key: Key) -> str:
    """Return what the JSON of a step holds that answers a key: its text, the longest piece of one with wildcards."""
    if key.vr == "DA" and _DATE.fullmatch(key.text):
        return f'"{key.text}"'
    if key.vr not in _AS_THEY_ARE or not _PLAIN.fullmatch(key.text):
        return ""
    pieces = re.split(r"[*?]+", key.text)
    return max(pieces, key=len) if len(pieces) > 1 else f'"{key.text}"'


def _days(text: str) -> tuple[str, str]:
    if not text or "\\" in text:
        return "", ""
    first, hyphen, last = text.partition("-")
    return _digits(first), _digits(last) if hyphen else _digits(first)


def _moments(text: str) -> tuple[str, str]:
    """Return both ends of a range of times; that of a time is the time itself. What has no time is in none."""
    if not text or "\\" in text:
        return "", ""
    first, hyphen, last = text.partition("-")
    return _seconds(first), _seconds(last) if hyphen else _seconds(first)


def _exact(text: str) -> tuple[str, ...]:
    """Return the values that a key asks for, () where it has wildcards."""
    return tuple(part.strip() for part in text.split("\\")) if text and not _wild(text) else ()


def _single(text: str) -> str:
    found = _exact(text)
    return found[0] if len(found) == 1 else ""


def _named(text: str) -> str:
    """Return what the store looks for of a name; of several writings none."""
    return f"*={folded(text)}=*" if text and "=" not in text and "\\" not in text else ""


def _wild(text: str) -> bool:
    return "*" in text or "?" in text


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _seconds(text: str) -> str:
    return _digits(text.partition(".")[0])


def _first(item: Model, tag: str) -> str:
    values = item.get(tag, {}).get("Value")
    return str(values[0]) if values else ""


def _stations_of(item: Model) -> frozenset[str]:
    return frozenset(item.get(_STATION, {}).get("Value", ()))
