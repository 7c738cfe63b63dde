"""How a document passes a two-way mapper: read into an event, written from one, and what is remembered of both.

An event that a mapper made is a CloudEvent: its id is that of the message, its `type` the one of the mapper's
catalogue. A FHIR document says the event that it was made from in `meta.source`, as `SOURCE#ID`, so that what comes
back finds the complement of what went out; it is taken off again before the document is read.
Source: CloudEvents 1.0.2 3.1; FHIR R4 2.27.3 (Meta.source).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from engine.errors import NotFound, Rejected
from engine.mapping.computing import Computing
from engine.model import Fault
from engine.spi import Asked, Carried, Decoded, Document, Losses, Scope, TwoWay
from engine.steps.contract import Compiled, House
from engine.steps.remainder import Places, laid_under, remainder
from engine.steps.travelling import without_complements

Side = Literal["v2", "event", "fhir", "json", "dicom"]
Verify = Literal["always", "sample", "off"]

CODECS: Final[Mapping[str, str]] = {
    "v2": "hl7v2",
    "event": "json",
    "fhir": "fhir",
    "json": "json",
    "dicom": "dicom",
}
"""The codec of each side's documents."""
SIDES: Final[Mapping[str, str]] = {"hl7v2": "v2", "json": "event", "fhir": "fhir", "dicom": "dicom"}
"""The side that documents of a codec are of, where nothing else is said."""
SAMPLE: Final = 100
"""With `verify: sample`, one message of so many is verified; which one hangs on its id alone."""
MOST_FAULTS: Final = 20
"""Leaves that a refusal names."""
CAUSE: Final = "causationid"
"""The attribute of an event that names the event which its document came from."""
VERIFY: Final = "verify"
"""Code of a message that a mapper cannot give back as it came."""
_SOURCE: Final = "source"
_REST: Final = "remainder"
"""Key in a kept complement of what other formats have no place for, by their side."""


@dataclass(frozen=True, slots=True)
class Found:
    """The business key by which a put finds the complement of an earlier message."""

    name: str
    value: Compiled


