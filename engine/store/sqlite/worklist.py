"""Worklists in the store: what was said of orders and patients, and the steps that follow, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from pydantic_core import from_json

from engine.audit.vocabulary import Action
from engine.store.scheduling import Derive, Narrow, Performing, Said, SaidOfPatient, StepRow, Story, Turn
from engine.store.sqlite.core import Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import Digests
from engine.store.sqlite.rows import Row
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("worklist")
ASKED, BUILT = 1, 2
_ORDERS, _PATIENTS = 0, 1
_ANY = chr(0x10FFFF)
_BY = {
    "patient": _SQL["steps-by-patient"],
    "accession": _SQL["steps-by-accession"],
    "study": _SQL["steps-by-study"],
    "day": _SQL["steps-by-day"],
}


class SqliteWorklists:
    """`engine.store.scheduling.Worklists` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def say(
        self, worklist: str, said: Sequence[Said], derive: Derive, *, building: bool = False
    ) -> bool:
        work = partial(_say, worklist=worklist, said=said, derive=derive, building=building)
        return await self._core.group.run(work, grows=True)

    async def say_of_patient(
        self, worklist: str, said: SaidOfPatient, derive: Derive, *, building: bool = False
    ) -> bool:
        work = partial(_say_of_patient, worklist=worklist, said=said, derive=derive, building=building)
        return await self._core.group.run(work, grows=True)

    async def announce(self, performing: Performing) -> None:
        await self._core.group.run(partial(_announce, performing=performing), grows=True)

    async def conclude(self, message_id: str, derive: Derive, *, durable: bool) -> None:
        work = partial(_conclude, message_id=message_id, derive=derive, durable=durable)
        await self._core.group.run(work)

    async def announced(self) -> Sequence[tuple[str, str]]:
        core = self._core
        rows = core.look(lambda: core.cursor.execute(_SQL["announced"], (None,)).fetchall())
        return [(message, core.names.texts[name]) for message, name, *_ in rows]

    async def perform(self, performing: Performing, derive: Derive) -> None:
        await self._core.group.run(partial(_perform, performing=performing, derive=derive, building=True))

    async def performed(self, worklist: str, uid: str) -> tuple[int, str] | None:
        core = self._core
        bindings = (core.names.find("worklist", worklist), core.digests.uid(uid))
        rows = core.look(lambda: core.cursor.execute(_SQL["performed"], bindings).fetchall())
        return (rows[0][0], rows[0][1]) if rows else None

    async def steps(
        self, worklist: str, narrow: Narrow, *, limit: int, offset: int = 0, after: str = ""
    ) -> Sequence[StepRow]:
        core = self._core
        found = core.names.find("worklist", worklist)
        rows = core.look(lambda: core.cursor.execute(_SQL["standing"], (found,)).fetchall())
        asked = [number for number, standing in rows if standing == ASKED]
        if not asked:
            return []
        digests = core.digests
        place = _place(after)
        bindings = {
            "worklist": asked[0],
            "visible": 0 if narrow.hidden else 1,
            "first": max(narrow.first_day, place["after_day"] or ""),
            "last": narrow.last_day or _ANY,
            "first_moment": narrow.first_moment,
            "last_moment": narrow.last_moment + _ANY,
            **place,
            "modalities": _list(narrow.modalities),
            "stations": _list(narrow.stations),
            "patient": _key(digests, "patient", narrow.patient) if narrow.patient else None,
            "accession": _key(digests, "accession", narrow.accession) if narrow.accession else None,
            "study": digests.uid(narrow.study) if narrow.study else None,
            "name": narrow.name.replace("[", "[[]") or None,
            "holding": _list(narrow.holding),
            "attributes": _paths(narrow.attributes) if narrow.wanted is not None else None,
            "limit": limit if narrow.wanted is None else -1,
            "offset": offset if narrow.wanted is None else 0,
        }
        way = next((name for name in ("accession", "study", "patient") if bindings[name] is not None), "day")

        def read(search: Runs) -> list[Row]:
            found = search.execute(_BY[way], bindings)
            if narrow.wanted is None:
                return found.fetchall()
            wanted = narrow.wanted
            return list(islice((row for row in found if wanted(from_json(row[-1]))), offset, offset + limit))

        return [_step(row) for row in await core.look_aside(read)]


