"""Finds the elements of a data set in its bytes, as far as somebody asks, and never beyond its bounds.

What is read are positions, not values. A sequence of defined length is skipped, and looked into when it is wanted; one
of undefined length has to be walked to find its end, and what is found on the way is kept.
Source: DICOM PS3.5 7.1 (elements), 7.5 (sequences), A.4 (fragments of pixel data).
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from engine.codecs.dicom.bounds import MAX_DEPTH, Budget, malformed
from engine.codecs.dicom.source import Source
from engine.codecs.dicom.syntaxes import IMPLICIT_LITTLE, Form, form_of

UNDEFINED: Final = 0xFFFFFFFF
PIXEL_DATA: Final = 0x7FE00010
ALL_TAGS: Final = 1 << 32
_ITEM: Final = 0xFFFEE000
_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_DELIMITERS: Final = frozenset({_ITEM, _ITEM_END, _SEQUENCE_END})
LONG: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Value representations whose length has four bytes (PS3.5 7.1.2)."""
_SHORT: Final = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US"}
)  # fmt: skip
_HEADS: Final = {True: Struct("<HHL"), False: Struct(">HHL")}
_LENGTHS: Final = {True: Struct("<L"), False: Struct(">L")}
_HALVES: Final = {True: Struct("<H"), False: Struct(">H")}
_VRS: Final = {vr: vr.decode() for vr in LONG}
_SHORT_VRS: Final = {vr: vr.decode() for vr in _SHORT}
_IMPLICIT: Final = form_of(IMPLICIT_LITTLE)


class Element(NamedTuple):
    """One element: it stands at `head` to `end`, its value at `start` to `stop`.

    `vr` is "" where the data set does not say it. `fresh` are the bytes of a value that was set, None while it is as it
    came; the positions of one that was set mean nothing.
    """

    tag: int
    vr: str
    head: int = 0
    start: int = 0
    stop: int = 0
    end: int = 0
    undefined: bool = False
    fresh: bytes | None = None


_new = tuple.__new__
"""Makes a named tuple from all its values in half the time."""


class Items:
    """The items of a sequence; `changed` says that one was put in or taken out."""

    __slots__ = ("changed", "sets")

    def __init__(self, sets: list[DataSet], *, changed: bool = False) -> None:
        self.sets = sets
        self.changed = changed


