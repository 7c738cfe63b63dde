"""What modalities say of what they perform, as a worklist keeps it: the steps it belongs to, its state, all of it.

Source: DICOM PS3.4 table F.7.2-1 (N-CREATE and N-SET of a performed procedure step), PS3.3 C.4.13, C.4.14.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.spi import Performed
from engine.store.scheduling import Performing

_SCHEDULED_STEPS, _STUDY, _STEP_ID = "00400270", "0020000D", "00400009"
_STATE, _REASONS, _CODE = "00400252", "00400281", "00080100"


def performing(worklist: str, performed: Performed, message_id: str) -> Performing:
    """Return what is kept of it."""
    attributes = performed.attributes
    steps = list(_steps(attributes))
    reasons = attributes.get(_REASONS, {}).get("Value") or [{}]
    content = {
        "uid": performed.uid,
        "state": _text(attributes, _STATE),
        "reason": _text(reasons[0], _CODE),
        "steps": steps,
        "attributes": attributes,
    }
    studies = tuple(dict.fromkeys(study for study, _ in steps if study))
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Performing(worklist, performed.uid, performed.revision, message_id, studies, text)


def performed_of(revision: int, content: str) -> Performed:
    """Return what was kept."""
    found = json.loads(content)
    return Performed(found["uid"], revision, found["attributes"])


def _steps(attributes: Mapping[str, Any]) -> Iterator[list[str]]:
    """Give study and id of each scheduled step that is performed."""
    for item in attributes.get(_SCHEDULED_STEPS, {}).get("Value", ()):
        yield [_text(item, _STUDY), _text(item, _STEP_ID)]


def _text(item: Mapping[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value")
    return str(values[0]) if values else ""