# --------------------------------------------------------------------------- inside the transaction


def targets(tx: Transaction, worklist: str, *, building: bool) -> list[int]:
    """Return the worklists of a name that hear of what is said: both, or the one that is being built."""
    name = tx.names.id(tx.cursor, "worklist", worklist)
    rows = tx.cursor.execute(_SQL["standing"], (name,)).fetchall()
    if building:
        return [number for number, standing in rows if standing == BUILT]
    if not any(standing == ASKED for _, standing in rows):
        rows += tx.cursor.execute(_SQL["create"], (name, ASKED)).fetchall()
    return [row[0] for row in rows]


def _say(tx: Transaction, *, worklist: str, said: Sequence[Said], derive: Derive, building: bool) -> bool:
    tx.flush()
    new = False
    for target in targets(tx, worklist, building=building):
        owners: dict[bytes, None] = {}
        for each in said:
            owner, heard = _said_once(tx, target, each)
            new = new or heard
            owners[owner] = None
        for owner in owners:
            refresh(tx, target, owner, derive)
    if new and not building:
        tx.note(Action.WORKLIST, message=said[0].message, detail=worklist)
    return new


def _said_once(tx: Transaction, target: int, said: Said) -> tuple[bytes, bool]:
    """Keep one thing under the order that its numbers belong to; return the order, and whether it was new."""
    cursor = tx.cursor
    known = [_key(tx.digests, "order", number) for number in said.known]
    owners = [row[0] for row in cursor.execute(_SQL["owners"], (target, _hexed(known))).fetchall()]
    owner = min([*known, *owners])
    for other in owners:
        if other != owner:
            join(tx, target, other, owner)
    before = cursor.execute(_SQL["said-before"], (target, owner, said.digest)).fetchall()
    bindings = (target, owner, said.at_ms, said.sequence, said.digest, said.message, said.content)
    cursor.execute(_SQL["say"], bindings)
    patients = [_key(tx.digests, "patient", patient) for patient in said.patients]
    for kind, digests in ((_ORDERS, known), (_PATIENTS, patients)):
        for digest in digests:
            cursor.execute(_SQL["know"], (target, kind, digest, owner))
    return owner, not before


def join(tx: Transaction, target: int, other: bytes, owner: bytes) -> None:
    """Put all that is known of one order under another one: they are the same."""
    for name in ("said-join", "known-join"):
        tx.cursor.execute(_SQL[name], (target, other, owner))
    tx.cursor.execute(_SQL["steps-forget"], (target, other))


def _say_of_patient(
    tx: Transaction, *, worklist: str, said: SaidOfPatient, derive: Derive, building: bool
) -> bool:
    tx.flush()
    former, present = (
        [_key(tx.digests, "patient", patient) for patient in patients]
        for patients in (said.former, said.present)
    )
    new = False
    for target in targets(tx, worklist, building=building):
        for one in former:
            for other in present:
                place = (target, one, other, said.digest)
                new = new or not tx.cursor.execute(_SQL["patient-before"], place).fetchall()
                counts = (said.at_ms, said.sequence, said.message, said.content)
                tx.cursor.execute(_SQL["patient"], (*place, *counts))
        found = tx.cursor.execute(_SQL["owners-of-patients"], (target, _hexed(former))).fetchall()
        for (owner,) in found:
            refresh(tx, target, owner, derive)
    if new and not building:
        tx.note(Action.WORKLIST, message=said.message, detail=worklist)
    return new


