"""How much of an event FHIR carries alone: its leaves before and after a Bundle that went with nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from engine.spi import TwoWay
from tests.mapping.trips import ZONE, event_of


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each leaf of an event with its path: `orders[0].service.code`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, f"{path}[{at}]")
    else:
        yield path, value


def by_fhir(mapper: TwoWay, bodies: Iterable[bytes]) -> float:
    """Return the share of the events' leaves that come back from FHIR alone."""
    told = carried = 0
    for body in bodies:
        before = dict(leaves(event_of(mapper, body)))
        after = dict(leaves(back(mapper, body)))
        told += len(before)
        carried += sum(path in after and after[path] == value for path, value in before.items())
    return carried / told


def contradicted(mapper: TwoWay, body: bytes) -> list[str]:
    """Return the paths at which FHIR says something else than the event did, or more."""
    before = dict(leaves(event_of(mapper, body)))
    return [path for path, value in leaves(back(mapper, body)) if path not in before or before[path] != value]


def back(mapper: TwoWay, body: bytes) -> dict[str, Any]:
    """Return the event that is read from the Bundle of a message's event."""
    bundle = mapper.put("fhir", event_of(mapper, body), zone=ZONE)
    return mapper.get("fhir", bundle, zone=ZONE).data
