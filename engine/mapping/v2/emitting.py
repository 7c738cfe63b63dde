"""Generates the functions of the v2 side: one pair per kind of group, one pair per kind of repetition.

`g3(group, x, w)` reads segments into the event object `x` and leaves holes; `p3(group, x, w)` writes them.
`t4(cells, at, w)` reads the repetition `cells[at]` and returns its item, `A` where it holds none;
`r4(cells, at, x, w)` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from engine.mapping.leaves import MISS, NULL, V2Leaf, v2_leaf_type, write_leaf
from engine.mapping.rules import Leaf, Many, Scope
from engine.mapping.v2 import cells as v2_cells
from engine.mapping.v2.compacting import compacted
from engine.mapping.v2.emitting_shared import (
    V2Emitting,
    asked_paths,
    by_segment,
    conditions,
    fields_of,
    is_late,
    mask_of,
    where_of,
)
from engine.mapping.v2.giving import Box, V2Giving
from engine.mapping.v2.keys import holder
from engine.mapping.v2.structure import Context, contexts_of
from engine.mapping.v2.taking import V2Taking
from engine.mapping.v2.wholes import give_together, put_object, take_together
from engine.mapping.writing_code import Code

Function = Callable[[Any, dict[str, Any], v2_cells.Wire], None]


class V2Program:
    """The general functions of one mapper, each generated when it is called first, and the groups that they work on.

    Most messages are read and written by plans (`engine.mapping.v2.plans`), so most of these are never made.
    """

    def __init__(self, name: str, scope: Scope, order: Sequence[str]) -> None:
        self._name = name
        self.contexts = contexts_of(scope, order)
        self._scopes: dict[int, Scope] = {}
        self._code = Code(A=v2_cells.ABSENT, E=v2_cells.NOTHING, NULL=NULL, MISS=MISS, Box=Box)
        self._emitter = _V2Emitter(self._code)
        names = self._code.names
        names.update({function.__name__: function for function in _CALLED})
        for context in self.contexts:
            for kind in "gp":
                names[f"{kind}{context.number}"] = self._awaited(kind, context)
        names["holds"] = holder(names.__getitem__)
        self.made: set[str] = set()

    @property
    def root(self) -> Context:
        """The message."""
        return self.contexts[0]

    @property
    def kinds(self) -> Callable[[Leaf], V2Leaf]:
        """How leaves are read and written."""
        return self._emitter.kinds

    def scope(self, context: Context) -> Scope:
        """Return the rules of a group as its functions see them."""
        found = self._scopes.get(context.number)
        if found is None:
            found = self._scopes[context.number] = compacted(context.scope)
        return found

    def taking(self, context: Context) -> Function:
        """Return the function that reads a group's own segments, not its groups."""
        found: Function = self._code.names[f"g{context.number}"]
        return found

    @property
    def give(self) -> Function:
        """The function that writes the message."""
        found: Function = self._code.names["p0"]
        return found

    def source(self) -> str:
        """Return the source of all functions, for those who look for a fault in them."""
        emitter = _V2Emitter(code := Code())
        for context in reversed(self.contexts):
            emitter.taking(context, self.scope(context))
            emitter.giving(context, self.scope(context))
        return code.source()

    def _awaited(self, kind: str, context: Context) -> Function:
        """Return what stands for a function until it is called: it makes it, and calls it."""

        def call(group: Any, x: dict[str, Any], w: v2_cells.Wire) -> None:
            name = f"{kind}{context.number}"
            if name not in self.made:
                emit = self._emitter.taking if kind == "g" else self._emitter.giving
                emit(context, self.scope(context))
                self._code.flushed(self._name)
                self.made.add(name)
            self._code.names[name](group, x, w)

        return call


_CALLED: Final[tuple[Callable[..., Any], ...]] = (
    v2_cells.take, v2_cells.take_deep, v2_cells.take_sub, v2_cells.take_first, v2_cells.take_object,
    v2_cells.give, v2_cells.give_sub, v2_cells.give_first, v2_cells.give_object,
    v2_cells.put_subs, v2_cells.put_field, v2_cells.put_repetitions, v2_cells.put_groups, v2_cells.new_group,
    v2_cells.sweep, v2_cells.give_number, v2_cells.begin, write_leaf, put_object, take_together, give_together,
)  # fmt: skip
"""What the generated functions call by name."""