def refresh(tx: Transaction, target: int, owner: bytes, derive: Derive) -> None:
    """Write the steps of one order anew."""
    cursor = tx.cursor
    story = Story(
        [Turn(*row) for row in cursor.execute(_SQL["story"], (target, owner)).fetchall()],
        [Turn(*row) for row in cursor.execute(_SQL["patients"], (target, owner)).fetchall()],
        partial(_performed_of, tx, target),
    )
    cursor.execute(_SQL["steps-forget"], (target, owner))
    digests = tx.digests
    for step in derive(story):
        shown = (
            step.number,
            step.state,
            int(step.visible),
            step.day,
            step.moment,
            step.modality,
            step.station,
        )
        patient = _key(digests, "patient", step.patient)
        accession = _key(digests, "accession", step.accession)
        hidden = (patient, accession, digests.uid(step.study), step.name, step.content)
        cursor.execute(_SQL["step"], (target, owner, *shown, *hidden))


def _performed_of(tx: Transaction, target: int, study: str) -> list[str]:
    rows = tx.cursor.execute(_SQL["performed-of-study"], (target, tx.digests.uid(study))).fetchall()
    return [row[0] for row in rows]


def _announce(tx: Transaction, *, performing: Performing) -> None:
    name = tx.names.id(tx.cursor, "worklist", performing.worklist)
    studies = json.dumps(performing.studies)
    bindings = (performing.message_id, name, performing.uid, performing.revision, studies, performing.content)
    tx.cursor.execute(_SQL["announce"], bindings)


def _conclude(tx: Transaction, *, message_id: str, derive: Derive, durable: bool) -> None:
    tx.flush()
    rows = tx.cursor.execute(_SQL["announced"], (message_id,)).fetchall()
    for _, name, uid, revision, studies, content in rows:
        tx.cursor.execute(_SQL["concluded"], (message_id,))
        if durable:
            worklist = tx.names.texts[name]
            performing = Performing(worklist, uid, revision, message_id, tuple(json.loads(studies)), content)
            _perform(tx, performing=performing, derive=derive, building=False)
            tx.note(Action.WORKLIST, detail=worklist)


def _perform(tx: Transaction, *, performing: Performing, derive: Derive, building: bool) -> None:
    cursor, uid = tx.cursor, tx.digests.uid(performing.uid)
    for target in targets(tx, performing.worklist, building=building):
        bindings = (target, uid, performing.revision, performing.message_id, performing.content)
        cursor.execute(_SQL["perform"], bindings)
        for study in performing.studies:
            digest = tx.digests.uid(study)
            cursor.execute(_SQL["perform-study"], (target, digest, uid))
            for (owner,) in cursor.execute(_SQL["owners-of-study"], (target, digest)).fetchall():
                refresh(tx, target, owner, derive)


def _key(digests: Digests, use: str, text: str) -> bytes:
    """Return what stands for a number; 0 is no business key's integer, so that nothing else has this digest."""
    return digests.key(0, f"{use} {text}")


def _hexed(found: Iterable[bytes]) -> str:
    return json.dumps([each.hex() for each in found])


def _list(texts: tuple[str, ...]) -> str | None:
    return json.dumps(texts) if texts else None


# --------------------------------------------------------------------------- reading


def _step(row: Row) -> StepRow:
    number, state, visible, day, moment, modality, station, content, owner, _ = row
    place = f"{day} {moment} {owner.hex()} {number}"
    return StepRow(
        number, state, bool(visible), day, moment, modality, station, "", "", "", "", content, place
    )


def _place(after: str) -> dict[str, Any]:
    """Return the bindings of a place among the steps, as `_step` writes it; "" is before all of them."""
    day, moment, owner, number = after.split(" ") if after else (None, None, "", 0)
    return {
        "after_day": day,
        "after_moment": moment,
        "after_owner": bytes.fromhex(owner),
        "after_number": int(number),
    }


def _paths(attributes: tuple[str, ...]) -> str:
    """Return where attributes stand in a step's content; a sequence has one item here."""
    return json.dumps({tag: '$."' + tag.replace(".", '".Value[0]."') + '"' for tag in attributes})
