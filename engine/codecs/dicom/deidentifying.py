"""De-identifies an instance: the profile applied to every attribute, nested ones too, and the instance says so.

Pixel data is not looked into: an instance that says that names are burned in, or that a face can be recognized, is
refused unless it is asked for. Source: DICOM PS3.15 2024b E.1.1 to E.3.12; PS3.3 C.12.1, C.7.1.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.codecs.dicom.charsets import TEXTUAL
from engine.codecs.dicom.instances import Instance
from engine.codecs.dicom.paths import fresh_item
from engine.codecs.dicom.profile import BASIC, CODES, EDITION, SAFE_PRIVATE, Profile
from engine.codecs.dicom.reading import is_sequence, vr_of
from engine.codecs.dicom.scanning import DataSet, Element
from engine.codecs.dicom.substitutes import DUMMY, Substitutes, dummy, shifted
from engine.codecs.dicom.values import BINARY, raw, read, representation, shown, written
from engine.errors import Rejected
from engine.model import Fault

_PATIENT_NAME: Final = 0x00100010
_PATIENT_ID: Final = 0x00100020
_TEXT_VALUE: Final = 0x0040A160
"""What anybody wrote, wherever content is structured; the table names the sequences that most often hold it."""
_BURNED_IN: Final = {0x00280301: "burned in annotations", 0x00280302: "recognizable visual features"}
_FIRST_GROUP: Final = 0x00080000
"""Below it are commands, file meta information and directories, which have no place in a data set."""
_TRAILING_PADDING: Final = 0xFFFCFFFC
_CODED: Final = frozenset({0x00080100, 0x00080102, 0x00080103, 0x00080119, 0x00080120, 0x00080122})
"""Code values and their schemes: cleaning leaves published ones alone, but for what they mean, a text like others."""
_SPELLED: Final = TEXTUAL | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}
"""Representations in which a text can stand."""
_CLEANED: Final = TEXTUAL - {"PN"}

Private = tuple[int, str, int]
"""Group, creator and element (its low byte) of a private attribute that is known to be safe."""


@dataclass(frozen=True, slots=True)
class Deidentifier:
    """One way to de-identify, shared by threads.

    `pseudonym` gives patients a keyed identifier in place of none; `burned_in` lets instances pass that say that their
    pixels identify somebody.
    """

    profile: Profile
    substitutes: Substitutes
    safe_private: tuple[Private, ...] = ()
    pseudonym: bool = True
    burned_in: bool = False

    def apply(self, instance: Instance) -> None:
        """De-identify in place.

        Raises:
            MalformedMessage: not all of it can be read, so that nobody knows what it holds.
            Rejected: its pixels identify somebody, or a value cannot be read.
        """
        if not self.burned_in:
            _check_pixels(instance)
        identifier = _text(instance, _PATIENT_ID)
        run = _Run(self, self.substitutes.days(identifier))
        run.data_set(instance, cleaning=False)
        if instance.find(_PATIENT_ID) is not None:
            name = self.substitutes.patient(identifier) if self.pseudonym else ""
            _put(instance, _PATIENT_ID, "LO", name)
            _put(instance, _PATIENT_NAME, "PN", name)
        self._say_so(instance)
        instance.stripped = True

    def _say_so(self, instance: Instance) -> None:
        options = self.profile.options
        dates = "UNMODIFIED" if "retain_full_dates" in options else "REMOVED"
        _put(instance, 0x00120062, "CS", "YES")
        _put(instance, 0x00120063, "LO", f"DICOM PS3.15 {EDITION} Basic Profile")
        _put(instance, 0x00280303, "CS", "MODIFIED" if "retain_modified_dates" in options else dates)
        codes = [
            BASIC,
            *(CODES[name] for name in sorted(options)),
            *([SAFE_PRIVATE] * bool(self.safe_private)),
        ]
        items = instance.put_sequence(0x00120064)
        for value, meaning in codes:
            item = fresh_item(instance)
            _put(item, 0x00080100, "SH", value)
            _put(item, 0x00080102, "SH", "DCM")
            _put(item, 0x00080104, "LO", meaning)
            items.sets.append(item)


class _Run:
    """One instance on its way."""

    def __init__(self, how: Deidentifier, days: int) -> None:
        self._how = how
        self._profile = how.profile
        self._substitutes = how.substitutes
        self._days = days

    def data_set(self, data: DataSet, *, cleaning: bool) -> None:
        """Do with every element what the profile says; `cleaning` asks that what it does not name is cleaned too."""
        kept = self._safe(data)
        for element in list(data.all()):
            tag = element.tag
            if tag >> 16 & 1:
                if tag not in kept:
                    data.drop(tag)
                elif is_sequence(data, element):
                    self._items(data, element, cleaning=cleaning)
            elif tag & 0xFFFF:
                self._element(data, element, cleaning)

    def _safe(self, data: DataSet) -> frozenset[int]:
        """Return the tags of private attributes that stay, and of the creators that they need."""
        found = set()
        for group, creator, number in self._how.safe_private:
            for block in range(0x10, 0x100):
                reserved = group << 16 | block
                if _text(data, reserved) == creator:
                    tag = group << 16 | block << 8 | number
                    if data.find(tag) is not None:
                        found |= {reserved, tag}
        return frozenset(found)

    def _element(self, data: DataSet, element: Element, cleaning: bool) -> None:
        tag, action = element.tag, self._profile.action(element.tag)
        if action == "X" or tag == _TRAILING_PADDING or tag < _FIRST_GROUP:
            data.drop(tag)
        elif action == "Z":
            self._empty(data, element)
        elif action == "D":
            self._dummy(data, element)
        elif not _is_what_it_should_be(data, element):
            data.drop(tag)
        elif is_sequence(data, element):
            self._items(data, element, cleaning=cleaning or action == "C")
        elif action == "U":
            self._other_uids(data, element)
        elif action == "C" or (cleaning and action != "K"):
            self._clean(data, element)
        elif not action and (tag == _TEXT_VALUE or representation(data, tag, element.vr) == "PN"):
            self._dummy(data, element)

    def _items(self, data: DataSet, element: Element, *, cleaning: bool) -> None:
        for item in data.items(element):
            self.data_set(item, cleaning=cleaning)

    def _empty(self, data: DataSet, element: Element) -> None:
        vr = vr_of(element.tag)
        if vr == "SQ":
            data.put_sequence(element.tag)
        else:
            data.put(Element(element.tag, representation(data, element.tag, ""), fresh=b""))

    def _dummy(self, data: DataSet, element: Element) -> None:
        """Put a dummy; of a sequence the first item stays, and every value in it is one."""
        tag = element.tag
        if vr_of(tag) != "SQ":
            vr = representation(data, tag, "")
            value = dummy(vr)
            pad = b"\0" if vr == "UI" or vr in BINARY else b" "
            data.put(Element(tag, vr, fresh=value + pad * (len(value) % 2)))
            return
        items = data.items(element) if is_sequence(data, element) else []
        made = data.put_sequence(tag)
        if items:
            made.sets.append(self._dummy_item(items[0]))

    def _dummy_item(self, item: DataSet) -> DataSet:
        for element in list(item.all()):
            if element.tag >> 16 & 1 or not _is_what_it_should_be(item, element):
                item.drop(element.tag)
            elif vr_of(element.tag) == "UI":
                self._other_uids(item, element)
            else:
                self._dummy(item, element)
        item.changed = True
        return item

    def _other_uids(self, data: DataSet, element: Element) -> None:
        known = read(data, element)
        values = known if isinstance(known, list) else [known]
        others = [self._substitutes.uid(str(value)) for value in values]
        if others != values:
            made = "\\".join(others).encode("ascii", "replace")
            data.put(Element(element.tag, "UI", fresh=made + b"\0" * (len(made) % 2)))

    def _clean(self, data: DataSet, element: Element) -> None:
        vr = representation(data, element.tag, element.vr)
        if vr in ("DA", "DT"):
            self._clean_dates(data, element, vr)
        elif vr in ("TM", "AS") or (element.tag in _CODED and _is_standard_code(data)):
            return
        elif vr == "UI":
            self._other_uids(data, element)
        elif vr == "PN" or vr in BINARY | {"UR", "AE"}:
            self._dummy(data, element)
        elif vr in _CLEANED:
            known = read(data, element)
            texts = [str(each) for each in (known if isinstance(known, list) else [known])]
            _put(data, element.tag, vr, [self._substitutes.cleaned(each) or DUMMY for each in texts])

    def _clean_dates(self, data: DataSet, element: Element, vr: str) -> None:
        if "retain_modified_dates" not in self._profile.options:
            if "retain_full_dates" not in self._profile.options:
                self._dummy(data, element)
            return
        known = read(data, element)
        values = [str(each) for each in (known if isinstance(known, list) else [known])]
        made = "\\".join(shifted(each, self._days) if each else "" for each in values).encode(
            "ascii", "replace"
        )
        data.put(Element(element.tag, vr, fresh=made + b" " * (len(made) % 2)))


def _is_what_it_should_be(data: DataSet, element: Element) -> bool:
    """Say whether an attribute is one of the dictionary's, in a form in which all that it holds is seen."""
    known = vr_of(element.tag)
    if known == "UN" and element.tag & 0xFFFF0000 != 0x7FE00000:
        return False
    if (known == "SQ") != is_sequence(data, element):
        return False
    return element.vr not in _SPELLED or known in _SPELLED


def _is_standard_code(item: DataSet) -> bool:
    """Say whether a code is of a published scheme: those of a house's own begin with 99 (PS3.16 8.2)."""
    scheme = _text(item, 0x00080102)
    return bool(scheme) and not scheme.startswith("99") and scheme != "L"


def _check_pixels(instance: Instance) -> None:
    for tag, text in _BURNED_IN.items():
        if _text(instance, tag) == "YES":
            told = f"the instance says that it has {text}, and pixels are not cleaned here"
            raise Rejected(
                f"{shown(tag)}: {told}", faults=(Fault(shown(tag), told, "burned_in"),), code="burned_in"
            )


def _text(data: DataSet, tag: int) -> str:
    element = data.find(tag)
    if element is None or is_sequence(data, element):
        return ""
    return raw(data, element).decode("latin-1").strip(" \0")


def _put(data: DataSet, tag: int, vr: str, value: str | list[str]) -> None:
    data.put(Element(tag, vr, fresh=written(data, vr, value, shown(tag))))
