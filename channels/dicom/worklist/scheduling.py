"""Modality Worklist SCP: answers C-FIND from a stored worklist, a page at a time, until the last or a cancellation.

Source: DICOM PS3.4 K (Basic Worklist Management), K.4.1.1.4 (statuses), table K.6-1 (attributes and their matching).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from struct import pack
from types import MappingProxyType
from typing import Any, Final

from pydicom.dataset import Dataset

from channels._dicom.commands import C_FIND_RQ
from channels.dicom.requests import Request
from channels.dicom.services import Service, Talk
from channels.dicom.worklist.answers import Writer, chosen, wanted_of
from engine.codecs.dicom.encoding import decode
from engine.codecs.dicom.matching import Key, folded, keys_of, matches_json, value_test
from engine.errors import Rejected, Transient
from engine.spi import Access, ChannelContext, Narrow, Worklists

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"
SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
PENDING_WITHOUT_KEYS: Final = 0xFF01
CANCELLED: Final = 0xFE00
OUT_OF_RESOURCES: Final = 0xA700
NO_IDENTIFIER: Final = 0xA900
_OFFENDING = 0x0901
_STEP, _STATION, _DAY, _MOMENT, _MODALITY = "00400100", "00400001", "00400002", "00400003", "00080060"
_PATIENT, _ACCESSION, _STUDY, _NAME = "00100020", "00080050", "0020000D", "00100010"
_PAGE = 500


class ModalityWorklist(Service):
    """Answers from one worklist; `stations` limits what an AE title may see to the steps of certain stations."""

    classes = MappingProxyType({MODALITY_WORKLIST: frozenset({C_FIND_RQ})})

    def __init__(
        self, worklist: str, stations: Mapping[str, tuple[str, ...]], context: ChannelContext
    ) -> None:
        assert context.worklists is not None
        self._worklist = worklist
        self._stations = stations
        self._worklists: Worklists = context.worklists
        self._context = context

    def serve(self, request: Request, talk: Talk) -> None:
        """Answer one query."""
        try:
            identifier = decode(request.data, request.transfer_syntax)
            query = Query(identifier, self._stations.get(talk.calling))
        except Rejected as error:
            self._count("query_refused")
            talk.respond(NO_IDENTIFIER, comment=str(error), elements=_offending(error))
            return
        self._count("query")
        try:
            self._answer(query, Writer(request.transfer_syntax), talk)
        except (Transient, TimeoutError):
            talk.respond(OUT_OF_RESOURCES, comment="come again later")

    def _answer(self, query: Query, answers: Writer, talk: Talk) -> None:
        shown = False
        for page in self._pages(query, talk):
            for text in page:
                if talk.cancelled():
                    talk.respond(CANCELLED)
                    return
                found = query.answer(json.loads(text))
                if found is None:
                    continue
                if not shown:
                    talk.run(partial(self._journalled, talk))
                    shown = True
                talk.respond(query.pending, answers.write(found))
        talk.respond(CANCELLED if talk.cancelled() else SUCCESS)

    def _pages(self, query: Query, talk: Talk) -> Iterator[Iterable[str]]:
        offset = 0
        while True:
            ask = partial(self._page, query.narrow, offset)
            page = talk.run(ask)
            yield page
            if len(page) < _PAGE:
                return
            offset += _PAGE

    async def _journalled(self, talk: Talk) -> None:
        """Let the journal say who is shown which worklist, before anything is."""
        actor = f"partner:{talk.partner or '?'}"
        await self._context.accessed(Access("worklist-shown", actor, f"{talk.calling}: {self._worklist}"))

    async def _page(self, narrow: Narrow, offset: int) -> list[str]:
        return list(await self._worklists.steps(self._worklist, narrow, limit=_PAGE, offset=offset))

    def _count(self, event: str) -> None:
        self._context.counters.count("channel_events", channel=self._context.name, event=event)


class Query:
    """One query: what it asks for, how the store narrows it, and what each answer holds."""

    def __init__(self, identifier: Dataset, stations: tuple[str, ...] | None) -> None:
        keys = keys_of(identifier)
        step = next((key.items for key in keys if key.tag == _STEP), ())
        self._stations = frozenset(stations) if stations is not None else None
        self._span, self._keys = _spanned(keys)
        self._wanted = wanted_of(identifier)
        self._known: tuple[Key, ...] | None = None
        self.pending = PENDING
        self.narrow = _narrow(keys, step, stations)

    def answer(self, step: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is answered of a step, None where it is not asked for."""
        if self._known is None:
            self._known = _known(self._keys, step)
            if self._known != self._keys:
                self.pending = PENDING_WITHOUT_KEYS
        if not matches_json(step, self._known):
            return None
        items = step[_STEP]["Value"]
        if self._stations is not None and not any(self._stations & _stations_of(item) for item in items):
            return None
        if self._span is not None and not any(self._span.holds(item) for item in items):
            return None
        return chosen(step, self._wanted)


