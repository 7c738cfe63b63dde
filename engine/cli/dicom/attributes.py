"""Which attributes of an instance may be shown to anybody, and how the others are."""

from __future__ import annotations

from functools import cache
from typing import Final

from engine.cli.hl7.tree import masked
from engine.codecs.dicom.dumping import BULK, Attribute
from engine.codecs.dicom.profile import Profile

_FREE: Final = frozenset({"LT", "PN", "ST", "UC", "UN", "UT"})
"""Representations of texts that may say anything, wherever they stand."""
_META: Final = 0x0002
_INSTANCE: Final = 0x00020003


def shown_value(attribute: Attribute, *, clear: bool) -> str:
    """Return the value for people: its shape alone, unless it tells of nobody."""
    return attribute.value if clear or _is_open(attribute) else masked(attribute.value)


def _is_open(attribute: Attribute) -> bool:
    """Say whether the profile leaves the attribute alone, and nobody could have written a name there."""
    tag = attribute.tag
    if attribute.vr == "SQ" or tag >= BULK:
        return True
    if tag >> 16 & 1 or attribute.vr in _FREE:
        return False
    return (tag >> 16 == _META and tag != _INSTANCE) or not _basic().action(tag)


@cache
def _basic() -> Profile:
    return Profile.of()
