"""STOW-RS, receiving: what became of each instance of a request, and the answer that says so.

Source: DICOM PS3.18 10.5.3 (response), annex I.2 (failure reasons), PS3.7 annex C.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from channels._dicom.answering import OUT_OF_RESOURCES, PROCESSING_FAILURE, SUCCESS
from channels._http.replies import Answer, busy, problem
from channels.dicomweb.accepting import JSON

DOES_NOT_MATCH: Final = 0xA900
SYNTAX_NOT_SUPPORTED: Final = 0xC122
_RETRIEVE_URL: Final = "00081190"
_FAILED: Final = "00081198"
_REFERENCED: Final = "00081199"
_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance; `status` as C-STORE has it, None where nobody knows. UIDs are "" where unread."""

    status: int | None
    sop_class: str = ""
    sop_instance: str = ""
    study: str = ""
    series: str = ""

    @property
    def is_stored(self) -> bool:
        return self.status == SUCCESS


def answer_of(outcomes: Sequence[Outcome], *, base: str) -> Answer | None:
    """Return the answer: 200 where all are stored, 202 where some are, 409 where none is; None for no answer at all.

    503 asks to come again where nothing is stored for want of room alone, 500 says that the failure is ours. `base` is
    the URL of this service.
    """
    if any(each.status is None for each in outcomes):
        return None
    if not outcomes:
        return problem(400, "The request brings no instance.")
    failed = [each for each in outcomes if not each.is_stored]
    if len(failed) == len(outcomes):
        reasons = {each.status for each in failed}
        if reasons == {OUT_OF_RESOURCES}:
            return busy("The engine cannot take more at the moment.", None)
        if reasons == {PROCESSING_FAILURE}:
            return problem(500, "The instances could not be handled; send them again.")
    status = 200 if not failed else 409 if len(failed) == len(outcomes) else 202
    return Answer(status, _body(outcomes, failed, base), kind=JSON)


def _body(outcomes: Sequence[Outcome], failed: Sequence[Outcome], base: str) -> bytes:
    stored = [each for each in outcomes if each.is_stored]
    model: dict[str, Any] = {}
    studies = {each.study for each in stored if each.study}
    if len(studies) == 1:
        model[_RETRIEVE_URL] = {"vr": "UR", "Value": [f"{base}/studies/{studies.pop()}"]}
    if failed:
        items = [{**_named(each), _REASON: {"vr": "US", "Value": [each.status]}} for each in failed]
        model[_FAILED] = {"vr": "SQ", "Value": items}
    if stored:
        items = [{**_named(each), **_url(each, base)} for each in stored]
        model[_REFERENCED] = {"vr": "SQ", "Value": items}
    return json.dumps(model, separators=(",", ":")).encode()


def _named(outcome: Outcome) -> dict[str, Any]:
    uids = ((_CLASS, outcome.sop_class), (_INSTANCE, outcome.sop_instance))
    return {tag: {"vr": "UI", "Value": [uid]} for tag, uid in uids if uid}


def _url(outcome: Outcome, base: str) -> dict[str, Any]:
    if not (outcome.study and outcome.series):
        return {}
    path = f"/studies/{outcome.study}/series/{outcome.series}/instances/{outcome.sop_instance}"
    return {_RETRIEVE_URL: {"vr": "UR", "Value": [base + path]}}
