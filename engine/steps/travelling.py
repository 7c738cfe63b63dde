"""A complement on its way: what the event could not carry of a message, inside the FHIR Bundle that was made of it.

It travels as a Binary, and a Provenance says that the Bundle was made from it. Who gives the Bundle back with both
gives the message back whole, even where nothing is stored any more. Only endpoints that ask for it get it, and only
routes that say so believe it.
Source: FHIR R4 6.3 (Provenance), 2.44 (Binary).
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.codecs.json import read_json, write_json
from engine.errors import MalformedMessage
from engine.spi import Carried

MEDIA_TYPE: Final = "application/vnd.passerelle.complement+json"
_NAMESPACE: Final = uuid.UUID("6f0f3c1e-52a4-5c1b-9a63-0c1f6f6f2f51")
_POSTED: Final = frozenset({"transaction", "batch"})


def with_complements(root: Any, carried: Iterable[Carried], envelope: Mapping[str, Any]) -> Any:
    """Return a Bundle that holds what its making could not carry; the same one where there is nothing, or no Bundle."""
    if not isinstance(root, dict) or root.get("resourceType") != "Bundle" or not root.get("entry"):
        return root
    made = [each for each in carried if each.complement is not None]
    if not made:
        return root
    entries = list(root["entry"])
    target = entries[0].get("fullUrl", "")
    for each in made:
        binary = _url(envelope, each, "binary")
        content = base64.b64encode(write_json(each.complement)).decode()
        entries.append(
            _entry(root, binary, {"resourceType": "Binary", "contentType": MEDIA_TYPE, "data": content})
        )
        provenance = {
            "resourceType": "Provenance",
            "target": [{"reference": target}],
            "recorded": envelope.get("time"),
            "agent": [{"who": {"display": str(envelope.get("source", ""))}}],
            "entity": [{"role": "source", "what": {"reference": binary}}],
        }
        entries.append(_entry(root, _url(envelope, each, "provenance"), provenance))
    return {**root, "entry": entries}


def without_complements(root: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Return a Bundle without what `with_complements` put there, and the complements that it brought."""
    entries = root.get("entry") if isinstance(root, dict) else None
    if not isinstance(entries, list):
        return root, []
    found = {
        str(entry.get("fullUrl", "")): content
        for entry in entries
        if isinstance(entry, dict) and (content := _content(entry.get("resource"))) is not None
    }
    if not found:
        return root, []
    rest = [entry for entry in entries if not _is_ours(entry, found)]
    return {**root, "entry": rest}, list(found.values())


def _is_ours(entry: Any, found: Mapping[str, Any]) -> bool:
    if not isinstance(entry, dict):
        return False
    if entry.get("fullUrl") in found:
        return True
    resource = entry.get("resource")
    if not isinstance(resource, dict) or resource.get("resourceType") != "Provenance":
        return False
    entities = resource.get("entity")
    return isinstance(entities, list) and any(
        isinstance(each, dict)
        and isinstance(what := each.get("what"), dict)
        and what.get("reference") in found
        for each in entities
    )


def _content(resource: Any) -> dict[str, Any] | None:
    """Return the complement in a Binary, None in anything else."""
    if not isinstance(resource, dict) or resource.get("contentType") != MEDIA_TYPE:
        return None
    try:
        found = read_json(base64.b64decode(str(resource.get("data", "")), validate=True))
    except (binascii.Error, MalformedMessage):
        return None
    return found if isinstance(found, dict) else None


def _entry(root: Mapping[str, Any], url: str, resource: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"fullUrl": url, "resource": resource}
    if root.get("type") in _POSTED:
        entry["request"] = {"method": "POST", "url": resource["resourceType"]}
    return entry


def _url(envelope: Mapping[str, Any], carried: Carried, what: str) -> str:
    """Return the same URL for the same event, so that a rendering says the same every time."""
    name = f"{envelope.get('source', '')}#{envelope.get('id', '')}/{carried.mapper}/{carried.source}/{what}"
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, name)}"
