"""Generates the function that writes the segments of one shape: values into holes, in one pass over what is there.

`plan(r, x, n, s, w)` returns the segment with the values of the event object `x`; `r` are the texts that stayed, `n` is
the number of the item as text. It counts in `s` the keys that it wrote of each object that several segments share, and
notes the alternates that it wrote. It returns None, or raises as a wrong key or type does, where `x` does not hold what
the shape has: then the general functions write the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.mapping.leaves import MISS, Marks, OpenCodes, V2Leaf, read_leaf, write_leaf
from engine.mapping.rules import Path
from engine.mapping.v2.cells import ABSENT, NOTHING, same
from engine.mapping.v2.facts import Fact, Node, Unplannable
from engine.mapping.v2.shapes import Cell, Layout
from engine.mapping.writing_code import Code, Expression, joined


def stays(raw: str, owner: Mapping[str, Any], key: str, kind: V2Leaf, marks: Marks) -> int:
    """Return how many leaves an unchanged text is: 1, or 0 where it cannot be read.

    Raises:
        KeyError: it is a leaf that the event lacks.
        LookupError: it means something else than the event.
    """
    value = read_leaf(raw, kind, marks)
    if value is MISS:
        return 0
    if not same(value, owner[key]):
        raise LookupError
    return 1


def giving_names() -> dict[str, Any]:
    """Return what the functions made here call by name."""
    return {"A": ABSENT, "E": NOTHING, "stays": stays, "write_leaf": write_leaf}


@dataclass(frozen=True, slots=True)
class Counters:
    """Where `s` counts the keys of shared objects, and where it notes alternates from."""

    objects: Mapping[Path, int]
    claims: int


def giving_plan(
    top: Node, segment: str, layout: Layout, number: Cell | None, counters: Counters, fresh: bool, code: Code
) -> str:
    """Add the function to `code` and return its name; `fresh`: a new id may have to be written where nothing is.

    Raises:
        Unplannable: a hole belongs to no rule whose condition holds.
    """
    return _Giving(segment, layout, counters, code).emit(top, number, fresh)


class _Giving:
    def __init__(self, segment: str, layout: Layout, counters: Counters, code: Code) -> None:
        self._segment = segment
        self._layout = layout
        self._counters = counters
        self._code = code
        self._texts: dict[int, str] = {}
        self._needed: list[str] = []

    def emit(self, top: Node, number: Cell | None, fresh: bool) -> str:
        code = self._code
        name = code.fresh("plan")
        with code.block(f"def {name}(r, x, n, s, w):"):
            code.line(f"{''.join(f'a{at}, ' for at in range(self._layout.values))}= r")
            code.line("m = w.marks")
            if fresh:
                code.line("if w.fresh is not None: return None")
            self._claims(top)
            self._object(top, "x", ())
            if number is not None and number.hole and number.at not in self._texts:
                self._texts[number.at] = "n"
            if len(self._texts) < self._layout.holes:
                raise Unplannable("a hole without a rule")
            if self._needed:
                code.line(f"if not ({' and '.join(self._needed)}): return None")
            code.line(f"return {self._joined()}")
        return name

    def _claims(self, top: Node) -> None:
        found: dict[int, bool] = {}
        for node in top.walk():
            claimed: list[Node | Fact] = [node, *node.facts]
            found.update({one.claim: one.later for one in claimed if one.claim >= 0})
        for claim, later in found.items():
            at = self._counters.claims + claim
            self._code.line(f"f{claim} = s[{at}]" if later else f"if s[{at}]: return None")
            self._code.line(f"s[{at}] = 1")

    # ------------------------------------------------------------- objects

    def _object(self, node: Node, name: str, path: Path | None) -> str:
        """Write what an object holds, and count its keys: all of it, or those of a shared one (`path`).

        Return the name of their count.
        """
        code = self._code
        shared = self._counters.objects.get(path) if path is not None else None
        count = code.fresh("d")
        keys = len([fact for fact in node.facts if fact.claim < 0]) + len(node.lists)
        inner = {key: self._is_shared(one, path, key) for key, one in node.inner.items()}
        keys += len([key for key, one in node.inner.items() if not inner[key] and one.claim < 0])
        code.line(f"{count} = {keys}")
        for fact in node.facts:
            if fact.claim >= 0:
                self._claimed(fact, name, count)
            else:
                self._fact(fact, name, count)
        for key, one in node.inner.items():
            if one.claim >= 0:
                self._somewhere(one, name, key, count)
            elif not inner[key] and _is_left(one):
                code.line(f"{(below_name := code.fresh('o'))} = {name}.get({key!r}, E)")
                code.line(f"if not {self._object(one, below_name, None)}: {count} -= 1")
            else:
                below = (*path, key) if inner[key] and path is not None else None
                self._object(one, self._opened(name, key), below)
        for key, items in node.lists.items():
            self._list(items, self._opened(name, key))
        if shared is not None:
            code.line(f"s[{shared}] += {count}")
        else:
            code.line(f"if len({name}) != {count}: return None")
        return count

    def _is_shared(self, node: Node, path: Path | None, key: str) -> bool:
        return path is not None and not node.local and (*path, key) in self._counters.objects

    def _opened(self, owner: str, key: str) -> str:
        name = self._code.fresh("o")
        self._code.line(f"{name} = {owner}[{key!r}]")
        return name

    def _list(self, items: list[Node], name: str) -> None:
        self._code.line(f"if len({name}) != {len(items)} or {name}.__class__ is not list: return None")
        for at, item in enumerate(items):
            if item.single:
                self._single(item.facts[0], f"{name}[{at}]")
            else:
                made = self._code.fresh("o")
                self._code.line(f"{made} = {name}[{at}]")
                self._object(item, made, None)

    def _single(self, fact: Fact, value: str) -> None:
        if not fact.cell.hole:
            raise Unplannable("a value of a list that stays")
        self._hole(fact, value)

    def _somewhere(self, node: Node, owner: str, key: str, count: str) -> None:
        """Write an object with several places: all of it in the first that has it, the holes of the others."""
        code = self._code
        name = self._opened(owner, key)
        node.claim, claim = -1, node.claim
        if not node.later:
            code.line(f"{count} += 1")
            self._object(node, name, None)
        else:
            with code.block(f"if f{claim}:"):
                code.line("pass")
                self._holes(node, name)
            with code.block("else:"):
                code.line(f"{count} += 1")
                self._object(node, name, None)
        node.claim = claim

    def _holes(self, node: Node, name: str) -> None:
        for fact in node.facts:
            if fact.cell.hole:
                self._hole(fact, f"{name}[{fact.key!r}]")
        for key, inner in node.inner.items():
            self._holes(inner, self._opened(name, key))

    # ------------------------------------------------------------- leaves

    def _fact(self, fact: Fact, name: str, count: str) -> None:
        code = self._code
        if not fact.cell.hole:
            kind = code.constant(fact.kind)
            code.line(f"{count} += stays(a{fact.cell.at}, {name}, {fact.key!r}, {kind}, m) - 1")
        elif fact.kind.default:
            text = self._text(fact)
            code.line(f"v = {name}.get({fact.key!r}, A)")
            with code.block("if v is A:"):
                code.line(f"{text} = {fact.kind.default!r}")
                code.line(f"{count} -= 1")
            with code.block("else:"):
                self._hole(fact, "v")
        else:
            self._hole(fact, f"{name}[{fact.key!r}]")

    def _claimed(self, fact: Fact, name: str, count: str) -> None:
        """Write a leaf with several places; in a further one only its hole is looked at."""
        code = self._code
        if not fact.later:
            code.line(f"{count} += 1")
            self._fact(fact, name, count)
            return
        with code.block(f"if f{fact.claim}:"):
            code.line("pass")
            if fact.cell.hole:
                self._hole(fact, f"{name}[{fact.key!r}]")
        with code.block("else:"):
            code.line(f"{count} += 1")
            self._fact(fact, name, count)

    def _text(self, fact: Fact) -> str:
        return self._texts.setdefault(fact.cell.at, f"b{fact.cell.at}")

    def _hole(self, fact: Fact, value: str) -> None:
        code = self._code
        text = self._text(fact)
        code.line(f"{text} = {self._written(fact, value)}")
        if text not in self._needed:
            self._needed.append(text)

    def _written(self, fact: Fact, value: str) -> str:
        """Return the expression that writes a value as it is, None or a text that is none where it cannot."""
        brief = fact.kind.brief
        if fact.plain:
            return value
        if isinstance(brief, OpenCodes):
            return f"{self._code.constant(brief.codes)}.get((v := {value}), v)"
        if brief is not None:
            return f"{self._code.constant(brief)}({value})"
        return f"write_leaf({value}, {self._code.constant(fact.kind)}, m)"

    def _joined(self) -> str:
        parts: list[str] = []
        for mark in self._layout.marks:
            if isinstance(mark, str):
                parts.append(mark)
            elif mark.hole:
                parts.append(Expression(self._texts[mark.at]))
            elif mark.at == 0:
                parts.append(self._segment)
            else:
                parts.append(Expression(f"a{mark.at}"))
        return joined(parts)


def _is_left(node: Node) -> bool:
    """Say whether all of an object stayed in the message, so that the event may not have it."""
    return (
        not node.lists
        and not any(fact.cell.hole for fact in node.facts)
        and all(map(_is_left, node.inner.values()))
    )
