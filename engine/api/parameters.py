"""Every parameter of the API with its meaning; calls refuse names that are not declared, so that a typo is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter means and how it is written; `kind` is its JSON type."""

    text: str
    kind: str = "string"


PARAMETERS: Mapping[str, Parameter] = {
    "after": Parameter("Sequence of the journal's last row seen; rows after it are given.", "integer"),
    "after_id": Parameter("Id of the last message seen; those after it are given."),
    "all": Parameter("Also what is closed or past.", "boolean"),
    "before": Parameter("A message's sequence to page on from; for a purge, a time."),
    "content": Parameter("Give content too: for a message, true; to inject, the content in base64."),
    "content_type": Parameter("Media type of the content; by default the listener's own."),
    "delivery": Parameter("Sequence of a delivery.", "integer"),
    "disposition": Parameter("accepted, filtered, refused, duplicate, collision; separated by commas."),
    "endpoint": Parameter("An endpoint, partner.endpoint."),
    "file": Parameter("Name of the file that the content comes from."),
    "folder": Parameter("Absolute path of a new folder on the engine's machine."),
    "form": Parameter("mermaid or dot."),
    "id": Parameter("Id of a message, or in a path its number in the journal."),
    "inbox": Parameter("An inbox's name."),
    "key": Parameter("A business key as name=value: appointment=RDV-1001."),
    "limit": Parameter("The most that is given at once.", "integer"),
    "listener": Parameter("A listener's name."),
    "name": Parameter("Name of the route, the destination (route/destination) or the endpoint."),
    "new": Parameter("The beginning of a version's hash; by default what runs."),
    "new_id": Parameter("Send under a new id, so that a partner takes it for another message.", "boolean"),
    "offset": Parameter("How many are passed over.", "integer"),
    "old": Parameter("The beginning of a version's hash; by default what ran before."),
    "out_of_order": Parameter("Release although a later one of its lane was delivered.", "boolean"),
    "partner": Parameter("A partner: messages from or for it, deliveries to its endpoints."),
    "purpose": Parameter("Why content is looked at; it is kept in the journal."),
    "rate": Parameter("Deliveries per second.", "number"),
    "reason": Parameter("Why; it is kept in the journal."),
    "route": Parameter("A route's name."),
    "since": Parameter("A time (RFC 3339), or how long ago: 30m, 2h, 7d."),
    "state": Parameter("States of deliveries, separated by commas."),
    "study": Parameter("A Study Instance UID."),
    "subject": Parameter("route, destination or endpoint."),
    "to": Parameter("An endpoint, partner.endpoint, that is to be sent to."),
    "until": Parameter("A time (RFC 3339), or for `hold` and `repeats` how long from now: 30m, 2h, 7d."),
    "worklist": Parameter("A worklist's name."),
    "version": Parameter("The beginning of a version's hash; by default what ran before."),
}
