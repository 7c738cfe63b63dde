"""Compares our Bundles with those that other converters' test suites expect for the same messages.

What is compared are the leaves: (resource type and path without indexes, value). Ids, narrative, what a server would
write and how a Bundle is sent are left out; a reference counts as the type of the resource that it leads to. A leaf of
theirs that we lack is sorted by why, so that the page can say it.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_LEFT_OUT: Final = frozenset({"id", "text", "meta", "contained", "resourceType"})
"""Keys of a resource that say how it was made or kept, not what it holds."""
_OWN_RESOURCES: Final = frozenset({"Provenance", "Device", "Basic", "Parameters"})
"""Resources that tell of the conversion itself, or hold what another converter could not place."""
_CONVERSION: Final = "tells of the conversion itself"
_OWN_EXTENSION: Final = "an extension of the other converter's own"
_STANDARD_EXTENSIONS: Final = "http://hl7.org/fhir/"
_ZONE: Final = re.compile(r"(T\d\d:\d\d(:\d\d(\.\d+)?)?)(Z|[+-]\d\d:\d\d)?$")

Leaf = tuple[str, str]
"""Path and value."""


@dataclass(slots=True)
class Tally:
    """One message type: the leaves of the others, those that we have too, and the others by why."""

    pairs: int = 0
    theirs: int = 0
    ours_too: int = 0
    path_too: int = 0
    unread: int = 0
    why: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def own(self) -> int:
        """Leaves of theirs that are extensions of their own, or tell of the conversion itself."""
        return self.why[_CONVERSION] + self.why[_OWN_EXTENSION]

    def add(self, other: Tally) -> None:
        """Add another's counts to these."""
        self.pairs += other.pairs
        self.theirs += other.theirs
        self.ours_too += other.ours_too
        self.path_too += other.path_too
        self.unread += other.unread
        self.why.update(other.why)
        for why, paths in other.examples.items():
            self.examples.setdefault(why, Counter()).update(paths)


def compare(folder: Path, convert: Callable[[str, bytes], Any]) -> Mapping[str, Tally]:
    """Return the tally of each message type, such as `ORU^R01`.

    `convert` gives our Bundle for a message type and a message, None where no mapper takes that type; it raises
    ValueError where the message cannot be read.
    """
    found: dict[str, Tally] = {}
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        kind = row["message_type"].replace("_", "^")
        message = (folder / f"{row['name']}.hl7").read_bytes()
        expected = json.loads(
            (folder / f"{row['name']}.expected.json").read_text("utf-8-sig"), parse_float=str, parse_int=str
        )
        tally = found.setdefault(kind, Tally())
        try:
            ours = convert(kind, message)
        except ValueError:
            tally.unread += 1
            continue
        if ours is None:
            del found[kind]
            continue
        tally.add(compared(expected, ours))
    return found


def compared(theirs: Any, ours: Any) -> Tally:
    """Return the tally of one pair."""
    expected, made = Counter(leaves(theirs)), Counter(leaves(ours))
    common = expected & made
    tally = Tally(pairs=1, theirs=expected.total(), ours_too=common.total())
    paths = Counter(path for path, _ in made.elements())
    values = {value for _, value in made}
    types = {path.partition(".")[0] for path, _ in made}
    tally.path_too = (Counter(path for path, _ in expected.elements()) & paths).total()
    for leaf, count in (expected - common).items():
        why = _why(leaf, paths, values, types)
        tally.why[why] += count
        tally.examples.setdefault(why, Counter())[leaf[0]] += count
    return tally


def _why(leaf: Leaf, paths: Mapping[str, int], values: set[str], types: set[str]) -> str:
    path, value = leaf
    resource = path.partition(".")[0]
    if resource in _OWN_RESOURCES:
        return _CONVERSION
    if "extension[" in path and _STANDARD_EXTENSIONS not in path:
        return _OWN_EXTENSION
    if resource not in types:
        return "a resource that ours has not"
    if path.endswith((".system", ".url")) or value.startswith(("urn:", "http")):
        return "another name of a code system or authority"
    if path in paths:
        return "the same path with another value"
    return "the same value at another path" if value in values else "not carried by ours"


def leaves(bundle: Any) -> Iterator[Leaf]:
    """Yield the leaves of a Bundle's resources, or of one resource."""
    resources = [entry.get("resource") for entry in bundle.get("entry", ())] or [bundle]
    known = _types(bundle)
    for resource in resources:
        if isinstance(resource, dict) and resource.get("resourceType") not in (None, "Bundle"):
            for inner in (resource, *resource.get("contained", ())):
                kind = str(inner["resourceType"])
                said = {key: each for key, each in inner.items() if key not in _LEFT_OUT}
                yield from _of(said, kind, known)


def _types(bundle: Any) -> Mapping[str, str]:
    """Return the type of each resource by what a reference to it may say."""
    found: dict[str, str] = {}
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource") or {}
        kind = str(resource.get("resourceType", ""))
        found[str(entry.get("fullUrl", ""))] = kind
        found[f"{kind}/{resource.get('id', '')}"] = kind
        for inner in resource.get("contained", ()):
            found[f"#{inner.get('id', '')}"] = str(inner.get("resourceType", ""))
    return found


def _of(value: Any, path: str, known: Mapping[str, str]) -> Iterator[Leaf]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "reference" and isinstance(each, str):
                yield f"{path}.reference", _target(each, known)
            elif key == "extension" and isinstance(each, list):
                yield from _of_extensions(each, path, known)
            elif key != "id":
                yield from _of(each, f"{path}.{key}", known)
    elif isinstance(value, list):
        for each in value:
            yield from _of(each, path, known)
    elif value is not None:
        yield path, _plain(value)


def _of_extensions(extensions: list[Any], path: str, known: Mapping[str, str]) -> Iterator[Leaf]:
    """Yield what extensions hold, each by its url: that names it as a key names an element."""
    for each in extensions:
        if isinstance(each, dict):
            inner = {key: value for key, value in each.items() if key != "url"}
            yield from _of(inner, f"{path}.extension[{each.get('url', '')}]", known)


def _target(reference: str, known: Mapping[str, str]) -> str:
    found = known.get(reference) or reference.partition("/")[0]
    return found if found.isalpha() else "?"


def _plain(value: Any) -> str:
    """Return a value as it is compared: blanks at its ends and the zone of a time are left out, since converters fill
    in the zone of their own machine."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value).strip()
    found = _ZONE.search(text)
    return text[: found.start()] + found[1][:9] if found else text
