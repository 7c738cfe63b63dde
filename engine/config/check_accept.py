"""Checks what a route takes and how it turns messages away, against the formats that its listeners read."""

from __future__ import annotations

from collections.abc import Sequence

from engine.config.findings import Findings
from engine.config.formats import HL7, codecs_at_doors, codecs_of
from engine.config.loaded import Loaded, LoadedRoute
from engine.config.message_types import remark_on
from engine.errors import ExpressionError


def check_accept(loaded: Loaded, route: LoadedRoute, findings: Findings) -> None:
    """Check `accept` and `on_reject` of one route."""
    _check_types(route.config.accept.types, findings)
    _check_formats(codecs_at_doors(loaded, route.config), route, findings)
    _check_replies(HL7 in codecs_of(loaded, route), route, findings)


def _check_types(types: Sequence[str], findings: Findings) -> None:
    for index, text in enumerate(types):
        at = ("accept", "types", index)
        place = at if isinstance(findings.node(("accept", "types")), list) else at[:2]
        try:
            if remark := remark_on(text):
                findings.warning(place, remark)
        except ExpressionError as error:
            findings.error_inside(place, error.offset, error.length, str(error), error.help)


def _check_formats(codecs: Sequence[str], route: LoadedRoute, findings: Findings) -> None:
    """Refuse a list that some door's messages cannot be on: it would take none of them, or all."""
    accept = route.config.accept
    if not accept.events and not accept.types:
        return
    for codec in dict.fromkeys(codecs):
        if codec == HL7 and not accept.types:
            told = f"{codec} messages are no events: say `types`, or leave it out"
            findings.error_of_key(("accept", "events"), told)
        elif codec != HL7 and not accept.events:
            told = f"{codec} messages have no types: say `events`, or leave it out"
            findings.error_of_key(("accept", "types"), told)


def _check_replies(hl7: bool, route: LoadedRoute, findings: Findings) -> None:
    said = route.config.on_reject
    if said.reply in ("AE", "AR") and not hl7:
        findings.error(
            ("on_reject", "reply"),
            f"only a sender of HL7 v2 can be told {said.reply}",
            "leave it out: the message is refused",
        )
    elif said.lane is not None and not (said.reply == "AA" or (said.reply is None and hl7)):
        findings.error_of_key(
            ("on_reject", "lane"), "a refused message waits nowhere", "say `reply: AA`, too"
        )
