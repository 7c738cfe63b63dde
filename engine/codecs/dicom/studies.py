"""A study as one data set in the DICOM JSON model: what all its instances share, then its series, then these.

The series stand in ReferencedSeriesSequence, their instances in ReferencedInstanceSequence, each with the attributes
that it is searched by. One instance makes a study of one series.
Source: DICOM PS3.3 C.12.1.4 (common instance reference).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.json_model import to_json
from engine.codecs.dicom.reading import dataset_of
from engine.codecs.dicom.searching import KEPT, OF_INSTANCE, OF_SERIES, OF_STUDY

Model = dict[str, Any]
_SERIES_SEQUENCE: Final = "00081115"
_INSTANCE_SEQUENCE: Final = "0008114A"
_SERIES_COUNT, _INSTANCE_COUNT, _IN_SERIES = "00201206", "00201208", "00201209"
_MODALITY, _MODALITIES = "00080060", "00080061"
_SERIES_UID: Final = "0020000E"
_CLASS, _UID = "00080016", "00080018"
_REFERENCED: Final = {_CLASS: "00081150", _UID: "00081155"}
"""SOPClassUID and SOPInstanceUID are ReferencedSOPClassUID and ReferencedSOPInstanceUID there."""


def _tags(numbers: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"{number:08X}" for number in numbers if number != 0x00080005)


_STUDY, _SERIES, _INSTANCE = _tags(OF_STUDY), _tags(OF_SERIES), _tags(OF_INSTANCE)


def study_of(instances: Iterable[Mapping[str, Any]]) -> Model:
    """Return the study that instances in the JSON model make, in their order; the newest, the last, comes first in what
    they share."""
    known = list(instances)
    by_series: dict[str, list[Mapping[str, Any]]] = {}
    for each in known:
        by_series.setdefault(str((each.get(_SERIES_UID, {}).get("Value") or [""])[0]), []).append(each)
    made = _shared(known, _STUDY)
    made[_SERIES_SEQUENCE] = {"vr": "SQ", "Value": [_series(own) for own in by_series.values()]}
    kinds = dict.fromkeys(
        value for each in known for value in each.get(_MODALITY, {}).get("Value", ()) if value
    )
    if kinds:
        made[_MODALITIES] = {"vr": "CS", "Value": list(kinds)}
    made[_SERIES_COUNT] = {"vr": "IS", "Value": [len(by_series)]}
    made[_INSTANCE_COUNT] = {"vr": "IS", "Value": [len(known)]}
    return dict(sorted(made.items()))


def study_in(instance: Instance) -> Model:
    """Return the study that a decoded instance makes alone; MalformedMessage where its head breaks."""
    found = to_json(dataset_of(instance, tags=set(KEPT)))
    found["00083002"] = {"vr": "UI", "Value": [instance.transfer_syntax]}
    return study_of([found])


def _series(instances: list[Mapping[str, Any]]) -> Model:
    made = _shared(instances, _SERIES)
    items = [_referenced(each) for each in instances]
    made[_INSTANCE_SEQUENCE] = {"vr": "SQ", "Value": items}
    made[_IN_SERIES] = {"vr": "IS", "Value": [len(items)]}
    return dict(sorted(made.items()))


def _referenced(instance: Mapping[str, Any]) -> Model:
    own = {_REFERENCED.get(tag, tag): instance[tag] for tag in _INSTANCE if tag in instance}
    return dict(sorted(own.items()))


def _shared(instances: list[Mapping[str, Any]], tags: tuple[str, ...]) -> Model:
    made: Model = {}
    for each in reversed(instances):
        for tag in tags:
            if tag in each and each[tag].get("Value"):
                made.setdefault(tag, each[tag])
    return made
