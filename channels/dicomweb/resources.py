"""Which resource of DICOMweb a request is about, from its method and path.

Source: DICOM PS3.18 10.1 (resources), 10.4.1 (retrieve), 10.5.1 (store), 10.6.1 (search).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

from channels._dicom.commands import is_uid
from channels._http.doors import target_path
from channels._http.replies import Answer, problem

_FRAMES: Final = re.compile(r"[1-9][0-9]{0,8}(?:,[1-9][0-9]{0,8}){0,9999}", re.ASCII)
_BULK: Final = re.compile(r"[0-9A-F]{8}(?:/[1-9][0-9]{0,5}/[0-9A-F]{8}){0,8}", re.ASCII)
_PATH_MAX: Final = 16_384


class Act(enum.Enum):
    """What is asked for."""

    STORE = enum.auto()
    STUDIES = enum.auto()
    SERIES = enum.auto()
    INSTANCES = enum.auto()
    CONTENT = enum.auto()
    METADATA = enum.auto()
    FRAMES = enum.auto()
    BULK = enum.auto()

    @property
    def is_search(self) -> bool:
        return self in (Act.STUDIES, Act.SERIES, Act.INSTANCES)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource by its UIDs, "" where they do not narrow it; `detail` is a list of frames, or the path of a value."""

    act: Act
    study: str = ""
    series: str = ""
    instance: str = ""
    detail: str = ""


def resource_of(method: bytes, url: bytes, root: str) -> Resource | Answer:
    """Return what a request is about, or what to answer instead: 400, 404, 405, or what OPTIONS asked."""
    path = target_path(url)
    prefix = root.encode("ascii")
    if len(path) > _PATH_MAX or not path.startswith(prefix + b"/"):
        return _unknown()
    found = _parsed(path[len(prefix) + 1 :].decode("latin-1").split("/"))
    if isinstance(found, Answer):
        return found
    storable = found.act is Act.STUDIES or (found.act is Act.CONTENT and not found.series)
    if method == b"POST" and storable:
        return replace(found, act=Act.STORE)
    if method in (b"GET", b"HEAD"):
        return found
    allow = b"allow: GET, HEAD, OPTIONS" + (b", POST" if storable else b"") + b"\r\n"
    if method == b"OPTIONS":
        return Answer(204, lines=allow)
    return problem(405, "This resource does not take this method.", lines=allow)


def _parsed(parts: list[str]) -> Resource | Answer:
    if len(parts) == 1:
        by_name = {"studies": Act.STUDIES, "series": Act.SERIES, "instances": Act.INSTANCES}
        return Resource(by_name[parts[0]]) if parts[0] in by_name else _unknown()
    uids: list[str] = []
    for name in ("studies", "series", "instances"):
        if len(parts) < 2 or parts[0] != name:
            break
        if not is_uid(parts[1]):
            return problem(400, "A UID in the path is none.")
        uids.append(parts[1])
        parts = parts[2:]
    if not uids:
        return _unknown()
    study, series, instance = (*uids, "", "")[:3]
    return _within(Resource(Act.CONTENT, study, series, instance), parts)


def _within(resource: Resource, rest: list[str]) -> Resource | Answer:
    """Return what follows the UIDs: nothing, metadata, frames, a value; instances of a study are a search."""
    if not rest:
        return resource
    if rest == ["metadata"]:
        return replace(resource, act=Act.METADATA)
    if rest == ["instances"] and not resource.instance:
        return replace(resource, act=Act.INSTANCES)
    if rest == ["series"] and not resource.series:
        return replace(resource, act=Act.SERIES)
    if resource.instance and len(rest) == 2 and rest[0] == "frames" and _FRAMES.fullmatch(rest[1]):
        return replace(resource, act=Act.FRAMES, detail=rest[1])
    if resource.instance and rest[0] == "bulkdata" and _BULK.fullmatch("/".join(rest[1:])):
        return replace(resource, act=Act.BULK, detail="/".join(rest[1:]))
    return _unknown()


def _unknown() -> Answer:
    return problem(404, "There is no such resource of DICOMweb here.")
