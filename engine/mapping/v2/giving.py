"""Generates the writing of a message: values into holes, blanks where the event has none."""

from __future__ import annotations

from typing import Any

from engine.mapping.rules import HEADERS, Leaf, Many, When
from engine.mapping.v2.emitting_shared import Field, V2Emitting, by_component, mask_of
from engine.mapping.v2.keys import key_reader
from engine.mapping.v2.structure import Context


class V2Giving(V2Emitting):
    """Emits the writing of a message."""

    def open(self, where: tuple[Any, ...]) -> None:
        for path in self.objects.at_home(where):
            owner = self.objects.names[path[:-1]]
            self.code.line(f"{self.objects.declare(path)} = {owner}.get({path[-1]!r}, E)")

    def close(self, where: tuple[Any, ...]) -> None:
        return

    def segment(self, name: str, fields: list[Field], repetitions: dict[int, str]) -> None:
        """Write a segment's fields; one that lacks is made where a value needs it."""
        code = self.code
        code.line(f"f = m.get({name!r})")
        code.line("d = f is None")
        code.line(f"if d: f = [{name!r}]")
        self.open((name,))
        for index in sorted({field[0] for field in fields if field[1] is not None}):
            blocks = [
                (when, mask_of(leaves) if many is None else -1 if many.many else mask_of(many.scope.leaves))
                for at, when, leaves, many in fields
                if at == index
            ]
            self.sweep(blocks, "f", str(index))
        for field in fields:
            with self.under(field[1]):
                self._field(name, field, repetitions)
        code.line(f"if d and len(f) > 1: group.insert({name!r}, f)")

    def sweep(self, blocks: list[tuple[When | None, int]], cells: str, at: str) -> None:
        """Blank what rules left whose condition does not hold any more."""
        code = self.code
        code.line(
            f"u = {sum({1 << bit for when, mask in blocks if when is None for bit in range(99) if mask >> bit & 1})}"
        )
        for when, mask in blocks:
            if when is not None:
                code.line(f"if {self.test(when)}: u |= {mask}")
        code.line(f"sweep({cells}, {at}, u, w)")

    def _field(self, name: str, field: Field, repetitions: dict[int, str]) -> None:
        index, when, leaves, many = field
        number = index + 1 if name in HEADERS else index
        where = (name, number, when)
        code = self.code
        self.open(where)
        code.line(f"r = f[{index}] if len(f) > {index} else ''")
        if many is not None and not many.many:
            pair = repetitions[id(many)]
            code.line(f"v = {self.objects.of(many.path)}.get({many.path[-1]!r}, E)")
            code.line(f"if r or v: put_object(f, {index}, v, r{pair}, w)")
            return
        if many is not None:
            key, pair = code.constant(many.key) if many.key else "None", repetitions[id(many)]
            code.line(f"v = {self.objects.of(many.path)}.get({many.path[-1]!r}, ())")
            with code.block("if r or v or v is None:"):
                code.line(f"put_field(f, {index}, put_repetitions(r, v, t{pair}, r{pair}, {key}, w))")
            return
        home = self.objects.at_home(where)
        direct = [leaf for leaf in leaves if leaf.path[:-1] not in home]
        tests = ["r", *(self.objects.names[path] for path in home)]
        tests += [f"{leaf.path[-1]!r} in {self.objects.of(leaf.path)}" for leaf in direct]
        if any(self.kinds(leaf).default for leaf in leaves):
            tests.append("w.made and not d")
        if any(leaf.fresh for leaf in leaves):
            tests.append("w.fresh is not None")
        with code.block(f"if {' or '.join(tests)}:"):
            if len(leaves) == 1 and leaves[0].v2[0].component == 1 and leaves[0].v2[0].subcomponent == 1:
                self._alone(leaves[0], index)
            else:
                self.components(leaves, where, "f", str(index), opened=True)

    def _alone(self, leaf: Leaf, index: int) -> None:
        code = self.code
        value = self.value(leaf.path)
        if leaf.fresh:
            code.line(f"v = {value}")
            code.line("if v is A and w.fresh is not None and not r: v = w.fresh()")
            value = "v"
        kind = self.kind(leaf)
        with code.block("if C in r or R in r or S in r:"):
            code.line("r, q, z = r.partition(R)")
            code.line("c = r.split(C)")
            code.line(f"give_sub(c, 0, {value}, {kind}, w)")
            code.line(f"f[{index}] = C.join(c) + q + z")
        with code.block("else:"):
            code.line(f"give(f, {index}, {value}, {kind}, w)")

    def components(
        self, leaves: list[Leaf], where: tuple[Any, ...], cells: str, at: str, *, opened: bool = False
    ) -> None:
        code = self.code
        if not opened:
            self.open(where)
            code.line(f"r = {cells}[{at}]")
        repeats = cells == "f"
        if repeats:
            code.line("q = ''")
            code.line("if R in r: r, q, z = r.partition(R); q += z")
        code.line("c = r.split(C)")
        for component, found in by_component(leaves).items():
            self._component(component - 1, found)
        joined = f"C.join(c){' + q' if repeats else ''}"
        code.line(f"put_field(f, {at}, {joined})" if repeats else f"{cells}[{at}] = {joined}")

    def _component(self, at: int, leaves: list[Leaf]) -> None:
        code = self.code
        if len(leaves) == 1 and leaves[0].v2[0].subcomponent == 1:
            leaf = leaves[0]
            kind = self.kind(leaf)
            written = f"v if v.__class__ is str and v.isalnum() else write_leaf(v, {kind}, marks)"
            if leaf.table is not None or leaf.kind not in ("text", "oid"):
                written = f"write_leaf(v, {kind}, marks)"
            code.line(f"v = {self.value(leaf.path)}")
            with code.block(f"if len(c) > {at} and (r := c[{at}]):"):
                code.line(f"if r == H and v is not A: c[{at}] = {written}")
                code.line(f"else: give_sub(c, {at}, v, {kind}, w)")
            code.line(
                f"elif v is not A{' or w.made' if self.kinds(leaf).default else ''}: give(c, {at}, v, {kind}, w)"
            )
            return
        names = [self.code.fresh("v") for _ in leaves]
        for leaf, name in zip(leaves, names, strict=True):
            code.line(f"{name} = {self.value(leaf.path)}")
        given = " or ".join(f"{name} is not A" for name in names)
        with code.block(f"if (len(c) > {at} and c[{at}]) or {given}:"):
            code.line(f"s = c[{at}].split(S) if len(c) > {at} else ['']")
            for leaf, name in zip(leaves, names, strict=True):
                code.line(f"give(s, {leaf.v2[0].subcomponent - 1}, {name}, {self.kind(leaf)}, w)")
            code.line(f"put_subs(c, {at}, s, w)")

    def late(self, one: Leaf | Many, context: Context) -> None:
        """Write a list of groups, or the one group that is an object."""
        code = self.code
        child = next(inner for inner in context.children if inner.many is one)
        many = child.many
        if many is None:
            return
        if not many.many:
            self._single(child, self.value(many.path))
            return
        key = "None"
        leaf = next((leaf for leaf in many.scope.leaves if leaf.path == many.key and leaf.v2), None)
        if leaf is not None:
            key = code.fresh("q")
            code.names[key] = key_reader(leaf.v2[0], self.kinds(leaf))
        number = child.number
        code.line(f"v = {self.objects.of(many.path)}.get({many.path[-1]!r}, ())")
        with code.block(f"if v or {number} in group.children:"):
            code.line(f"put_groups(group, {code.constant(child)}, v, p{number}, holds, {key}, w)")

    def _single(self, child: Context, value: str) -> None:
        """A group that is an object: the first there is, blanked where the event has none, since others may follow."""
        code = self.code
        constant = code.constant(child)
        code.line(f"v = {value}")
        code.line(f"l = group.children.get({child.number})")
        with code.block("if l:"):
            code.line(f"p{child.number}(l[0], E if v is A else v, w)")
            if child.many is not None and child.many.number is not None:
                code.line(f"give_number(l[0], {code.constant(child.many.number)}, 1, w, new=False)")
        with code.block("elif v is not A:"):
            code.line(f"i = new_group({constant}, w)")
            code.line(f"group.entries.insert(group.place_for(group.context.rank[{child.number}]), i)")
            code.line(f"p{child.number}(i, v, w)")
            if child.many is not None and child.many.number is not None:
                code.line(f"give_number(i, {code.constant(child.many.number)}, 1, w, new=True)")
            code.line("begin(i)")

    def cells(self, leaf: Leaf) -> None:
        """Write alternates inside a repetition."""
        self.code.line("group = Box(cells[at])")
        self.alternates(leaf)
        self.code.line("cells[at] = group.members[''][0]")

    def alternates(self, leaf: Leaf) -> None:
        """Write the place that carries the value, and those that follow it."""
        places = self.code.constant(leaf.v2 + leaf.v2_also)
        new = len(leaf.v2)
        self.code.line(f"give_first({self.value(leaf.path)}, group, {places}, {new}, {self.kind(leaf)}, w)")

    def together(self, leaves: list[Leaf]) -> None:
        """Write an object of which there are several places."""
        rows = self.code.constant(tuple(zip(*(leaf.v2 for leaf in leaves), strict=True)))
        kinds = self.code.constant(tuple(self.kinds(leaf) for leaf in leaves))
        values = "".join(f"{self.value(leaf.path)}, " for leaf in leaves)
        self.code.line(f"give_object(group, {rows}, {kinds}, ({values}), w)")

    def somewhere(self, many: Many, pair: str) -> None:
        """Write an object that may stand in one of several fields."""
        cells = self.code.constant(tuple((place.segment, place.index) for place in many.places))
        leaves = self.code.constant(
            tuple((leaf.path, leaf.v2[0], self.kinds(leaf)) for leaf in many.scope.leaves)
        )
        value = f"{self.objects.of(many.path)}.get({many.path[-1]!r}, E)"
        self.code.line(f"give_together(group, {cells}, t{pair}, r{pair}, {leaves}, {value}, w)")


class Box:
    """A repetition as the group that alternates are written into."""

    __slots__ = ("members",)

    def __init__(self, text: str) -> None:
        self.members = {"": [text]}
