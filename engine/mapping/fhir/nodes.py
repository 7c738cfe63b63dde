"""What a FHIR side is planned into: JSON objects and lists with the leaves of the event that they hold.

A scope of the event has places in several objects: the item's own, and those of its slots (resources). Objects of
the event that are groups of segments on the v2 side are only prefixes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.mapping.fhir.checking import Required
from engine.mapping.fhir.leaves import FhirLeaf
from engine.mapping.rules import FhirPath, Leaf, Path, Selector, Slot, When

BUNDLE: Final = "Bundle"
EXTENSION: Final = "extension"


@dataclass(slots=True, eq=False)
class Cell:
    """One primitive and the event leaf that it holds; `rank` is its place among the leaf's alternates.

    One that is `null` has no leaf of its own: it says of a whole list that it is null.
    """

    name: str
    leaf: Leaf
    path: Path
    kind: FhirLeaf
    when: When | None
    rank: int = 0
    alternates: int = 1
    also: bool = False
    pinned: bool = False
    yields_to: Path = ()
    depth: int = 0
    shared: bool = False
    null: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Presence:
    """A leaf whose code is told by which element of a choice is there."""

    leaf: Leaf
    path: Path
    when: When | None
    depth: int


@dataclass(slots=True, eq=False)
class Claim:
    """What takes items of a JSON list: those that meet `selector`, all others without one."""

    selector: Selector | None
    node: Node
    many: ManyPlan | None = None
    mark: str = ""


@dataclass(slots=True, eq=False)
class Listed:
    """A JSON list of objects: by index, or by claims."""

    indexed: dict[int, Node] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Node:
    """A JSON object; `constants` are written with it when it is made, paths below it."""

    path: tuple[str, ...] = ()
    cells: list[Cell] = field(default_factory=list)
    objects: dict[str, Node] = field(default_factory=dict)
    lists: dict[str, Listed] = field(default_factory=dict)
    primitives: dict[str, dict[int, Cell]] = field(default_factory=dict)
    plains: dict[str, ManyPlan] = field(default_factory=dict)
    presences: list[Presence] = field(default_factory=list)
    constants: list[tuple[FhirPath, Any]] = field(default_factory=list)
    defaults: list[tuple[FhirPath, Cell]] = field(default_factory=list)
    prefix: Path = ()
    required: list[Required] = field(default_factory=list)

    def listed(self) -> Iterator[tuple[str, Listed]]:
        """Yield its lists as they are read: what says that another one is null comes last."""
        yield from ((name, one) for name, one in self.lists.items() if name != EXTENSION)
        if EXTENSION in self.lists:
            yield EXTENSION, self.lists[EXTENSION]

    def settle(self) -> list[Path]:
        """Find the event path that all leaves below have in common: without it, nothing is to be written here."""
        paths = [cell.path for cell in self.cells] + [one.path for one in self.presences]
        paths += [cell.path for found in self.primitives.values() for cell in found.values()]
        paths += [many.path for many in self.plains.values()]
        for node in self.objects.values():
            paths += node.settle()
        for listed in self.lists.values():
            for node in listed.indexed.values():
                paths += node.settle()
            for claim in listed.claims:
                paths += claim.node.settle() if claim.many is None else [claim.many.path]
        self.prefix = _shared(paths)
        return [self.prefix] if paths else []

    def deepest(self) -> int:
        """Return how many passes reading takes: leaves that conditions ask first."""
        depths = [cell.depth for cell in self.cells]
        depths += [cell.depth for found in self.primitives.values() for cell in found.values()]
        depths += [one.depth for one in self.presences]
        depths += [node.deepest() for node in self.objects.values()]
        for listed in self.lists.values():
            depths += [node.deepest() for node in listed.indexed.values()]
            for claim in listed.claims:
                depths.append(claim.node.deepest() if claim.many is None else claim.many.depth)
        depths += [plain.depth for plain in self.plains.values()]
        return max(depths, default=0)


@dataclass(slots=True, eq=False)
class ManyPlan:
    """A list of the event: its items lie in a JSON list, or are resources of `slot`."""

    path: Path
    plan: ScopePlan
    key: Path | None
    when: When | None
    slot: Slot | None = None
    depth: int = 0
    name: str = ""


@dataclass(slots=True, eq=False)
class ScopePlan:
    """The FHIR side of one event object: its own place, its slots, its lists of resources.

    `referring` says what R4 must have in an item that a reference makes, by the referring slot and its path.
    """

    full: Path
    own: Node
    nodes: dict[str, Node] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    resources: list[ManyPlan] = field(default_factory=list)
    inner: list[ManyPlan] = field(default_factory=list)
    passes: int = 1
    referring: Mapping[tuple[str, FhirPath], tuple[Required, ...]] = field(default_factory=dict)


def _shared(paths: Sequence[Path]) -> Path:
    if not paths:
        return ()
    length = min(map(len, paths))
    while any(path[:length] != paths[0][:length] for path in paths):
        length -= 1
    return paths[0][:length]
