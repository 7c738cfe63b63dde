"""People of an event in a worklist's words: patients with all their ids, names as DICOM writes them.

Source: DICOM PS3.5 6.2.1 (PN), PS3.3 C.2.2 and C.2.3 (patient identification, demographics); HL7 v2.5.1 2.A.88.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PARTS = ("family", "given", "middle", "prefix", "suffix")
_GROUPS = {"A": 0, "alphabetic": 0, "I": 1, "ideographic": 1, "P": 2, "phonetic": 2}
_SEXES = {"female": "F", "male": "M", "other": "O", "F": "F", "M": "M", "O": "O"}
_PREFERRED = "MR"


def patient_facts(patient: Mapping[str, Any], notes: Sequence[Any] | None = None) -> dict[str, Any]:
    """Return who the patient is: `ids` (value and authority, the record number first), name, birth, sex, notes."""
    facts: dict[str, Any] = {}
    if ids := ids_of(patient.get("identifiers")):
        facts["ids"] = ids
    if names := patient.get("names"):
        facts["name"] = name_of(names)
    if "birthDate" in patient:
        facts["birth"] = str(patient["birthDate"] or "")[:10].replace("-", "") or None
    if "sex" in patient:
        facts["sex"] = _SEXES.get(str(patient["sex"]), "O") if patient["sex"] else None
    texts = [str(note["text"]) for note in notes or () if isinstance(note, Mapping) and note.get("text")]
    if texts:
        facts["comments"] = "\n".join(texts)
    return facts


def ids_of(identifiers: Sequence[Any] | None) -> list[list[str]]:
    """Return (value, authority) of each identifier, those of a medical record first."""
    found = [each for each in identifiers or () if isinstance(each, Mapping) and each.get("value")]
    found.sort(key=lambda each: each.get("type") != _PREFERRED)
    return [
        [str(each["value"]), str(each.get("authority") or each.get("authorityOid") or "")] for each in found
    ]


def name_of(names: Sequence[Any]) -> str:
    """Return a person's name as PN: the legal one (else the first), with its ideographic and phonetic writings."""
    written = [each for each in names if isinstance(each, Mapping)]
    alphabetic = [each for each in written if _GROUPS.get(str(each.get("representation")), 0) == 0]
    legal = [each for each in alphabetic if each.get("use") in ("legal", "L")]
    groups = ["", "", ""]
    for each in (*written, *(legal[:1] or alphabetic[:1])):
        groups[_GROUPS.get(str(each.get("representation")), 0)] = _components(each)
    return "=".join(groups).rstrip("=")


def person(found: Any) -> str | None:
    """Return a practitioner's name as PN."""
    return _components(found) or None if isinstance(found, Mapping) else None


def _components(name: Mapping[str, Any]) -> str:
    parts = [_plain(name.get(part)) for part in _PARTS]
    if not parts[0] and name.get("familyOwn"):
        parts[0] = _plain(name["familyOwn"])
    return "^".join(parts).rstrip("^")


def _plain(text: Any) -> str:
    """Return one component without what separates components, groups and values."""
    return "".join(" " if character in "^=\\" else character for character in str(text or "")).strip()
