"""Whether a Reference leads to a resource of a type that R4 wants there, as far as its text or the document tells.

Source: HL7 FHIR R4 2.3.0 (references), 2.36.4.1 (within Bundles), 3.1.0.11.2 (conditional references).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine.codecs.fhir.definitions import resource_types
from engine.codecs.fhir.findings import At, Findings
from engine.codecs.fhir.references import RESTFUL

ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONDITIONAL = re.compile(r"([A-Z][A-Za-z]+)\?\S+")
_CODE = "reference"


def check_reference(value: Mapping[str, Any], at: At, targets: tuple[str, ...], found: Findings) -> None:
    """Note what is wrong with the target; () is any type. Form and members of `value` were checked before."""
    text, said = value.get("reference"), value.get("type")
    kind = _kind_behind(text, (at, "reference"), found) if isinstance(text, str) and text else ""
    if kind and targets and kind not in targets:
        found.add((at, "reference"), f"leads to {kind}, R4 wants {_any_of(targets)}", _CODE)
    if not isinstance(said, str) or said not in resource_types():
        return
    if kind and said != kind:
        found.add((at, "type"), f"says {said}, the reference leads to {kind}", _CODE)
    elif targets and said not in targets and not kind:
        found.add((at, "type"), f"says {said}, R4 wants {_any_of(targets)}", _CODE)


def _kind_behind(text: str, at: At, found: Findings) -> str:
    """Return the resource type that a reference leads to, "" where nobody can know."""
    scope = found.scope
    resource = scope.find(text) if scope else None
    if resource is not None:
        return str(resource.get("resourceType", ""))
    if text.startswith("#"):
        found.add(at, "no contained resource has this id", _CODE)
        return ""
    if scope is not None and scope.closed and text.startswith("urn:"):
        found.add(at, "no entry of the Bundle has this fullUrl", _CODE)
        return ""
    shape = RESTFUL.fullmatch(text)
    if shape is not None and (shape["type"] in resource_types() or shape["base"]):
        return shape["type"] if shape["type"] in resource_types() else ""
    asked = _CONDITIONAL.fullmatch(text)
    if asked is not None and asked[1] in resource_types():
        return asked[1]
    if not ABSOLUTE.match(text):
        found.add(at, "this is no reference: Type/id, #id, urn:uuid: or an absolute URL", _CODE)
    return ""


def _any_of(targets: tuple[str, ...]) -> str:
    return " or ".join(targets)
