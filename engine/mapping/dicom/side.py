"""The DICOM side of a mapper: rules with `dicom: StudyInstanceUID`, over data sets by their keywords.

A data set in the DICOM JSON model is first spelt by keywords; that is JSON which no standard describes, and is read and
written as such. The path of an element means its first value, that of a list all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.mapping.drafting import Draft, Moved
from engine.mapping.faults import Faults
from engine.mapping.leaves import BadValue
from engine.mapping.losses import LossReport
from engine.mapping.two_way import Complement, Side

DICOM: Final = "dicom"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How data sets in the DICOM JSON model are spelt by keywords, and back; the second raises ValueError."""

    there: Callable[[Mapping[str, Any]], dict[str, Any]]
    back: Callable[[Mapping[str, Any]], dict[str, Any]]


class DicomFormat(Side):
    """The side of one mapper, over the side that reads its JSON."""

    def __init__(self, inner: Side, spelling: Spelling) -> None:
        self._inner = inner
        self._spelling = spelling

    def get(self, root: Any, zone: str) -> tuple[dict[str, Any], Complement]:
        """Read a data set in the DICOM JSON model."""
        data, complement = self._inner.get(self._spelling.there(root), zone)
        return data, {**complement, "side": DICOM}

    def put(
        self, data: dict[str, Any], complement: Complement | None, zone: str, fresh: Callable[[], str] | None
    ) -> Any:
        """Write a data set in the DICOM JSON model.

        Raises:
            BadValue: a value is outside of its rule's type, or of its VR.
        """
        made = self._inner.put(data, complement, zone, fresh)
        try:
            return self._spelling.back(made)
        except ValueError as error:
            raise BadValue(str(error)) from error

    def report(self, root: Any) -> LossReport:
        """Return what of a data set is mapped, by paths such as `ReferencedSeriesSequence[0].Modality[0]`."""
        return self._inner.report(self._spelling.there(root))


def speaks_dicom(rules: Iterable[Draft], faults: Faults) -> bool:
    """Say whether rules have a DICOM side; one that has a side of other JSON as well is a fault."""
    moved: list[bool] = []
    for rule in rules:
        node = rule.keys.get("json")
        if node is not None:
            moved.append(isinstance(node, Moved))
            if not moved[-1] and any(moved):
                faults.add(node, "a mapper has a dicom: side or a json: side, not both")
        if rule.rules:
            moved.append(speaks_dicom(rule.rules, faults))
    return any(moved)