class DataSet:
    """The elements of an instance or of an item, found as far as they were asked for.

    Its content is `start` to `stop`; `head` to `end` is the whole item. `changed` says that an element was set or
    removed here; changes within sequences are told by the sequences, which are kept beside their elements.
    """

    __slots__ = (
        "_done",
        "_last",
        "_position",
        "budget",
        "changed",
        "depth",
        "elements",
        "end",
        "form",
        "head",
        "parent",
        "sequences",
        "source",
        "start",
        "stop",
        "undefined",
    )

    def __init__(
        self,
        source: Source,
        form: Form,
        start: int,
        stop: int,
        *,
        parent: DataSet | None = None,
    ) -> None:
        self.source = source
        self.form = form
        self.start = self.head = start
        self.stop = self.end = stop
        self.parent = parent
        self.budget: Budget = Budget() if parent is None else parent.budget
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.undefined = False
        self.changed = False
        self.elements: dict[int, Element] = {}
        self.sequences: dict[int, Items] = {}
        self._position = start
        self._last = -1
        self._done = False

    # ------------------------------------------------------------- reading

    def find(self, tag: int) -> Element | None:
        """Return an element, None where there is none; reads no further than it has to.

        Raises:
            MalformedMessage: what stands before it is no data set.
        """
        if self._last < tag and not self._done:
            self._scan(tag)
        return self.elements.get(tag)

    def all(self, before: int = ALL_TAGS) -> Iterator[Element]:
        """Yield the elements whose tags are lower than `before`, in order, as they are now."""
        if self._last < before - 1 and not self._done:
            self._scan(before - 1)
        for tag in sorted(self.elements):
            if tag < before:
                yield self.elements[tag]

    def items(self, element: Element) -> list[DataSet]:
        """Return the items of a sequence; MalformedMessage."""
        return self.sequence(element).sets

    def sequence(self, element: Element) -> Items:
        """Return the items of a sequence as they can be changed, read when they are first asked for."""
        found = self.sequences.get(element.tag)
        if found is None:
            self._descend(element.head)
            form = _form_within(self.form, element)
            found, _ = self._items(element.start, element.stop, form, delimited=False)
            self.sequences[element.tag] = found
        return found

    # ------------------------------------------------------------- changing

    def put(self, element: Element) -> None:
        """Set an element that was made here."""
        self.find(element.tag)
        self.elements[element.tag] = element
        self.sequences.pop(element.tag, None)
        self.changed = True

    def put_sequence(self, tag: int) -> Items:
        """Set a sequence without items and return it."""
        self.put(Element(tag, "SQ", fresh=b""))
        made = self.sequences[tag] = Items([], changed=True)
        return made

    def drop(self, tag: int) -> None:
        """Take an element out; what is not there is no error."""
        if self.find(tag) is not None:
            del self.elements[tag]
            self.sequences.pop(tag, None)
            self.changed = True

    def touched(self) -> bool:
        """Whether anything in it differs from what was read."""
        return self.changed or any(is_changed(items) for items in self.sequences.values())

    def copy(self, parent: DataSet | None = None) -> DataSet:
        """Return an independent copy; what was found is shared, but for sequences."""
        made = object.__new__(type(self))
        for name in DataSet.__slots__:
            setattr(made, name, getattr(self, name))
        made.parent = parent
        made.budget = Budget() if parent is None else parent.budget
        made.elements = dict(self.elements)
        made.sequences = {
            tag: Items([each.copy(made) for each in items.sets], changed=items.changed)
            for tag, items in self.sequences.items()
        }
        return made

    # ------------------------------------------------------------- inside

    def _scan(self, until: int) -> None:
        """Find the elements up to tag `until`, or to the end; what most of them are is settled here, without a call."""
        look, elements, budget, stop = self.source.look, self.elements, self.budget, self.stop
        little, implicit = self.form.little, self.form.implicit
        head_of, position, last = _HEADS[little].unpack_from, self._position, self._last
        while position < stop:
            window, at = look(position, 8)
            group, number, length = head_of(window, at)
            tag = group << 16 | number
            if tag > until or tag in _DELIMITERS:
                if tag in _DELIMITERS:
                    self._end(tag, position)
                return
            if tag <= last:
                raise malformed("the elements are not in ascending order", position, tag)
            budget.left -= 1
            if budget.left < 0:
                raise budget.spent(position)
            vr, start = "", position + 8
            if not implicit:
                code = window[at + 4 : at + 6]
                vr = _SHORT_VRS.get(code, "")
                if vr:
                    length = length >> 16 if little else length & 0xFFFF
                else:
                    vr, start, length = self._explicit(code, position)
            end = start + length
            if length == UNDEFINED:
                end = self._undefined(tag, vr, position, start)
            elif end > stop:
                raise malformed("the value is longer than what there is", position, tag)
            else:
                elements[tag] = _new(Element, (tag, vr, position, start, end, end, False, None))
            self._position = position = end
            self._last = last = tag
        if self.undefined:
            raise malformed("an item without its end", position)
        self._done = True

    def _end(self, tag: int, position: int) -> None:
        """End an item at its delimiter."""
        if tag != _ITEM_END or not self.undefined:
            raise malformed("a delimiter where an element is expected", position, tag)
        self.stop, self.end, self._done = position, position + 8, True

    def _explicit(self, code: bytes, position: int) -> tuple[str, int, int]:
        """Return the representation where it is no usual short one, where the value begins, and its length.

        A code that is none has a length of two bytes; one of two capitals is yet to come and has four (PS3.5 6.2).
        """
        if code in LONG or (code.isalpha() and code.isupper()):
            window, at = self.source.look(position + 8, 4)
            return _VRS.get(code, "UN"), position + 12, _LENGTHS[self.form.little].unpack_from(window, at)[0]
        window, at = self.source.look(position + 6, 2)
        return "UN", position + 8, _HALVES[self.form.little].unpack_from(window, at)[0]

    def _undefined(self, tag: int, vr: str, head: int, start: int) -> int:
        """Keep an element that does not say its length, and return where it ends."""
        if tag == PIXEL_DATA or vr in ("OB", "OW"):
            stop, end = self._fragments(start)
        elif vr in ("", "SQ", "UN"):
            self._descend(head)
            form = _IMPLICIT if vr == "UN" else self.form
            self.sequences[tag], end = self._items(start, self.stop, form)
            stop = end - 8
        else:
            raise malformed("only sequences and fragments have no length", head, tag)
        if end > self.stop:
            raise malformed("the value is longer than what there is", head, tag)
        self.elements[tag] = Element(tag, vr, head, start, stop, end, undefined=True)
        return end

    def _descend(self, position: int) -> None:
        if self.depth >= MAX_DEPTH:
            raise malformed(f"sequences are nested deeper than {MAX_DEPTH}", position)

    def _items(self, position: int, limit: int, form: Form, *, delimited: bool = True) -> tuple[Items, int]:
        """Return the items from `position` on, and where they end, the delimiter included."""
        found: list[DataSet] = []
        head_of = _HEADS[form.little].unpack_from
        while delimited or position < limit:
            window, at = self.source.look(position, 8)
            group, number, length = head_of(window, at)
            tag = group << 16 | number
            self.budget.spend(position)
            if tag == _SEQUENCE_END and delimited:
                position += 8
                break
            if tag != _ITEM:
                raise malformed("an item is expected", position, tag)
            item = DataSet(self.source, form, position + 8, limit, parent=self)
            item.head = position
            if length == UNDEFINED:
                item.undefined = True
                item.find(ALL_TAGS)
            else:
                item.stop = item.end = position + 8 + length
            if item.end > limit:
                raise malformed("an item is longer than what there is", position)
            found.append(item)
            position = item.end
        if position > limit:
            raise malformed("a sequence is longer than what there is", position)
        return Items(found), position

    def _fragments(self, position: int) -> tuple[int, int]:
        """Return where the value ends that consists of fragments, and its delimiter."""
        head_of = _HEADS[self.form.little].unpack_from
        while True:
            window, at = self.source.look(position, 8)
            group, number, length = head_of(window, at)
            tag = group << 16 | number
            self.budget.spend(position)
            if tag == _SEQUENCE_END:
                return position, position + 8
            if tag != _ITEM or length == UNDEFINED:
                raise malformed("a fragment is expected", position, tag)
            position += 8 + length


def is_changed(items: Items) -> bool:
    """Whether a sequence differs from what was read, or anything in it."""
    return items.changed or any(each.touched() for each in items.sets)


def _form_within(form: Form, element: Element) -> Form:
    """Return how items are spelled: those of an UN that had no length are implicit (PS3.5 6.2.2)."""
    return _IMPLICIT if element.vr == "UN" and element.undefined else form
