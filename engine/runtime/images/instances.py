"""The DICOM instances that the store holds, as channels read them; what matches is decided by DICOM's own rules.

Source: DICOM PS3.4 C.2.2.2 (attribute matching), PS3.18 10.6 (search transaction), F.2 (JSON model).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import Rejected
from engine.model import Body, Fault, StoredInstance
from engine.store.protocol import Held, InstanceRow, Instances

if TYPE_CHECKING:
    from engine.codecs.dicom.matching import Key

_STUDY_UID, _SERIES_UID, _INSTANCE_UID = "0020000D", "0020000E", "00080018"
_COUNTED: Mapping[str, Callable[[Held], tuple[str, list[Any]]]] = {
    "00080056": lambda held: ("CS", ["ONLINE"]),
    "00080061": lambda held: ("CS", list(held.modalities)),
    "00080062": lambda held: ("UI", list(held.classes)),
    "00201206": lambda held: ("IS", [held.series]),
    "00201208": lambda held: ("IS", [held.instances]),
    "00201209": lambda held: ("IS", [held.instances]),
}
_COUNTED_AT: Mapping[str, tuple[str, ...]] = {
    "study": ("00080056", "00080061", "00080062", "00201206", "00201208"),
    "series": ("00080056", "00201209"),
    "instance": ("00080056",),
}
"""What is counted, not read: InstanceAvailability, ModalitiesInStudy, SOPClassesInStudy, NumberOfStudyRelatedSeries,
NumberOfStudyRelatedInstances, NumberOfSeriesRelatedInstances."""


_AS_THEY_ARE = frozenset({"UI", "LO", "SH", "CS", "AE"})
_PLAIN = re.compile(r"[A-Za-z0-9._ -]+", re.ASCII)
"""A text without wildcards, several values, and what JSON writes in another way."""


class StoredImages:
    """Implements `spi.Images` on the store."""

    def __init__(self, instances: Instances) -> None:
        self._instances = instances

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        level, uids = "study", [study]
        if instances:
            level, uids = "instance", list(instances)
        elif series:
            level, uids = "series", [series]
        elif not study:
            return []
        rows = await self._instances.held(level, uids, limit=limit, offset=offset)
        found = [_stored(row) for row in rows]
        return [
            each
            for each in found
            if (not study or each.study == study) and (not series or each.series == series)
        ]

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        from engine.codecs.dicom.looking_up import asked
        from engine.codecs.dicom.matching import matches_json
        from engine.codecs.dicom.searching import LEVELS

        attributes = LEVELS[level]
        keys = _keys(match, frozenset((*attributes, *_COUNTED_AT[level])))
        study = next((key.text for key in keys if key.tag == _STUDY_UID and "\\" not in key.text), "")
        held = await self._instances.summaries(
            level,
            study=study,
            wanted=lambda each: matches_json(_shown(each, level, attributes), keys),
            holding=_needles(keys),
            among=asked(keys),
            limit=limit,
            offset=offset,
        )
        return [_shown(each, level, attributes) for each in held]


def _keys(match: Mapping[str, str], known: frozenset[str]) -> tuple[Key, ...]:
    return tuple(key for path, text in match.items() if (key := _key(path, path, text, known)) is not None)


def _key(whole: str, path: str, text: str, known: frozenset[str] | None) -> Key | None:
    """Return what one attribute of a query asks for, None where everything answers it."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    from engine.codecs.dicom.matching import Key, value_test

    name, _, inner = path.partition(".")
    number = tag_for_keyword(name)
    tag = "" if number is None else f"{number:08X}"
    if number is None or (known is not None and tag not in known):
        raise _refused(whole, "the store is not searched by this attribute")
    vr = dictionary_VR(number)
    if inner:
        item = _key(whole, inner, text, None)
        return None if item is None else Key(tag, "SQ", items=(item,))
    try:
        test = value_test(vr, text)
    except Rejected as error:
        raise _refused(whole, str(error)) from error
    return None if test is None else Key(tag, vr, text.strip(" \x00"), test)


def _needles(keys: tuple[Key, ...]) -> list[bytes]:
    """Return what the attributes of everything found must hold as JSON: texts that are asked for as they are."""
    return [
        f'"{key.text}"'.encode()
        for key in keys
        if key.vr in _AS_THEY_ARE and key.tag not in _COUNTED and _PLAIN.fullmatch(key.text)
    ]


def _refused(path: str, told: str) -> Rejected:
    return Rejected(f"{path}: {told}", faults=(Fault(path, told, "key"),), code="key")


def _shown(held: Held, level: str, attributes: tuple[str, ...]) -> dict[str, Any]:
    own = held.newest.attributes
    shown = {tag: own[tag] for tag in attributes if tag in own}
    for tag in _COUNTED_AT[level]:
        vr, values = _COUNTED[tag](held)
        shown[tag] = {"vr": vr, "Value": values}
    return dict(sorted(shown.items()))


def _stored(row: InstanceRow) -> StoredInstance:
    body = row.body or Body(row.size, row.sha256)
    return StoredInstance(
        message_id=row.message_id,
        listener=row.listener,
        partner=row.partner,
        study=uid_of(row, _STUDY_UID),
        series=uid_of(row, _SERIES_UID),
        instance=uid_of(row, _INSTANCE_UID),
        sop_class=uid_of(row, "00080016"),
        transfer_syntax=uid_of(row, "00083002"),
        received_ms=row.received_ms,
        body=body,
        attributes=row.attributes,
    )


def uid_of(row: InstanceRow, tag: str) -> str:
    """Return a UID of an instance, "" where it says none."""
    values = row.attributes.get(tag, {}).get("Value") or [""]
    return str(values[0])
