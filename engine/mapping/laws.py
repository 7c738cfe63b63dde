"""The laws of two-way mappers as code: each returns None where it holds, else a line that says what is wrong.

The sources are roots of decoded documents; `equal` compares two of a side: bytes for HL7, JSON values for FHIR with
decimals as text. A value of a source is in a line only where the caller made the source up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.mapping.two_way import Complement, TwoWayMapper

Data = dict[str, Any]
Equal = Callable[[Any, Any], bool]


def check_getput(
    mapper: TwoWayMapper, side: str, source: Any, equal: Equal, *, zone: str = "UTC"
) -> str | None:
    """L1: what was decoded is encoded as the same source."""
    found = mapper.get(side, source, zone=zone)
    again = mapper.put(side, found.data, found.complement, zone=zone)
    return None if equal(source, again) else f"L1: put(get(s)) is not s on side {side}"


def check_putget(
    mapper: TwoWayMapper, side: str, data: Data, complement: Complement, *, zone: str = "UTC"
) -> str | None:
    """L2: an event put into any source of the mapper comes back as it was."""
    again = mapper.get(side, mapper.put(side, data, complement, zone=zone), zone=zone).data
    return _told("L2", side, data, again)


def check_create(mapper: TwoWayMapper, side: str, data: Data, *, zone: str = "UTC") -> str | None:
    """L3: a source that is made of an event says that event."""
    again = mapper.get(side, mapper.put(side, data, zone=zone), zone=zone).data
    return _told("L3", side, data, again)


def check_locality(
    mapper: TwoWayMapper,
    before: Data,
    after: Data,
    source: Any,
    leaves: Callable[[Any], Mapping[str, str]],
    *,
    most: int,
) -> str | None:
    """L4: changing the event's `before` to `after` changes at most `most` leaves of the message `source`.

    `leaves` gives path -> raw text of a message; `most` is how many leaves the rules have whose values differ.
    """
    complement = mapper.get("v2", source).complement
    one, other = (leaves(mapper.put("v2", data, complement)) for data in (before, after))
    changed = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return (
        None
        if len(changed) <= most
        else f"L4: {len(changed)} leaves changed, {most} were asked for: {changed[:5]}"
    )


def check_across(mapper: TwoWayMapper, source: Any, equal: Equal, *, zone: str = "UTC") -> str | None:
    """L5: HL7 -> event -> FHIR -> event -> HL7 is the same message where the complement travels.

    What FHIR has no element for is not in the event that comes back from it: the event that was stored with the
    message has it, and `merged` lays what FHIR says over that.
    """
    found = mapper.get("v2", source, zone=zone)
    across = mapper.get("fhir", mapper.put("fhir", found.data, zone=zone), zone=zone).data
    wrong = _unlike(across, found.data, "")
    if wrong:
        return f"L5: FHIR gives {wrong} back in another way"
    again = mapper.put("v2", merged(found.data, across), found.complement, zone=zone)
    return None if equal(source, again) else "L5: the message is not the same"


def merged(stored: Any, said: Any) -> Any:
    """Return an event with what FHIR said laid over what was stored: objects key by key, lists item by item.

    Items of which FHIR can say nothing did not come back: they stay where the others agree with what was stored.
    """
    if isinstance(stored, dict) and isinstance(said, dict):
        return {
            key: merged(stored[key], said[key])
            if key in stored and key in said
            else said.get(key, stored.get(key))
            for key in {**stored, **said}
        }
    if isinstance(stored, list) and isinstance(said, list) and len(stored) == len(said):
        return [merged(one, other) for one, other in zip(stored, said, strict=True)]
    if isinstance(stored, list) and isinstance(said, list) and len(stored) > len(said):
        return _filled(stored, said)
    return said


def _filled(stored: list[Any], said: list[Any]) -> list[Any]:
    """Return a list with the items that were not said where they stood, or what was said where that is another list."""
    found: list[Any] = []
    waiting = list(said)
    for one in stored:
        mine = bool(waiting) and not _unlike(waiting[0], one, "")
        found.append(merged(one, waiting.pop(0)) if mine else one)
    return said if waiting else found


def _unlike(said: Any, stored: Any, path: str) -> str:
    """Return the path of the first thing that FHIR says and the event does not, "" where there is none."""
    if isinstance(said, dict) and isinstance(stored, dict):
        for key, value in said.items():
            if key not in stored:
                return f"{path}.{key}".lstrip(".")
            if wrong := _unlike(value, stored[key], f"{path}.{key}"):
                return wrong
        return ""
    if isinstance(said, list) and isinstance(stored, list):
        if len(said) > len(stored):
            return f"{path}[{len(stored)}]".lstrip(".")
        if len(said) < len(stored):  # items that FHIR cannot say are not there: the others are in their order
            found = _filled(stored, said)
            return "" if found is not said else f"{path}[]".lstrip(".")
        for at, (one, other) in enumerate(zip(said, stored, strict=True)):
            if wrong := _unlike(one, other, f"{path}[{at}]"):
                return wrong
        return ""
    return "" if type(said) is type(stored) and said == stored else path.lstrip(".")


def _told(law: str, side: str, wanted: Data, found: Data) -> str | None:
    if wanted == found:
        return None
    wrong = _unlike(found, wanted, "") or _unlike(wanted, found, "") or "a list"
    return f"{law}: {wrong} is not the same after put and get on side {side}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many leaves of some sources the event has; `unmapped` counts paths without their indexes."""

    sources: int
    mapped: int
    opaque: int
    dropped: int
    unmapped: Mapping[str, int]

    @property
    def share(self) -> float:
        """The share of the leaves that the event has."""
        return self.mapped / max(1, self.mapped + self.opaque + self.dropped)


def coverage(mapper: TwoWayMapper, sources: Iterable[Any], *, side: str = "v2") -> Coverage:
    """L6: count what of some sources is mapped, and what only the complement has."""
    mapped = opaque = dropped = count = 0
    unmapped: Counter[str] = Counter()
    for source in sources:
        report = mapper.get(side, source).report
        count += 1
        mapped += len(report.mapped)
        opaque += len(report.opaque)
        dropped += len(report.dropped)
        unmapped.update(_plain(path) for path in report.opaque)
    return Coverage(count, mapped, opaque, dropped, dict(unmapped.most_common()))


def _plain(path: str) -> str:
    """Return a path without its indexes."""
    parts = path.split("[")
    return parts[0] + "".join(part.partition("]")[2] for part in parts[1:])