def _no_subject(data: Mapping[str, Any]) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class TwoWayMap:
    """The compiled step: from one side of a mapper to another, over the event.

    `catalogued` says that the mapper's catalogue may have no event for what is read: that is refused.
    """

    mapper: TwoWay
    source: str
    target: str
    house: House
    keeps: bool = True
    believes: bool = False
    strict: bool = False
    verify: Verify = "off"
    found: Found | None = None
    places: Mapping[str, Places] = field(default_factory=dict)
    computing: Computing | None = None
    subject: Callable[[Mapping[str, Any]], str] = _no_subject
    catalogued: bool = False

    @property
    def kindless(self) -> bool:
        """Whether what is made is the same whatever the type of the event is."""
        return self.reads_event and self.target != "event" and not self._reads_kind

    @property
    def reads_event(self) -> bool:
        """Whether the document that comes is an event."""
        return self.source == "event"

    @property
    def chosen(self) -> bool:
        """Whether only what the rules name enters what is made: JSON into which no complement is written back."""
        return self.target == "json" and not self.keeps

    @property
    def _reads_kind(self) -> bool:
        return self.computing is not None and self.computing.reads_kind

    def revise(self, made: Document, scope: Scope) -> Document:
        """Return what an event is made into where `scope` differs only in `meta` from the one that `made` was made in.

        `scope.msg` is the event's data; what the rules made of them does not hang on anything else.
        """
        anew = made.copy()
        if self.computing is not None:
            self.computing.lay(anew.root, scope.msg, scope)
        return anew

    def __call__(self, document: Document, scope: Scope) -> Sequence[Document]:
        data, envelope = self._read(document, scope)
        scope.meta = {**scope.meta, "event": envelope}
        if self.target == "event":
            return (self.house.document("event", data, envelope),)
        return (self._written(data, envelope, scope),)

    # ------------------------------------------------------------- to the event

    def _read(self, document: Document, scope: Scope) -> tuple[dict[str, Any], Mapping[str, Any]]:
        if self.source == "event":
            if not isinstance(document.root, dict):
                raise _at_fault("", "an event's data is a JSON object", "event")
            return document.root, document.envelope or self._envelope(document.root, scope, "")
        root, cause = document.root, ""
        if self.source == "fhir":
            root, cause = without_source(root)
            root, brought = without_complements(root)
            if self.believes:
                self._bring(brought, scope)
        elif self.source == "dicom":
            root = _study(root)
        zone = self.house.zone(scope)
        decoded = self.mapper.get(self.source, root, zone=zone)
        report = decoded.report if self.strict else None
        if report is not None and report.opaque:
            raise self._stopped(_unlisted(report.opaque), scope, report)
        if self.verify == "always" or (self.verify == "sample" and is_sampled(str(scope.meta.get("id", "")))):
            self._verify(decoded, root, zone, scope)
        self._carry(decoded, report, scope)
        return decoded.data, self._envelope(decoded.data, scope, cause)

    def _carry(self, decoded: Decoded, report: Losses | None, scope: Scope) -> None:
        def loss() -> Mapping[str, Any]:
            return {**self._heading(), **(report or decoded.report).as_stored()}

        complement = self._kept(decoded) if self.keeps else None
        carried = Carried(self.mapper.name, self.mapper.version, self.source, complement, loss)
        scope.carried = (*scope.carried, carried)

    def _stopped(self, error: Rejected, scope: Scope, report: Losses | None = None) -> Rejected:
        """Return a refusal, once its reason stands in the message's report: places, and never a value."""
        told = {**self._heading(), **(report.as_json() if report else {}), "remark": f"{error.code}: {error}"}
        carried = Carried(self.mapper.name, self.mapper.version, self.source, None, _saying(told))
        scope.carried = (*scope.carried, carried)
        return error

    def _kept(self, decoded: Decoded) -> dict[str, Any]:
        """Return the complement, with what each other format has no place for."""
        found = {
            side: rest
            for side, places in self.places.items()
            if side != self.source and (rest := remainder(decoded.data, places))
        }
        return {**decoded.complement, _REST: found} if found else decoded.complement

    def _bring(self, brought: Sequence[dict[str, Any]], scope: Scope) -> None:
        """Take what a document brought of this mapper's other side as if a step before had left it."""
        for complement in brought:
            if (complement.get("mapper"), complement.get("side")) == (self.mapper.name, self.target):
                told = {**self._heading(), "remark": "the complement came with the document"}
                version = str(complement.get("version", ""))
                found = Carried(self.mapper.name, version, self.target, complement, _saying(told))
                scope.carried = (*scope.carried, found)

    def _heading(self) -> dict[str, Any]:
        return {
            "mapper": self.mapper.name,
            "version": self.mapper.version,
            "from": self.source,
            "to": self.target,
        }

    def _envelope(self, data: Mapping[str, Any], scope: Scope, cause: str) -> Mapping[str, Any]:
        meta = scope.meta
        kind = self.mapper.event_type(data)
        if not kind and self.target == "event":
            raise _meaningless()
        envelope = {
            "specversion": "1.0",
            "id": str(meta.get("id", "")),
            "source": f"/{self.house.name}/{meta.get('listener', '')}",
            "type": kind,
            "time": str(meta.get("received", "")),
            "datacontenttype": "application/json",
        }
        subject = self.subject(data)
        told = {"subject": subject, CAUSE: cause}
        return {**envelope, **{name: value for name, value in told.items() if value}}

    def _verify(self, decoded: Decoded, root: Any, zone: str, scope: Scope) -> None:
        again = self.mapper.put(self.source, decoded.data, decoded.complement, zone=zone)
        differs = self.house.difference(self.source, root, again)
        if differs is not None:
            offset, path = differs
            told = f"mapped there and back it differs at byte {offset}"
            raise self._stopped(_at_fault(path, told, VERIFY), scope)

    # ------------------------------------------------------------- from the event

    def _written(self, data: dict[str, Any], envelope: Mapping[str, Any], scope: Scope) -> Document:
        complement, remark = self._complement(envelope, scope) if self.keeps else (None, "")
        anew = complement is None
        if complement is not None and _REST in complement:
            complement = dict(complement)
            rest = complement.pop(_REST)
            if self.source != "event" or CAUSE in envelope:
                data = self._completed(data, rest)
        if self.catalogued and not self.reads_event and not self.mapper.event_type(data):
            raise _meaningless()
        made = self.mapper.put(
            self.target, data, complement, zone=self.house.zone(scope), new_id=scope.new_id
        )
        if self.computing is not None:
            self.computing.lay(made, data, scope)
        if remark:
            loss = _saying({**self._heading(), "remark": remark})
            told = Carried(self.mapper.name, self.mapper.version, "event", None, loss)
            scope.carried = (*scope.carried, told)
        if self.target == "fhir":
            made = with_source(made, envelope)
        return self.house.made(self.target, made) if anew else self.house.document(self.target, made)

    def _completed(self, data: dict[str, Any], rest: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return what came back by another format with what that has no place for.

        An event that names its cause came by FHIR: only a document of that says which event it was made from.
        """
        side = "fhir" if self.source == "event" else self.source
        return laid_under(data, rest[side], self.places[side]) if side in rest else data

    def _complement(self, envelope: Mapping[str, Any], scope: Scope) -> tuple[dict[str, Any] | None, str]:
        """Return what an earlier message left of this side, and what there is to say where it left nothing."""
        for carried in reversed(scope.carried):
            if (carried.mapper, carried.source) == (self.mapper.name, self.target) and carried.complement:
                return self._usable(carried.complement)
        if scope.stored is None:
            return None, ""
        name, value = self._sought(envelope, scope)
        if not value:
            return None, ""
        complement = scope.stored(Asked(name, value, self.mapper.name, self.target))
        if complement is None:
            return None, ""
        if not complement:
            return None, "created: the complement is kept no more"
        return self._usable(complement)

    def _usable(self, complement: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
        keeper = complement.get("mapper", self.mapper.name)
        if keeper != self.mapper.name:
            told = f"created: {keeper} {complement.get('version', '')} kept the complement, which is not written back"
            return None, f"{told}: name one mapper in all routes"
        if complement.get("version") != self.mapper.version:
            return None, "created: the complement is of another version of the mapper"
        return complement, ""

    def _sought(self, envelope: Mapping[str, Any], scope: Scope) -> tuple[str, str]:
        if self.found is not None:
            return self.found.name, str(self.found.value.evaluate(scope) or "")
        return "event", str(envelope.get(CAUSE) or envelope.get("id") or "")


def sides_of(mapper: TwoWay, codec: str, source: str | None, target: str | None) -> tuple[str, str]:
    """Return the side that a document of a codec is, and the one that it becomes, as far as the route says them.

    Raises:
        NotFound: the mapper has no such side, the document is of another, or nothing says which one it becomes.
    """
    told = ", ".join(sorted(mapper.sides))
    source = source or SIDES.get(codec, codec)
    if source not in mapper.sides:
        raise NotFound(f"the mapper {mapper.name!r} reads no {source}: its sides are {told}")
    if CODECS[source] != codec:
        raise NotFound(
            f"`from: {source}` is a document of the codec {CODECS[source]}, and here it is {codec}"
        )
    others = sorted(mapper.sides - {source, "dicom"})
    if target is None and len(others) != 1:
        raise NotFound(f"the mapper {mapper.name!r} leads to {' and '.join(others)}: say `to`")
    target = target or others[0]
    if target == source:
        raise NotFound(f"`from` and `to` are both {source}")
    if target == "dicom":
        raise NotFound("images are not made from events: no mapper writes them")
    if target not in mapper.sides:
        raise NotFound(f"the mapper {mapper.name!r} writes no {target}: its sides are {told}")
    return source, target


def _study(root: Any) -> Any:
    """Return the study that an instance makes, in the DICOM JSON model."""
    from engine.codecs.dicom.studies import study_in  # pydicom is heavy, and few projects map images

    return study_in(root)


def is_sampled(identifier: str) -> bool:
    """Say whether a message is one of those that `verify: sample` verifies."""
    return zlib.crc32(identifier.encode()) % SAMPLE == 0


def with_source(root: Any, envelope: Mapping[str, Any]) -> Any:
    """Return a FHIR document that names the event which it was made from; one that says its source keeps that."""
    if not isinstance(root, dict) or not envelope.get("id"):
        return root
    meta = root.get("meta") or {}
    if _SOURCE in meta:
        return root
    kind = {"resourceType": root["resourceType"]} if "resourceType" in root else {}
    told = {**meta, _SOURCE: f"{envelope.get('source', '')}#{envelope['id']}"}
    return {**kind, "meta": told, **{key: value for key, value in root.items() if key not in ("meta", *kind)}}


def without_source(root: Any) -> tuple[Any, str]:
    """Return a FHIR document without what `with_source` wrote, and the event's id; "" where it names none."""
    meta = root.get("meta") if isinstance(root, dict) else None
    told = meta.get(_SOURCE) if isinstance(meta, dict) else None
    if not isinstance(meta, dict) or not isinstance(told, str) or not told.startswith("/") or "#" not in told:
        return root, ""
    rest = {key: value for key, value in meta.items() if key != _SOURCE}
    other = {key: value for key, value in root.items() if key != "meta"}
    return ({**other, "meta": rest} if rest else other), told.rpartition("#")[2]


def _saying(told: Mapping[str, Any]) -> Callable[[], Mapping[str, Any]]:
    return lambda: told


def _unlisted(unlisted: Sequence[str]) -> Rejected:
    """Return the refusal of a message with leaves that the mapper neither maps nor drops by name."""
    told = "this route is strict, and the mapper carries nothing from here"
    faults = tuple(Fault(path, told, "unmapped") for path in unlisted[:MOST_FAULTS])
    more = f" and {len(unlisted) - 1} more" if len(unlisted) > 1 else ""
    return Rejected(f"{unlisted[0]}{more}: {told}", faults=faults, code="unmapped")


def _meaningless() -> Rejected:
    return _at_fault("", "this message means no event that the mapper's catalogue has", "event_type")


def _at_fault(path: str, text: str, code: str) -> Rejected:
    return Rejected(f"{path}: {text}" if path else text, faults=(Fault(path, text, code),), code=code)
