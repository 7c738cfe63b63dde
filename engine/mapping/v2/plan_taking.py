"""Generates the function that reads the segments of one shape: nothing is looked for that is not there.

`plan(v, x, n, s, w)` puts what the values `v` say into the event object `x` and returns what is left of the segment,
and its outline: `m` for each leaf that the event has, `o` for each other. `n` is the number of the item as text, `s`
the alternates that earlier segments of the group gave. It returns None, and may have changed `x`, where only the
general functions can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.mapping.leaves import OpenCodes, V2Leaf
from engine.mapping.rules import Path
from engine.mapping.v2.cells import ABSENT, NOTHING, Wire, take
from engine.mapping.v2.facts import Fact, Node, Unplannable
from engine.mapping.v2.shapes import HOLE, READ, UNREAD, Cell, Layout
from engine.mapping.writing_code import Code, Expression, joined, shown


class Kept:
    """Which pieces of a segment stay where they are: all by their texts, and those that the event does not have."""

    __slots__ = ("missed", "raws")

    def __init__(self) -> None:
        self.raws: dict[int, str] = {}
        self.missed: list[int] = []


def odd(
    into: dict[str, Any], key: str, raw: str, kind: V2Leaf, wire: Wire, kept: Kept | None, at: int
) -> Kept | None:
    """Read a value that is not spelled as it would be written; it stays where it is unless it is its default."""
    cells = [raw]
    read: dict[str, Any] = {}
    take(read, key, cells, 0, kind, wire, False)
    into.update(read)
    return kept if cells[0] != raw else keep(kept, at, raw, missed=not read)


def keep(kept: Kept | None, at: int, raw: str, *, missed: bool) -> Kept:
    """Note that a value stays where it is, the piece `at` of its segment: it gets no hole."""
    kept = kept or Kept()
    kept.raws[at] = raw
    if missed:
        kept.missed.append(at)
    return kept


def patched(pieces: list[str], outline: Sequence[str], kept: Kept) -> tuple[str, str]:
    """Return what is left of a segment that keeps more than others of its shape, and its outline."""
    for at, raw in kept.raws.items():
        pieces[at] = raw
    if not kept.missed:
        return "".join(pieces), "".join(outline)
    told = list(outline)
    for at in kept.missed:
        told[at] = UNREAD
    return "".join(pieces), "".join(told)


def plan_names() -> dict[str, Any]:
    """Return what the functions made here call by name."""
    return {"A": ABSENT, "E": NOTHING, "odd": odd, "keep": keep, "patched": patched}


def taking_plan(
    top: Node,
    segment: str,
    layout: Layout,
    number: Cell | None,
    owned: Callable[[Path], bool],
    code: Code,
) -> str:
    """Add the function to `code` and return its name; `owned` says of an object whether only this segment fills it.

    Raises:
        Unplannable: an alternate does not stand for itself.
    """
    return _Taking(top, segment, layout, number, owned, code).emit()


class _Taking:
    def __init__(
        self,
        top: Node,
        segment: str,
        layout: Layout,
        number: Cell | None,
        owned: Callable[[Path], bool],
        code: Code,
    ) -> None:
        self._top = top
        self._segment = segment
        self._layout = layout
        self._number = number
        self._is_owned = owned
        self._code = code
        self._holes: set[int] = set()
        self._read: set[int] = set()
        self._kept = False

    def emit(self) -> str:
        code = self._code
        name = code.fresh("plan")
        with code.block(f"def {name}(v, x, n, s, w):"):
            code.line(f"{''.join(f'a{at}, ' for at in range(self._layout.values))}= v")
            code.line("z = None")
            self._claims()
            self._fill(self._top, "x")
            self._numbered()
            if self._kept:
                pieces = ", ".join(map(shown, self._pieces()))
                outline = code.constant(tuple(self._outline()))
                code.line(f"if z is not None: return patched([{pieces}], {outline}, z)")
            code.line(self._returned())
        return name

    def _numbered(self) -> None:
        """Compare the set id with the item's number: many senders count otherwise, so that is told at once."""
        cell = self._number
        if cell is None or cell.at in self._holes:
            return
        missed = cell.at not in self._read
        with self._code.block(f"if a{cell.at} != n:"):
            self._code.line(f"if z is None: {self._returned()}")
            self._code.line(f"keep(z, {self._piece(cell)}, a{cell.at}, missed={missed})")
            self._kept = True
        self._holes.add(cell.at)
        self._read.add(cell.at)

    def _claims(self) -> None:
        found: dict[int, bool] = {}
        for node in self._top.walk():
            claimed: list[Node | Fact] = [node, *node.facts]
            found.update({one.claim: one.later for one in claimed if one.claim >= 0})
        for claim, later in found.items():
            if later:
                self._code.line(f"f{claim} = {claim} in s")
            else:
                self._code.line(f"if {claim} in s: return None")
            self._code.line(f"s.add({claim})")

    # ------------------------------------------------------------- objects

    def _fill(self, node: Node, name: str) -> None:
        """Put all of an object that is there already into it."""
        for fact in node.facts:
            if fact.plain and fact.claim < 0:
                self._code.line(f"{name}[{fact.key!r}] = {self._text(fact)}")
        self._rest_of(node, name, self._code.line)
        for key, inner in node.inner.items():
            if inner.claim >= 0:
                self._somewhere(inner, name, key)
            elif not self._owned(inner):
                self._shared(inner, name, key)
            elif self._static(inner):
                self._code.line(f"{name}[{key!r}] = {self._literal(inner)}")
        for key, items in node.lists.items():
            if all(map(self._static, items)):
                self._code.line(f"{name}[{key!r}] = {self._items(items)}")

    def _rest_of(self, node: Node, name: str, line: Callable[[str], None]) -> None:
        """Put into an object what cannot stand in a literal, but shared objects."""
        for fact in node.facts:
            if fact.claim >= 0:
                self._claimed(fact, name)
            elif not fact.plain:
                self._typed(fact, name)
        for key, inner in node.inner.items():
            if inner.claim < 0 and self._owned(inner) and not self._static(inner):
                line(f"if {(made := self._built(inner))}: {name}[{key!r}] = {made}")
        for key, items in node.lists.items():
            if not all(map(self._static, items)):
                line(f"if {(made := self._list(items))}: {name}[{key!r}] = {made}")

    def _owned(self, node: Node) -> bool:
        return node.local or self._is_owned(node.path)

    def _static(self, node: Node) -> bool:
        """Say whether an object is a literal of the values' texts."""
        return (
            node.claim < 0
            and all(fact.plain and fact.claim < 0 for fact in node.facts)
            and all(map(self._static, node.inner.values()))
            and all(self._static(item) for items in node.lists.values() for item in items)
        )

    def _literal(self, node: Node) -> str:
        if node.single:
            return self._text(node.facts[0])
        parts = [f"{fact.key!r}: {self._text(fact)}" for fact in node.facts if fact.plain and fact.claim < 0]
        parts += [
            f"{key!r}: {self._literal(inner)}" for key, inner in node.inner.items() if self._static(inner)
        ]
        parts += [
            f"{key!r}: {self._items(items)}"
            for key, items in node.lists.items()
            if all(map(self._static, items))
        ]
        return f"{{{', '.join(parts)}}}"

    def _items(self, items: Sequence[Node]) -> str:
        return f"[{', '.join(map(self._literal, items))}]"

    def _built(self, node: Node) -> str:
        name = self._code.fresh("o")
        self._code.line(f"{name} = {self._literal(node)}")
        self._rest_of(node, name, self._code.line)
        return name

    def _list(self, items: Sequence[Node]) -> str:
        code = self._code
        name = code.fresh("l")
        code.line(f"{name} = []")
        for item in items:
            if self._static(item):
                code.line(f"{name}.append({self._literal(item)})")
            elif item.single:
                code.line("y = {}")
                self._typed(item.facts[0], "y")
                code.line(f"if y: {name}.append(y[{item.facts[0].key!r}])")
            else:
                made = self._built(item)
                code.line(f"if {made}: {name}.append({made})")
        return name

    def _shared(self, node: Node, owner: str, key: str) -> None:
        name = self._code.fresh("o")
        self._code.line(f"{name} = {owner}.get({key!r})")
        self._code.line(f"if {name} is None: {name} = {{}}")
        self._fill(node, name)
        self._code.line(f"if {name}: {owner}[{key!r}] = {name}")

    # ------------------------------------------------------------- leaves

    def _text(self, fact: Fact) -> str:
        self._read.add(fact.cell.at)
        if not fact.pinned:
            self._holes.add(fact.cell.at)
        return "None" if fact.nothing else f"a{fact.cell.at}"

    def _typed(self, fact: Fact, name: str) -> None:
        code = self._code
        raw = self._text(fact)
        told = f"z = odd({name}, {fact.key!r}, {raw}, {code.constant(fact.kind)}, w, z, {self._piece(fact.cell)})"
        self._kept = True
        if fact.cell.odd:
            code.line(told)
            return
        if fact.kind.default:
            code.line(f"if {raw} == {fact.kind.default!r}: pass")
        test = "elif" if fact.kind.default else "if"
        code.line(f"{test} (u := {self._quick(fact, raw)}) is not None: {name}[{fact.key!r}] = u")
        code.line(f"else: {told}")

    def _quick(self, fact: Fact, raw: str) -> str:
        """Return the expression that reads a spelling which would be written, None for any other."""
        quick = fact.kind.quick
        if isinstance(quick, OpenCodes):
            return f"{self._code.constant(quick.codes)}.get({raw}, {raw})"
        return f"{self._code.constant(quick)}({raw})"

    def _claimed(self, fact: Fact, name: str) -> None:
        """Read a leaf with several places: into the event, or compared with what an earlier place said."""
        code = self._code
        value = self._value(fact)
        if not fact.later:
            code.line(f"{name}[{fact.key!r}] = {value}")
            return
        code.line(f"if not f{fact.claim}: {name}[{fact.key!r}] = {value}")
        self._keep_if(f"f{fact.claim} and {name}.get({fact.key!r}, A) != {value}", fact.cell)

    def _value(self, fact: Fact) -> str:
        raw = self._text(fact)
        if fact.plain:
            return raw
        if fact.cell.odd:
            raise Unplannable("an alternate that does not stand for itself")
        value = self._code.fresh("u")
        self._code.line(f"{value} = {self._quick(fact, raw)}")
        self._code.line(f"if {value} is None: return None")
        return value

    def _keep_if(self, test: str, cell: Cell) -> None:
        self._code.line(f"if {test}: z = keep(z, {self._piece(cell)}, a{cell.at}, missed=True)")
        self._kept = True

    def _somewhere(self, node: Node, owner: str, key: str) -> None:
        """Read an object with several places, or compare it with the one that an earlier place gave."""
        code = self._code
        if not node.later:
            self._made(node, owner, key)
            return
        with code.block(f"if f{node.claim}:"):
            name = code.fresh("o")
            code.line(f"{name} = {owner}.get({key!r}, E)")
            self._compared(node, name)
        with code.block("else:"):
            self._made(node, owner, key)

    def _made(self, node: Node, owner: str, key: str) -> None:
        claim, node.claim = node.claim, -1
        if self._static(node):
            made = self._literal(node)
        else:
            made = self._built(node)
            self._code.line(f"if not {made}: return None")
        self._code.line(f"{owner}[{key!r}] = {made}")
        node.claim = claim

    def _compared(self, node: Node, name: str) -> None:
        for fact in node.facts:
            self._keep_if(f"{name}.get({fact.key!r}, A) != {self._value(fact)}", fact.cell)
        for key, inner in node.inner.items():
            deeper = self._code.fresh("o")
            self._code.line(f"{deeper} = {name}.get({key!r}, E)")
            self._compared(inner, deeper)

    # ------------------------------------------------------------- what is left

    def _pieces(self) -> list[str]:
        """Return the segment in pieces, one for each text between its values and one for each value."""
        return self._told(lambda at: HOLE if at in self._holes else Expression(f"a{at}"))

    def _outline(self) -> list[str]:
        """Return the same pieces as the outline has them."""
        return self._told(lambda at: READ if at in self._read else UNREAD)

    def _told(self, value: Callable[[int], str]) -> list[str]:
        found: list[str] = []
        for mark in self._layout.marks:
            if isinstance(mark, str):
                found.append(mark)
            else:
                found.append(self._segment if mark.at == 0 else value(mark.at))
        return found

    def _returned(self) -> str:
        return f"return {joined(self._pieces())}, {''.join(self._outline())!r}"

    def _piece(self, cell: Cell) -> int:
        return self._layout.marks.index(cell)
