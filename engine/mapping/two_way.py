"""A two-way mapper, compiled: `get` decodes one side into event data and complement, `put` encodes them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Rejected
from engine.mapping.cataloguing import kind_of, value_of
from engine.mapping.computing import apart
from engine.mapping.diagnosing import blame
from engine.mapping.leaves import BadValue
from engine.mapping.losses import LossReport
from engine.mapping.rules import Definition
from engine.model import Fault
from engine.spi import Scope

Complement = dict[str, Any]
"""JSON: what a source holds beside the event. Event and complement together are the source."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What `get` found. `report` is made when it is asked for, and the source must be then as it was."""

    data: dict[str, Any]
    complement: Complement
    make_report: Callable[[], LossReport] = field(repr=False, compare=False)

    @property
    def report(self) -> LossReport:
        """Which leaves of the source the event has, which only the complement, and why."""
        return self.make_report()


class Side:
    """One format of a mapper; see `engine.mapping.v2.side` and `engine.mapping.fhir.side`."""

    def get(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement]:
        """Return event data and complement of a source."""
        raise NotImplementedError

    def read(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement, Callable[[], LossReport]]:
        """Return what `get` does, and what makes the report of the same source."""
        return *self.get(root, zone), lambda: self.report(root)

    def put(
        self, data: dict[str, Any], complement: Complement | None, zone: str, fresh: Callable[[], str] | None
    ) -> Any:
        """Return the source of event data."""
        raise NotImplementedError

    def report(self, root: Any) -> LossReport:
        """Return what of a source is mapped, and what is not."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TwoWayMapper:
    """Compiled once; pure, synchronous, thread-safe."""

    name: str
    version: str
    messages: tuple[str, ...]
    sides: frozenset[str]
    definition: Definition = field(repr=False)
    formats: dict[str, Side] = field(repr=False)

    def get(self, side: str, source: Any, *, zone: str = "UTC") -> Decoded:
        """Decode a document's root: an HL7 message, or FHIR as JSON. The source is never changed.

        `zone` is what times without an offset are in, where FHIR needs one. From side `event` the data come back as
        they are, with an empty complement.
        """
        if side == "event":
            return Decoded(source, {}, LossReport)
        data, complement, report = self._side(side).read(source, zone)
        computing = self.definition.computing.get(side)
        if computing is None:
            return Decoded(data, complement, report)
        return Decoded(data, complement, lambda: apart(report(), computing.computes))

    def put(
        self,
        side: str,
        data: dict[str, Any],
        complement: Complement | None = None,
        *,
        zone: str = "UTC",
        new_id: Callable[[], str] | None = None,
        scope: Scope | None = None,
    ) -> Any:
        """Encode event data: into the source that `complement` was left of, or into a new one.

        `new_id` gives the id of a new message where a rule asks for one (`fresh`). What the mapper computes is written
        where a `scope` is given: it tells `meta`, `sender` and `partner`.

        Raises:
            Rejected: a value is outside of what its rule can say; the fault names the event path, never the value.
        """
        if side == "event":
            return data
        if complement is not None and (complement.get("mapper"), complement.get("side")) != (self.name, side):
            raise Rejected("the complement is another mapper's, or another side's", code="complement")
        try:
            made = self._side(side).put(data, complement, zone, new_id)
        except (BadValue, TypeError, AttributeError, KeyError, IndexError) as error:
            path, why = blame(self.definition, data, error)
            raise Rejected(
                f"{path}: {why}", faults=(Fault(path, why, "unmappable"),), code="unmappable"
            ) from None
        if scope is not None and (computing := self.definition.computing.get(side)) is not None:
            computing.lay(made, data, scope)
        return made

    def event_type(self, data: Any) -> str:
        """Return the CloudEvents type of event data by the mapper's catalogue, "" where it has none."""
        return kind_of(data, self.definition)

    def event_subject(self, data: Any) -> str:
        """Return what the event is about: the id of an appointment, an order; "" where the mapper names nothing."""
        found = (value_of(data, path) for path in self.definition.event_subject)
        return next((str(one) for one in found if isinstance(one, str | int)), "")

    def _side(self, side: str) -> Side:
        found = self.formats.get(side)
        if found is None:
            raise Rejected(f"mapper {self.name} has no side {side}", code="no_side")
        return found
