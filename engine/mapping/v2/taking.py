"""Generates the reading of a message: leaves into the event, holes into what is left."""

from __future__ import annotations

from typing import Any

from engine.mapping.rules import Leaf, Many, When
from engine.mapping.v2.emitting_shared import Field, V2Emitting, by_component
from engine.mapping.v2.structure import Context


class V2Taking(V2Emitting):
    """Emits the reading of a message."""

    def open(self, where: tuple[Any, ...]) -> None:
        for path in self.objects.at_home(where):
            self.code.line(f"{self.objects.declare(path)} = {{}}")

    def close(self, where: tuple[Any, ...]) -> None:
        for path in reversed(self.objects.at_home(where)):
            name, owner = self.objects.names[path], self.objects.of(path)
            self.code.line(f"if {name}: {owner}[{path[-1]!r}] = {name}")

    def segment(self, name: str, fields: list[Field], repetitions: dict[int, str]) -> None:
        code = self.code
        code.line(f"f = m.get({name!r})")
        with code.block("if f is not None:"):
            code.line("n = len(f)")
            self.open((name,))
            for index, when, leaves, many in fields:
                with code.block(f"if n > {index} and (r := f[{index}]):"), self.under(when):
                    self._field(name, index, when, leaves, many, repetitions)
            self.close((name,))

    def _field(
        self,
        name: str,
        index: int,
        when: When | None,
        leaves: list[Leaf],
        many: Many | None,
        repetitions: dict[int, str],
    ) -> None:
        number = index + 1 if name in ("MSH", "FHS", "BHS") else index
        where = (name, number, when)
        self.open(where)
        if many is not None and not many.many:
            self._whole(many, index, repetitions[id(many)])
        elif many is not None:
            self._repetitions(many, index, repetitions[id(many)])
        elif len(leaves) == 1 and leaves[0].v2[0].component == 1 and leaves[0].v2[0].subcomponent == 1:
            leaf = leaves[0]
            with self.code.block("if C in r or R in r or S in r:"):
                self.code.line(
                    f"take_deep({self._target(leaf)}, f, {index}, {self.kind(leaf)}, w, {self._pinned(leaf)})"
                )
            with self.code.block("else:"):
                self._leaf(leaf, "f", str(index), "r")
        else:
            self.components(leaves, where, "f", str(index), opened=True)
        self.close(where)

    def _whole(self, many: Many, index: int, number: str) -> None:
        """Read an object that the field holds: in its first repetition."""
        code = self.code
        with code.block("if R in r:"):
            code.line("r, q, z = r.partition(R)")
            code.line("b = [r]")
            code.line(f"u = t{number}(b, 0, w)")
            code.line(f"f[{index}] = b[0] + q + z")
        with code.block("else:"):
            code.line(f"u = t{number}(f, {index}, w)")
        code.line(f"if u is not A: {self.objects.of(many.path)}[{many.path[-1]!r}] = u")

    def _repetitions(self, many: Many, index: int, number: str) -> None:
        code = self.code
        target = f"{self.objects.of(many.path)}[{many.path[-1]!r}]"
        with code.block("if r == NULL:"):
            code.line(f"{target} = None")
            code.line(f"f[{index}] = H")
        with code.block("else:"):
            code.line("a = r.split(R)")
            code.line(f"l = [i for j in range(len(a)) if a[j] and (i := t{number}(a, j, w)) is not A]")
            with code.block("if l:"):
                code.line(f"{target} = l")
                code.line(f"f[{index}] = R.join(a)")

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
        code.line("k = len(c)")
        for component, found in by_component(leaves).items():
            self._component(component - 1, found)
        code.line(f"{cells}[{at}] = C.join(c){' + q' if repeats else ''}")
        if not opened:
            self.close(where)

    def _component(self, at: int, leaves: list[Leaf]) -> None:
        code = self.code
        head = f"if k > {at} and (v := c[{at}]):" if at else "if v := c[0]:"
        with code.block(head):
            if len(leaves) == 1 and leaves[0].v2[0].subcomponent == 1:
                leaf = leaves[0]
                with code.block("if S in v:"):
                    code.line(
                        f"take_sub({self._target(leaf)}, c, {at}, {self.kind(leaf)}, w, {self._pinned(leaf)})"
                    )
                with code.block("else:"):
                    self._leaf(leaf, "c", str(at), "v")
                return
            code.line("s = v.split(S)")
            for leaf in leaves:
                sub = leaf.v2[0].subcomponent - 1
                with code.block(f"if len(s) > {sub} and (v := s[{sub}]):" if sub else "if v := s[0]:"):
                    self._leaf(leaf, "s", str(sub), "v")
            code.line(f"c[{at}] = S.join(s)")

    def _leaf(self, leaf: Leaf, cells: str, at: str, raw: str) -> None:
        """Read a cell that has no parts."""
        code = self.code
        kind = self.kinds(leaf)
        target = f"{self.objects.of(leaf.path)}[{leaf.path[-1]!r}]"
        hole = "" if "v2" in leaf.pinned else f"; {cells}[{at}] = H"
        if kind.quick is None:
            code.line(f"if simple: {target} = {raw}{hole}")
        else:
            code.line(
                f"if simple and (u := {code.constant(kind.quick)}({raw})) is not None: {target} = u{hole}"
            )
        code.line(
            f"else: take({self._target(leaf)}, {cells}, {at}, {self.kind(leaf)}, w, {self._pinned(leaf)})"
        )

    def _target(self, leaf: Leaf) -> str:
        return f"{self.objects.of(leaf.path)}, {leaf.path[-1]!r}"

    def _pinned(self, leaf: Leaf) -> str:
        return str("v2" in leaf.pinned)

    def late(self, one: Leaf | Many, context: Context) -> None:
        """Read no groups: see `engine.mapping.v2.spans.take_children`."""

    def cells(self, leaf: Leaf) -> None:
        """Read alternates inside a repetition."""
        self.code.line("m = {'': [cells[at]]}")
        self.alternates(leaf)
        self.code.line("cells[at] = m[''][0]")

    def alternates(self, leaf: Leaf) -> None:
        """Read the first of several places."""
        places = self.code.constant(leaf.v2 + leaf.v2_also)
        self.code.line(
            f"take_first({self._target(leaf)}, m, {places}, {self.kind(leaf)}, w, {self._pinned(leaf)})"
        )

    def together(self, leaves: list[Leaf]) -> None:
        """Read an object of which there are several places."""
        rows = self.code.constant(tuple(zip(*(leaf.v2 for leaf in leaves), strict=True)))
        kinds = self.code.constant(tuple(self.kinds(leaf) for leaf in leaves))
        self.code.line(f"l = take_object(m, {rows}, {kinds}, w)")
        with self.code.block("if l is not None:"):
            for at, leaf in enumerate(leaves):
                target = f"{self.objects.of(leaf.path)}[{leaf.path[-1]!r}]"
                self.code.line(f"if l[{at}] is not MISS: {target} = l[{at}]")

    def somewhere(self, many: Many, pair: str) -> None:
        """Read an object that may stand in one of several fields."""
        cells = self.code.constant(tuple((place.segment, place.index) for place in many.places))
        leaves = self.code.constant(
            tuple((leaf.path, leaf.v2[0], self.kinds(leaf)) for leaf in many.scope.leaves)
        )
        self.code.line(f"u = take_together(m, {cells}, t{pair}, {leaves}, w)")
        self.code.line(f"if u is not A: {self.objects.of(many.path)}[{many.path[-1]!r}] = u")
