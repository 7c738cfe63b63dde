r"""What a segment's text looks like when its values are left out: the key by which plans are found.

A shape is the text of a segment in the recommended delimiters `|^~\&`, a blank for each value and, in what is left of
a message, `\x01` for each hole: ` | ||^ | ` are the values of six fields. Two segments of one shape have their values
in the same places, so one generated function serves both. `\x02` is a value that does not stand for itself, with an
escape or a control character, `\x03` a null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_HEADS: Final = ("MSH|^~\\&|", "MSH|^~\\&#|")
"""How a message begins that has plans; others are read and written by the general functions."""
HOLE: Final = "\x1f"
"""The hole of a message that has no control character."""
READ: Final = "m"
UNREAD: Final = "o"
"""What stands in an outline for a leaf that the event has, and for any other."""
_HOLE_BYTE: Final = 1
_ODD_BYTE: Final = 2
_NULL_BYTE: Final = 3
_CONTROL: Final = bytes([*range(9), *range(10, 13), *range(14, 32)])
_END: Final = b"\0"
_BLANK: Final = 32


_MARKS: Final = {ord(mark): ord(mark) for mark in "|^~&"} | {13: 0}
_VALUES: Final = bytes(_MARKS.get(code, _BLANK) for code in range(256))
"""What each byte is in a shape: dividers stay, an end is 0, all else is a blank, so that `split` joins it."""
_TOLD: Final = bytes(
    {_BLANK: ord(UNREAD), _HOLE_BYTE: ord(READ), _ODD_BYTE: ord(UNREAD), _NULL_BYTE: ord(UNREAD)}.get(
        code, code
    )
    for code in range(256)
)
_HOLES: Final = bytes((_MARKS | {31: _HOLE_BYTE}).get(code, _BLANK) for code in range(256))
_VALUES_APART: Final = bytes(ord("|") if code in _MARKS else code for code in range(256))
"""One divider instead of all: bytes are translated since text with accents is thirty times slower."""
_HOLES_APART: Final = bytes(ord("|") if code in (*_MARKS, 31) else code for code in range(256))


@dataclass(slots=True, eq=False)
class Scan:
    """A message's segments by their shapes; `values` are all texts in order, the names of the segments too.

    `starts` is where each segment's values begin, and where the last one's end. The header is scanned without MSH-1 and
    MSH-2, which are the end of `head`. A message is `odd` where a value does not stand for itself.
    """

    head: str
    shapes: list[bytes]
    values: list[str]
    starts: list[int]
    odd: bool = False


def _head_of(text: str) -> str:
    """Return the header as far as its delimiters go, "" where they are not the recommended ones."""
    return next((head[:-1] for head in _HEADS if text.startswith(head)), "")


def scanned(texts: Sequence[str]) -> Scan | None:
    """Return the shapes of a message's segments, None for one in other delimiters."""
    text = "\r".join(texts)
    head = _head_of(text)
    if not head:
        return None
    text = f"MSH{text[len(head) :]}\r"
    data = text.encode("utf-8", "surrogatepass")
    scan = _scan(head, data, _VALUES, _VALUES_APART)
    cut = head[-1] == "#" and "#" in text
    if cut or "\\" in text or '""' in text or len(data.translate(None, _CONTROL)) != len(data):
        _tell_odd(scan, texts)
    return scan


def _tell_odd(scan: Scan, texts: Sequence[str]) -> None:
    signs = ("\\", '""', "#") if scan.head[-1] == "#" else ("\\", '""')
    for at, text in enumerate(texts):
        body = text if at else text[len(scan.head) :]
        if not has_control(body) and not any(sign in body for sign in signs):
            continue
        scan.odd = True
        gaps = scan.shapes[at].split(b" ")
        values = scan.values[scan.starts[at] : scan.starts[at + 1]]
        shape = gaps[0]
        for value, gap in zip(values, gaps[1:], strict=True):
            odd = has_control(value) or any(sign in value for sign in signs)
            shape += (b"\3" if value == '""' else b"\2" if odd else b" ") + gap
        scan.shapes[at] = shape


def scanned_rest(texts: Sequence[str]) -> Scan | None:
    """Return the shapes of what is left of a message: holes stand apart from the texts that stayed."""
    text = "\r".join(texts)
    head = _head_of(text)
    if not head:
        return None
    return _scan(head, f"MSH{text[len(head) :]}\r".encode("utf-8", "surrogatepass"), _HOLES, _HOLES_APART)


