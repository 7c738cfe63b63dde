"""What the references of a resource, or within a Bundle, point to.

Source: HL7 FHIR R4 2.3.0 (references), 2.36.4.1 (resolving references in Bundles).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Resource = Mapping[str, Any]

RESTFUL = re.compile(
    r"(?P<base>(?:https?://[^\s?#]*/)?)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9.-]{1,64}))?(?:#\S*)?"
)
"""`Patient/1`, `https://x.example/fhir/Patient/1/_history/2`."""


class Resources:
    """The resources of one document, found by what refers to them.

    Built once for a document (a Bundle or a single resource) in one pass over its entries; it sees no later change.
    """

    def __init__(self, root: Resource) -> None:
        self._root = root
        self._by_url: dict[str, list[Resource]] = {}
        self._by_name: dict[tuple[str, str], list[Resource]] = {}
        self._home: dict[int, tuple[Resource, str]] = {}
        for url, resource in _entries(root):
            self._by_url.setdefault(url, []).append(resource)
            name = (str(resource.get("resourceType", "")), str(resource.get("id", "")))
            self._by_name.setdefault(name, []).append(resource)
            for inner in (resource, *contained_in(resource)):
                self._home[id(inner)] = (resource, url)

    def find(self, reference: str, source: Resource | None = None) -> Resource | None:
        """Return the resource that `reference` (`Reference.reference`) points to, None where it is not in here.

        `source` is the resource that holds the reference, as an object of this document: `#p` means one that it, or
        what contains it, contains; `Patient/1` is looked for on the server of its fullUrl first, then anywhere if
        only one entry has that type and id. `#` alone is what contains `source`. Of several versions under one
        fullUrl, `/_history/2` tells which; without it the first is returned.
        """
        container, url = self._home.get(id(source), (self._root if source is None else source, ""))
        if reference.startswith("#"):
            return container if reference == "#" else contained(container, reference[1:])
        if reference in self._by_url:
            return self._by_url[reference][0]
        found = RESTFUL.fullmatch(reference)
        if found is None:
            return None
        name, version = f"{found['type']}/{found['id']}", found["version"]
        if found["base"]:
            return _of_version(self._by_url.get(f"{found['base']}{name}", []), version)
        here = RESTFUL.fullmatch(url)
        same_server = self._by_url.get(f"{here['base']}{name}", []) if here else []
        alike = same_server or self._by_name.get((found["type"], found["id"]), [])
        return _of_version(alike, version) if same_server or len(alike) == 1 else None


def resolve(root: Resource, reference: str, source: Resource | None = None) -> Resource | None:
    """Return what one `reference` of a document points to, as `Resources.find`; for many, make `Resources` once."""
    return Resources(root).find(reference, source)


def contained_in(resource: Resource) -> list[Resource]:
    """Return the resources that one contains."""
    inner = resource.get("contained")
    return [one for one in inner if isinstance(one, dict)] if isinstance(inner, list) else []


def contained(resource: Resource, name: str) -> Resource | None:
    """Return the contained resource whose id is `name`."""
    return next((one for one in contained_in(resource) if one.get("id") == name), None)


def _entries(root: Resource) -> Iterator[tuple[str, Resource]]:
    """Yield (fullUrl or "", resource) of a Bundle's entries, or the single resource."""
    if root.get("resourceType") != "Bundle":
        yield "", root
        return
    entries = root.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            url = entry.get("fullUrl", "")
            yield url if isinstance(url, str) else "", entry["resource"]


def _of_version(found: list[Resource], version: str | None) -> Resource | None:
    if version is None:
        return found[0] if found else None
    return next((one for one in found if _version(one) == version), None)


def _version(resource: Resource) -> str:
    meta = resource.get("meta")
    return str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
