"""The rules of Bundles by their type: what entries need, which fullUrls they may have, what must come first.

Source: HL7 FHIR R4 2.36.4 (Bundle, invariants bdl-1 to bdl-12), 2.36.4.2 (fullUrl), 2.42 (documents), 2.39 (messages).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codecs.fhir.findings import At, Findings
from engine.codecs.fhir.pointing import ABSOLUTE
from engine.codecs.fhir.references import RESTFUL

_WITH_REQUEST = ("batch", "transaction", "history")
_WITH_RESPONSE = ("batch-response", "transaction-response", "history")
_WITH_TOTAL = ("searchset", "history")
_CLOSED = ("transaction", "message", "document")
_FIRST = {"message": "MessageHeader", "document": "Composition"}
_CODE = "bundle"


def is_closed(resource: Mapping[str, Any]) -> bool:
    """Say whether what its `urn:` references lead to must be in the Bundle itself."""
    return resource.get("resourceType") == "Bundle" and resource.get("type") in _CLOSED


def check_bundle(bundle: Mapping[str, Any], at: At, found: Findings) -> None:
    """Note what is wrong with a Bundle as a whole; its elements were checked before."""
    kind = bundle.get("type")
    listed = bundle.get("entry")
    entries = listed if isinstance(listed, list) else []
    if "total" in bundle and kind not in _WITH_TOTAL:
        found.add((at, "total"), "only a searchset or a history has a total", _CODE)
    if kind == "document":
        _check_document(bundle, at, found)
    first = _FIRST.get(str(kind))
    if first is not None and _type_of(entries[0] if entries else None) != first:
        found.add(((at, "entry"), 0), f"the first entry of a {kind} is a {first}", _CODE)
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(entries):
        if isinstance(entry, dict):
            here: At = ((at, "entry"), index)
            _check_members(entry, str(kind), here, found)
            _check_url(entry, here, found, None if kind == "history" else seen)


def _check_document(bundle: Mapping[str, Any], at: At, found: Findings) -> None:
    identifier = bundle.get("identifier")
    if not isinstance(identifier, dict) or not {"system", "value"} <= identifier.keys():
        found.add((at, "identifier"), "a document has an identifier with system and value", _CODE)
    if "timestamp" not in bundle:
        found.add((at, "timestamp"), "a document has a timestamp", _CODE)


def _check_members(entry: Mapping[str, Any], kind: str, at: At, found: Findings) -> None:
    for name, needed in (("request", kind in _WITH_REQUEST), ("response", kind in _WITH_RESPONSE)):
        if needed != (name in entry):
            told = f"each entry of a {kind} has a {name}" if needed else f"no entry of a {kind} has a {name}"
            found.add((at, name), told, _CODE)
    if "search" in entry and kind != "searchset":
        found.add((at, "search"), "only entries of a searchset have a search", _CODE)
    if not entry.keys() & {"resource", "request", "response"}:
        found.add((at, "resource"), "an entry has a resource, a request or a response", _CODE)


def _check_url(entry: Mapping[str, Any], at: At, found: Findings, seen: set[tuple[str, str]] | None) -> None:
    """Check an entry's fullUrl; `seen` has those, with their versions, that must not come again."""
    url, resource = entry.get("fullUrl"), entry.get("resource")
    if not isinstance(url, str):
        return
    if not ABSOLUTE.match(url):
        found.add((at, "fullUrl"), "a fullUrl is absolute: https://.../Type/id or urn:uuid:", _CODE)
    if "/_history/" in url:
        found.add((at, "fullUrl"), "a fullUrl names no version", _CODE)
    if isinstance(resource, dict):
        shape = RESTFUL.fullmatch(url)
        own = (resource.get("resourceType"), resource.get("id", shape and shape["id"]))
        if shape is not None and shape["base"] and own != (shape["type"], shape["id"]):
            found.add((at, "fullUrl"), "the fullUrl names another type or id than its resource has", _CODE)
        meta = resource.get("meta")
        version = str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
        if seen is not None and (url, version) in seen:
            found.add((at, "fullUrl"), "another entry has this fullUrl", _CODE)
        elif seen is not None:
            seen.add((url, version))


def _type_of(entry: object) -> object:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return resource.get("resourceType") if isinstance(resource, dict) else None
