"""QIDO-RS: what a search asks for, and its results as callers expect them.

Source: DICOM PS3.18 8.3.4 (query parameters), 10.6 (Search transaction), tables 10.6.3-3 to 10.6.3-5 (attributes).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from channels._http.replies import Answer, problem
from channels.dicomweb.accepting import JSON
from channels.dicomweb.resources import Act, Resource

_PARAMETERS_MAX: Final = 64
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_RETRIEVE_URL: Final = "00081190"
_STUDY: Final = frozenset(
    {
        "00080005", "00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00080201", "00081030",
        "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208",
    }
)  # fmt: skip
_SERIES: Final = frozenset(
    {
        "00080005", "00080056", "00080060", "00080201", "0008103E", "0020000E", "00200011", "00201209", "00400244",
        "00400245", "00400275",
    }
)  # fmt: skip
_INSTANCE: Final = frozenset(
    {
        "00080005", "00080016", "00080018", "00080056", "00080201", "00083002", "00200013", "00280008", "00280010",
        "00280011", "00280100",
    }
)  # fmt: skip
_LEVELS: Final = {Act.STUDIES: "study", Act.SERIES: "series", Act.INSTANCES: "instance"}
_UIDS: Final = (
    ("studies", "0020000D"),
    ("series", "0020000E"),
    ("instances", "00080018"),
)


class BadSearch(ValueError):
    """A search cannot be answered; the text says what is wrong with it, and holds no value of it."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search at a level (`study`, `series`, `instance`): `match` by keyword, what is shown of each result.

    `shown` is None where everything is.
    """

    level: str
    match: Mapping[str, str]
    shown: frozenset[str] | None
    limit: int
    offset: int


def search_of(resource: Resource, query: bytes, *, most: int) -> Search:
    """Return what a request asks for, at most `most` results; BadSearch where it cannot be understood."""
    match = {
        keyword: uid
        for keyword, uid in (("StudyInstanceUID", resource.study), ("SeriesInstanceUID", resource.series))
        if uid
    }
    shown: set[str] = set(_shown(resource))
    limit, offset, everything = most, 0, False
    for name, value in _parameters(query):
        if name == "limit":
            limit = min(most, _number(name, value))
        elif name == "offset":
            offset = _number(name, value)
        elif name == "fuzzymatching":
            if value.lower() != "false":
                raise BadSearch("fuzzymatching is not done here: only what is written is matched")
        elif name == "includefield":
            everything = everything or value.lower() == "all"
            shown.update(_tags(each) for each in value.split(",") if value.lower() != "all")
        elif name != "accept":
            keyword = _keyword(name)
            if match.get(keyword, value) != value:
                raise BadSearch("an attribute is asked for twice, or otherwise than in the path")
            match[keyword] = value
            shown.add(_tags(name.partition(".")[0]))
    return Search(
        _LEVELS[resource.act], _with_lists(match), None if everything else frozenset(shown), limit, offset
    )


def results(found: Sequence[Mapping[str, Any]], search: Search, *, base: str, more: bool) -> Answer:
    """Return the answer: 204 where nothing was found; `more` says that there are further results (RFC 7234 5.5)."""
    if not found:
        return Answer(204)
    model = [{**_only(each, search.shown), **_url(each, search.level, base)} for each in found]
    lines = b""
    if more:
        lines = b'warning: 299 passerelle "There are more results: ask for them by limit and offset."\r\n'
    return Answer(200, json.dumps(model, separators=(",", ":")).encode(), lines, kind=JSON)


def refused(error: Exception) -> Answer:
    """Return what is told of a search that cannot be answered."""
    return problem(400, f"The search cannot be answered: {error}.")


def _parameters(query: bytes) -> list[tuple[str, str]]:
    try:
        text = query.decode("ascii")
        return parse_qsl(
            text,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_PARAMETERS_MAX,
            strict_parsing=bool(text),
        )
    except ValueError as error:
        raise BadSearch("the query string cannot be read, or has too many parameters") from error


def _number(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise BadSearch(f"{name} is a number")
    return int(value)


def _keyword(name: str) -> str:
    """Return the path of an attribute by keywords; sequences are written with a dot."""
    return ".".join(keyword_for_tag(int(_tags(part), 16)) for part in name.split("."))


def _tags(name: str) -> str:
    """Return an attribute's tag as eight digits, by its keyword or tag."""
    if _TAG.fullmatch(name):
        if keyword_for_tag(int(name, 16)):
            return name.upper()
    else:
        tag = tag_for_keyword(name) if name else None  # the dictionary has tags whose keyword is empty
        if tag is not None:
            return f"{tag:08X}"
    raise BadSearch("a parameter is neither a keyword or tag of DICOM nor one of a search")


def _with_lists(match: Mapping[str, str]) -> dict[str, str]:
    """Write lists of UIDs as DICOM does: in a query they may be separated by commas too (PS3.18 8.3.4.1)."""
    return {key: value.replace(",", "\\") if key.endswith("UID") else value for key, value in match.items()}


def _shown(resource: Resource) -> frozenset[str]:
    """Return what is shown without being asked: of the level, and of those above that the path leaves open."""
    if resource.act is Act.STUDIES:
        return _STUDY
    above = frozenset() if resource.study else _STUDY
    if resource.act is Act.SERIES:
        return _SERIES | above | {"0020000D"}
    return _INSTANCE | above | (frozenset() if resource.series else _SERIES) | {"0020000D", "0020000E"}


def _only(result: Mapping[str, Any], shown: frozenset[str] | None) -> dict[str, Any]:
    return {tag: value for tag, value in result.items() if shown is None or tag in shown}


def _url(result: Mapping[str, Any], level: str, base: str) -> dict[str, Any]:
    path = base
    for name, tag in _UIDS[: ("study", "series", "instance").index(level) + 1]:
        values = result.get(tag, {}).get("Value") or [""]
        path += f"/{name}/{values[0]}"
    return {_RETRIEVE_URL: {"vr": "UR", "Value": [path]}}
