"""What a mapper says, checked and taken apart: leaves, lists and groups, tables and slots.

A scope is what one event object holds: the whole event, or one item of a list. Objects in between are only prefixes
of event paths, and are gone here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from engine.mapping.computing import Computing
    from engine.mapping.fhir.others import Others

Path = tuple[str, ...]
"""Keys of an event, outermost first, relative to its scope."""
HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
"""Segments whose field 1 is the separator itself."""


@dataclass(frozen=True, slots=True)
class V2Place:
    """A leaf of a message; `segment` is "" and `field` 0 inside a repetition."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1

    @property
    def index(self) -> int:
        """Where the field stands among those of its segment."""
        return self.field - 1 if self.segment in HEADERS else self.field

    def __str__(self) -> str:
        tail = f".{self.component}" if self.component > 1 or self.subcomponent > 1 else ""
        tail += f".{self.subcomponent}" if self.subcomponent > 1 else ""
        return f"{self.segment}-{self.field}{tail}" if self.segment else tail or ".1"


@dataclass(frozen=True, slots=True)
class Selector:
    """Conditions on an item of a FHIR list: each a path below the item and the text that stands there."""

    conditions: tuple[tuple[tuple[str | int | Selector, ...], str], ...]


Step = str | int | Selector
FhirPath = tuple[Step, ...]
"""The slot's name first where it is absolute, else relative to the enclosing place."""


@dataclass(frozen=True, slots=True)
class Table:
    """Codes: `rows` maps an event code to format -> codes, of which the first is written."""

    name: str
    rows: Mapping[str, Mapping[str, tuple[str, ...]]]
    open: bool = False


@dataclass(frozen=True, slots=True)
class When:
    """Conditions on leaves of the same scope, all of which hold; None among the codes is a leaf without a value."""

    tests: tuple[tuple[Path, frozenset[str | None]], ...]

    def excludes(self, other: When | None) -> bool:
        """Say whether both can never hold at once."""
        known = dict(other.tests) if other is not None else {}
        return any(path in known and _apart(values, known[path]) for path, values in self.tests)


PRESENT_CODE: Final = "present"
"""As a code of a condition: the leaf has some value."""


def _apart(one: frozenset[str | None], other: frozenset[str | None]) -> bool:
    if PRESENT_CODE in one:
        return other == {None}
    if PRESENT_CODE in other:
        return one == {None}
    return not one & other


@dataclass(frozen=True, slots=True)
class Default:
    """What is written where the event has no value: `text`, or by another leaf's code."""

    text: str
    by: Path = ()
    codes: Mapping[str, str] = field(default_factory=dict)


ABSENT_CODE: Final = "absent"
"""As a default in FHIR: a data-absent-reason. As a code of a condition: the leaf has no value."""


@dataclass(slots=True)
class Leaf:
    """One fact. `v2` are alternates, `v2_also` those that are made, too.

    `together` names the places of the objects that this leaf's object may be read from: all its leaves come from one.
    """

    path: Path
    kind: str
    mark: Any
    table: Table | None = None
    v2: tuple[V2Place, ...] = ()
    v2_also: tuple[V2Place, ...] = ()
    fhir: tuple[FhirPath, ...] = ()
    fhir_also: tuple[FhirPath, ...] = ()
    json: tuple[FhirPath, ...] = ()
    present: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    present_at: FhirPath | None = None
    default: Mapping[str, Default] = field(default_factory=dict)
    together: tuple[V2Place, ...] = ()
    yields_to: Path = ()
    fresh: bool = False
    when: When | None = None
    pinned: set[str] = field(default_factory=set)

    @property
    def dicom(self) -> tuple[FhirPath, ...]:
        """Its places on a DICOM side, which is one of other JSON, by keywords."""
        return self.json


@dataclass(slots=True)
class Many:
    """A list, or an object that is a group of segments (`many` is False).

    On the v2 side it is the repetitions of `place`'s field, or groups that begin with `anchors`. `plain` items are
    values: the scope's only leaf has the path `("",)`. An object that one field holds has a `place` and is not `many`;
    `places` are the fields of one that may stand in several.
    """

    path: Path
    many: bool
    scope: Scope
    mark: Any
    place: V2Place | None = None
    anchors: tuple[str, ...] = ()
    until: frozenset[str] = frozenset()
    fhir: FhirPath | None = None
    json: FhirPath | None = None
    key: Path | None = None
    number: V2Place | None = None
    plain: bool = False
    when: When | None = None
    v2_constants: tuple[tuple[V2Place, str], ...] = ()
    full: str = ""
    places: tuple[V2Place, ...] = ()

    @property
    def dicom(self) -> FhirPath | None:
        """Its place on a DICOM side, which is one of other JSON, by keywords."""
        return self.json


@dataclass(slots=True)
class Scope:
    """What one event object holds; `constants` are FHIR places below it that are written with it."""

    leaves: list[Leaf] = field(default_factory=list)
    lists: list[Many] = field(default_factory=list)
    constants: list[tuple[FhirPath, FhirPath, str]] = field(default_factory=list)
    v2_constants: list[tuple[V2Place, str]] = field(default_factory=list)

    def walk(self) -> Iterator[Scope]:
        """Yield this scope and all below it."""
        yield self
        for many in self.lists:
            yield from many.scope.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A resource of the Bundle: see `docs/howto/write-a-mapper.md` for what each part means."""

    name: str
    type: str
    mark: Any
    each: Path = ()
    link: FhirPath = ()
    link_from: FhirPath = ()
    link_to: str = ""
    where: tuple[tuple[FhirPath, str], ...] = ()
    constants: tuple[tuple[FhirPath, str], ...] = ()
    refs: tuple[tuple[FhirPath, str, bool], ...] = ()
    always: bool = False
    contained: str = ""


class OneWay(NamedTuple):
    """What leads one way only: a place of a side ("" for whichever is read), and why."""

    side: str
    path: str
    why: str


@dataclass(slots=True)
class Definition:
    """A whole mapper."""

    name: str
    version: str
    scope: Scope
    tables: Mapping[str, Table]
    messages: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    create: str = ""
    bundle: str = "none"
    slots: Mapping[str, Slot] = field(default_factory=dict)
    seed: tuple[Path, ...] = ()
    sides: frozenset[str] = frozenset({"event"})
    event_by: Path = ()
    event_types: Mapping[str, str] = field(default_factory=dict)
    event_else: str = ""
    event_subject: tuple[Path, ...] = ()
    drop: tuple[tuple[str, str], ...] = ()
    computing: Mapping[str, Computing] = field(default_factory=dict)
    others: Others | None = None
    """What documents of others mean on the FHIR side."""
    dicom: bool = False
    """Whether its side of other JSON is DICOM's, by keywords."""

    def one_way(self) -> Iterator[OneWay]:
        """Yield what does not lead there and back: what is computed, with its text, and what is dropped by name."""
        for computing in self.computing.values():
            for one in computing.computes:
                yield OneWay(one.side, one.place, f"computed: {one.value.text}")
        for path, reason in self.drop:
            yield OneWay("", path, f"dropped: {reason}")