class _Span:
    """A range of days and a range of times that mean one stretch of time together (PS3.4 table K.6-1)."""

    def __init__(self, days: str, moments: str) -> None:
        first_day, _, last_day = days.partition("-")
        first, _, last = moments.partition("-")
        for vr, text in (("DA", days), ("TM", moments)):
            value_test(vr, text)  # Rejected where it is no range
        self._from = _digits(first_day).ljust(8, "0") + _seconds(first).ljust(6, "0")
        self._to = (_digits(last_day) or "99991231") + _seconds(last).ljust(6, "9")

    def holds(self, item: Mapping[str, Any]) -> bool:
        """Say whether a step begins within; one without a time does where its day may."""
        day, moment = _first(item, _DAY), _seconds(_first(item, _MOMENT))
        return day + moment.ljust(6, "9") >= self._from and day + moment.ljust(6, "0") <= self._to


def _spanned(keys: tuple[Key, ...]) -> tuple[_Span | None, tuple[Key, ...]]:
    """Take ranges of day and time out of the keys where both are asked for."""
    step = next((key for key in keys if key.tag == _STEP), None)
    found = {key.tag: key.text for key in step.items} if step is not None else {}
    days, moments = found.get(_DAY, ""), found.get(_MOMENT, "")
    if step is None or "-" not in days or "-" not in moments:
        return None, keys
    items = tuple(key for key in step.items if key.tag not in (_DAY, _MOMENT))
    others = tuple(key for key in keys if key is not step)
    return _Span(days, moments), (*others, replace(step, items=items)) if items else others


def _known(keys: tuple[Key, ...], found: Mapping[str, Any]) -> tuple[Key, ...]:
    """Return the keys that a worklist knows: others are universal, and the answer says so (PS3.4 K.4.1.1.4)."""
    kept = []
    for key in keys:
        element = found.get(key.tag)
        items = element.get("Value") if element is not None and key.items else None
        if items:
            inner = _known(key.items, items[0])
            if inner:
                kept.append(key if inner == key.items else replace(key, items=inner))
        elif element is not None:
            kept.append(key)
    return tuple(kept)


def _narrow(keys: tuple[Key, ...], step: tuple[Key, ...], stations: tuple[str, ...] | None) -> Narrow:
    """Return what the store can look up of a query; what it finds more is left out afterwards."""
    texts = {key.tag: key.text for key in keys}
    inner = {key.tag: key.text for key in step}
    first, last = _days(inner.get(_DAY, ""))
    return Narrow(
        first_day=first,
        last_day=last,
        modalities=_exact(inner.get(_MODALITY, "")),
        stations=_exact(inner.get(_STATION, "")) or (stations or ()),
        patient=_single(texts.get(_PATIENT, "")),
        accession=_single(texts.get(_ACCESSION, "")),
        study=_single(texts.get(_STUDY, "")),
        name=_named(texts.get(_NAME, "")),
    )


def _days(text: str) -> tuple[str, str]:
    if not text or "\\" in text:
        return "", ""
    first, hyphen, last = text.partition("-")
    return _digits(first), _digits(last) if hyphen else _digits(first)


def _exact(text: str) -> tuple[str, ...]:
    """Return the values that a key asks for, () where it has wildcards."""
    return tuple(part.strip() for part in text.split("\\")) if text and not _wild(text) else ()


def _single(text: str) -> str:
    found = _exact(text)
    return found[0] if len(found) == 1 else ""


def _named(text: str) -> str:
    """Return what the store looks for of a name; of several writings none."""
    return f"*={folded(text)}=*" if text and "=" not in text and "\\" not in text else ""


def _wild(text: str) -> bool:
    return "*" in text or "?" in text


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _seconds(text: str) -> str:
    return _digits(text.partition(".")[0])


def _first(item: Mapping[str, Any], tag: str) -> str:
    values = item.get(tag, {}).get("Value")
    return str(values[0]) if values else ""


def _stations_of(item: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(item.get(_STATION, {}).get("Value", ()))


def _offending(error: Rejected) -> dict[int, bytes]:
    """Return the tag at fault as Offending Element (0000,0901)."""
    path = error.faults[0].path if error.faults else ""
    if len(path) != 8:
        return {}
    return {_OFFENDING: pack("<HH", int(path[:4], 16), int(path[4:], 16))}