def outlines_of(rest: Sequence[str]) -> list[str]:
    """Return the outlines of some segments, none a header, in which the leaves that the event has are holes."""
    data = "".join([f"{text}\r" for text in rest]).encode("utf-8", "surrogatepass")
    scan = _scan("", data, _HOLES, _HOLES_APART)
    return [text[:3] + _told(shape) for text, shape in zip(rest, scan.shapes, strict=True)]


def outline_at(scan: Scan, at: int, text: str) -> str:
    """Return the outline of a segment by its shape; the header's begins with MSH-1 and MSH-2."""
    name = text[:3] if text[3:4] in ("|", "") else "?"
    return (name if at else scan.head) + _told(scan.shapes[at])


def _told(shape: bytes) -> str:
    _, mark, fields = shape.translate(_TOLD).decode("ascii").partition("|")
    return mark + fields


def _scan(head: str, data: bytes, marking: bytes, dividing: bytes) -> Scan:
    shapes = b" ".join(data.translate(marking).split()).split(_END)
    shapes[0] = b" " + shapes[0]
    del shapes[-1]
    values = list(filter(None, data.translate(dividing).decode("utf-8", "surrogatepass").split("|")))
    starts: list[int] = []
    at = 0
    for shape in shapes:
        starts.append(at)
        at += shape.count(b" ")
    starts.append(at)
    return Scan(head, shapes, values, starts)


def has_control(text: str) -> bool:
    """Say whether a text has a control character but tab, or a line feed."""
    data = text.encode("utf-8", "surrogatepass")
    return len(data.translate(None, _CONTROL)) != len(data)


def divides(made: str, rest: str) -> bool:
    """Say whether a message that was made of `rest` has the same parts: no value brought a divider."""
    return (
        made.count("|") == rest.count("|")
        and made.count("^") == rest.count("^")
        and made.count("&") == rest.count("&")
        and made.count("~") == rest.count("~")
        and made.count("\r") == rest.count("\r")
    )


def stands(made: str, rest: str, head: str) -> bool:
    """Say whether no value that was written into `rest` has to be escaped, but for dividers."""
    return (
        made.count("\\") == rest.count("\\")
        and '""' not in made
        and (head[-1] != "#" or made.count("#") == 1)
        and not has_control(made)
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a shape that is not empty: the number of its value, or of its hole, from 0.

    An `odd` value does not stand for itself.
    """

    at: int
    hole: bool
    odd: bool = False
    null: bool = False


Subs = list[Cell | None]
Repetition = list[Subs]
Field = list[Repetition]


@dataclass(frozen=True, slots=True)
class Layout:
    """A shape taken apart.

    `fields[f][r][c][s]` counts from 0; `marks` is its text with a cell for each value and hole.
    """

    fields: list[Field]
    marks: list[str | Cell]
    values: int
    holes: int

    def cell(self, index: int, component: int, subcomponent: int, repetition: int = 0) -> Cell | None:
        """Return what stands in a place, None where it is empty; components count from 1."""
        if index >= len(self.fields):
            return None
        return cell_of(self.fields[index], repetition, component, subcomponent)


def cell_of(field: Field, repetition: int, component: int, subcomponent: int) -> Cell | None:
    """Return what stands in a place of a field, None where it is empty."""
    if repetition >= len(field) or component > len(field[repetition]):
        return None
    subs = field[repetition][component - 1]
    return subs[subcomponent - 1] if subcomponent <= len(subs) else None


def layout_of(shape: bytes) -> Layout:
    """Return a shape taken apart."""
    fields: list[Field] = [[[[None]]]]
    marks: list[str | Cell] = []
    counts = [0, 0]
    for code in shape:
        if code in (_BLANK, _HOLE_BYTE, _ODD_BYTE, _NULL_BYTE):
            hole = code == _HOLE_BYTE
            cell = Cell(counts[hole], hole, code in (_ODD_BYTE, _NULL_BYTE), code == _NULL_BYTE)
            counts[hole] += 1
            marks.append(cell)
            fields[-1][-1][-1][-1] = cell
            continue
        mark = chr(code)
        marks.append(mark)
        if mark == "|":
            fields.append([[[None]]])
        elif mark == "~":
            fields[-1].append([[None]])
        elif mark == "^":
            fields[-1][-1].append([None])
        else:
            fields[-1][-1][-1].append(None)
    return Layout(fields, marks, counts[0], counts[1])
