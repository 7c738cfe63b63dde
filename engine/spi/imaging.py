"""What the store holds of images and of the steps that are scheduled, as channels ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from engine.model import StoredInstance


class Images(Protocol):
    """The DICOM instances that the store holds, for reading; the newest copy of each SOP Instance UID counts."""

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        """Return instances of a study, of a series, or with certain UIDs, in the order in which they came.

        All that is given narrows; nothing given finds nothing. A small body is in memory: page where there are many.
        """

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        """Return what matches at a level (`study`, `series`, `instance`) in the DICOM JSON model, newest first.

        `match` is by keyword, sequences with a dot (`RequestAttributesSequence.ScheduledProcedureStepID`); each value
        as a query writes it: wildcard, range, list of UIDs (PS3.4 C.2.2.2, PS3.18 8.3.4). Rejected where a keyword is
        none, or none that the store is searched by.
        """


class NoImages:
    """The images of an engine that holds none; implements `Images`."""

    async def instances(
        self,
        *,
        study: str = "",
        series: str = "",
        instances: Sequence[str] = (),
        limit: int = 10_000,
        offset: int = 0,
    ) -> Sequence[StoredInstance]:
        return ()

    async def find(
        self, level: str, match: Mapping[str, str], *, limit: int, offset: int = 0
    ) -> Sequence[Mapping[str, Any]]:
        return ()


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody was shown of the content that the store holds, for the journal, before it is shown.

    `action` is of the journal's vocabulary (`images-read`), `actor` says who (`partner:radiology`), `detail` what, by
    pseudonymous ids only.
    """

    action: str
    actor: str
    detail: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it was delivered to a worklist.

    `document` is a CloudEvent in JSON, or its data alone and `kind` its type. `delivery` is the store's sequence.
    `house` is what the worklist's own house adds: `zone`, and `modality` and `station` of steps that say none.
    """

    document: bytes
    kind: str
    delivery: int
    message_id: str
    house: Mapping[str, str]
    keep_ms: int


@dataclass(frozen=True, slots=True)
class Narrow:
    """What narrows a search for steps: ranges of days (YYYYMMDD) and of times (HHMMSS or the beginning of it), of which
    "" is an open end, and exact texts ("" asks for nothing).

    Of the texts of a tuple one has to fit. `name` is a name as it is compared (without case and accents), with `*` and
    `?`. `hidden` adds steps that are not to be performed any more. `wanted` judges, in a thread, what `attributes` say
    of a step: by tag, those of its scheduled procedure step by two tags (`00400100.00400009`), in the JSON model; it is
    not asked about what lacks one of the texts `holding`.
    """

    first_day: str = ""
    last_day: str = ""
    first_moment: str = ""
    last_moment: str = ""
    modalities: tuple[str, ...] = ()
    stations: tuple[str, ...] = ()
    patient: str = ""
    accession: str = ""
    study: str = ""
    name: str = ""
    hidden: bool = False
    attributes: tuple[str, ...] = ()
    wanted: Callable[[Mapping[str, Any]], bool] | None = None
    holding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Steps, each a JSON text in the DICOM JSON model, and where the next page begins, "" where there is none."""

    steps: Sequence[str]
    following: str


@dataclass(frozen=True, slots=True)
class Performed:
    """What a modality performs, as a whole, in the DICOM JSON model; `revision` counts its changes, from 0."""

    uid: str
    revision: int
    attributes: Mapping[str, Any]


class Worklists(Protocol):
    """Worklists by name: the steps that follow from what orders, appointments and modalities said."""

    async def learn(self, worklist: str, told: Told) -> bool:
        """Take in what an event says; durable on return. False where it was known, which changes nothing.

        Raises:
            Rejected: it says nothing to a worklist.
        """

    async def steps(self, worklist: str, narrow: Narrow, *, limit: int) -> Sequence[str]:
        """Return steps by day and time, each a JSON text in the DICOM JSON model; all that fit, and perhaps more."""

    async def page(self, worklist: str, narrow: Narrow, *, limit: int, after: str = "") -> Page:
        """Return the same in pages: a step that stays where it is comes once, whatever happens to others meanwhile."""

    async def performed(self, worklist: str, uid: str) -> Performed | None:
        """Return what is performed under a UID, None where nothing is."""

    async def announce(self, worklist: str, performed: Performed, message_id: str) -> None:
        """Keep what a modality says until the message that says so is durable; `conclude` then lets it count.

        After a crash between the two, the message is looked for at the next start.
        """

    async def conclude(self, message_id: str, *, durable: bool) -> None:
        """Let what was announced count, or forget it."""