class _V2Emitter:
    def __init__(self, code: Code) -> None:
        self._code = code
        self._kinds: dict[tuple[Any, str], V2Leaf] = {}
        self._pairs: dict[Any, str] = {}

    def kinds(self, leaf: Leaf) -> V2Leaf:
        """Return the functions of a leaf, the same for leaves of one type: fewer names in the generated source."""
        default = leaf.default["v2"].text if "v2" in leaf.default else ""
        key = (id(leaf.table) if leaf.table is not None else leaf.kind, default)
        if key not in self._kinds:
            self._kinds[key] = v2_leaf_type(leaf, default)
        return self._kinds[key]

    def taking(self, context: Context, scope: Scope) -> None:
        """Generate the function that reads a group's own segments."""
        pairs = self._paired(scope)
        code = self._code
        with code.block(f"def g{context.number}(group, x, w):"):
            code.line("m, C, R, S, H = group.members, w.component, w.repetition, w.subcomponent, w.hole")
            code.line("simple = w.simple")
            own = Scope(scope.leaves, [many for many in scope.lists if not many.anchors])
            self._body(context, own, pairs, V2Taking(code, (0, 1, 3), self.kinds))

    def giving(self, context: Context, scope: Scope) -> None:
        """Generate the function that writes a group."""
        pairs = self._paired(scope)
        code = self._code
        with code.block(f"def p{context.number}(group, x, w):"):
            code.line("m, C, R, S, H = group.members, w.component, w.repetition, w.subcomponent, w.hole")
            code.line("marks = w.marks")
            self._body(context, scope, pairs, V2Giving(code, (0, 1, 3), self.kinds))

    def _paired(self, scope: Scope) -> dict[int, str]:
        return {id(many): self._pair(many) for many in scope.lists if many.place is not None}

    def _body(self, context: Context, scope: Scope, pairs: dict[int, str], side: V2Emitting) -> None:
        asked = asked_paths(scope)
        late: list[Leaf | Many] = [leaf for leaf in scope.leaves if is_late(leaf)]
        late += [many for many in scope.lists if len(many.places) > 1]
        groups = [many for many in scope.lists if many.anchors]
        for leaf in scope.leaves:
            if leaf.v2:
                side.uses(leaf, () if is_late(leaf) else where_of(leaf.v2[0], leaf.when))
        for many in scope.lists:
            if many.place is not None and len(many.places) < 2:
                side.uses(many, where_of(many.place, many.when))
            elif many.place is not None or many.anchors:
                side.uses(many, ())
        side.open(())
        self._alternates([one for one in late if one.path in asked], pairs, side)
        for segment, fields in by_segment(fields_of(scope), scope).items():
            side.segment(segment, fields, pairs)
        self._alternates([one for one in late if one.path not in asked], pairs, side)
        for many in groups:
            with side.guard(many):
                side.late(many, context)
        side.close(())

    def _alternates(self, rules: Sequence[Leaf | Many], pairs: dict[int, str], side: V2Emitting) -> None:
        leaves = [one for one in rules if isinstance(one, Leaf)]
        for leaf in leaves:
            if not leaf.together:
                with side.guard(leaf):
                    side.alternates(leaf)
        for places in dict.fromkeys(leaf.together for leaf in leaves if leaf.together):
            side.together([leaf for leaf in leaves if leaf.together == places])
        for many in rules:
            if isinstance(many, Many):
                with side.guard(many):
                    side.somewhere(many, pairs[id(many)])

    def _pair(self, many: Many) -> str:
        """Generate the pair for one kind of repetition, shared by all that hold the same, and return its number."""
        shape = (many.plain, tuple(self._shape(leaf) for leaf in many.scope.leaves))
        if shape in self._pairs:
            return self._pairs[shape]
        code = self._code
        number = self._pairs[shape] = code.fresh("")
        with code.block(f"def t{number}(cells, at, w):"):
            code.line("C, S, H, simple = w.component, w.subcomponent, w.hole, w.simple")
            code.line("x = {}")
            self._parts(many.scope, V2Taking(code, (0, 2), self.kinds))
            code.line("return x.get('', A)" if many.plain else "return x or A")
        with code.block(f"def r{number}(cells, at, x, w):"):
            code.line("C, S, H, marks = w.component, w.subcomponent, w.hole, w.marks")
            if many.plain:
                code.line("x = {'': x}")
            self._parts(many.scope, V2Giving(code, (0, 2), self.kinds))
        return number

    def _shape(self, leaf: Leaf) -> tuple[Any, ...]:
        pinned = "v2" in leaf.pinned
        return (leaf.path, leaf.v2, leaf.v2_also, id(self.kinds(leaf)), leaf.kind, pinned, leaf.when)

    def _parts(self, scope: Scope, side: V2Emitting) -> None:
        plain = [leaf for leaf in scope.leaves if leaf.v2 and not is_late(leaf)]
        late = [leaf for leaf in scope.leaves if is_late(leaf)]
        for leaf in plain:
            side.uses(leaf, ("c", leaf.when))
        for leaf in late:
            side.uses(leaf, ())
        side.open(())
        blocks = [
            (when, mask_of([leaf for leaf in plain if leaf.when == when])) for when in conditions(plain)
        ]
        if any(when is not None for when, _ in blocks):
            side.sweep(blocks, "cells", "at")
        for when, _ in blocks:
            with side.under(when):
                side.components([leaf for leaf in plain if leaf.when == when], ("c", when), "cells", "at")
        for leaf in late:
            with side.guard(leaf):
                side.cells(leaf)
        side.close(())
