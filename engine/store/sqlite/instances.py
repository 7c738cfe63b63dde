"""DICOM instances in the store: found by digests of their UIDs, read with the attributes that came with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from pydantic_core import from_json

from engine.audit.vocabulary import Action
from engine.errors import Conflict
from engine.model import Gathered, Gathering, Message
from engine.store.imaging import GatheringRow, Held, InstanceRow, Sought
from engine.store.sqlite.contents import ATTRIBUTES
from engine.store.sqlite.core import Core
from engine.store.sqlite.cursor import Runs
from engine.store.sqlite.digests import Digests
from engine.store.sqlite.rows import Row
from engine.store.sqlite.statements import statements
from engine.store.sqlite.transaction import Transaction

_SQL = statements("instances")
_LEVELS = {"study": 1, "series": 2}
_WORDS = {number: word for word, number in _LEVELS.items()}
_HELD = {"study": _SQL["of-study"], "series": _SQL["of-series"], "instance": _SQL["of-instances"]}
_SUMMARIES = {
    "study": (_SQL["studies"], _SQL["studies-of"]),
    "series": (_SQL["series"], _SQL["series-of"]),
    "instance": (_SQL["each"], _SQL["each-of"]),
}
_GATHER = _SQL["gather"]

Leading = Callable[[Runs], list[Row]]
"""Gives what is summed up: the newest message and the counts of each study, series or instance."""

# --------------------------------------------------------------------------- inside the transaction of a message


def add_instance(tx: Transaction, message: Message, sequence: int, listener: int) -> None:
    """Write what an instance is found by, and let its study or series wait anew."""
    instance = message.instance
    if instance is None:
        return
    uid = tx.digests.uid
    digests = {"study": uid(instance.study), "series": uid(instance.series)}
    tx.cursor.execute(
        _SQL["add"],
        (
            sequence,
            *digests.values(),
            uid(instance.instance),
            instance.sop_class,
            instance.modality,
        ),
    )
    for kind, text in instance.sought:
        tx.cursor.execute(_SQL["key"], (_key(tx.digests, kind, text), digests["study"]))
    gathering: Gathering | None = instance.gathering
    if gathering is not None:
        due = message.received_ms + gathering.quiet_ms
        place = (listener, _LEVELS[gathering.by], digests[gathering.by])
        tx.cursor.execute(_GATHER, (*place, sequence, due))


def end_gathering(tx: Transaction, gathered: Gathered) -> None:
    """End what the message tells of, in its own commit; Conflict where an instance came meanwhile."""
    tx.cursor.execute(_SQL["told"], (gathered.gathering, gathered.revision))
    if tx.connection.changes() != 1:
        raise Conflict("an instance came to what this message tells of")


def forget_instance(tx: Transaction, message: int) -> None:
    """Forget an instance with the content of its message, and its study and series with their last one."""
    found = tx.cursor.execute(_SQL["of-message"], (message,)).fetchall()
    if not found:
        return
    tx.cursor.execute(_SQL["forget"], (message,))
    tx.cursor.execute(_SQL["keys-forget"], (found[0][0],))
    for uid in found[0]:
        tx.cursor.execute(_SQL["gathering-forget"], (uid,))


def twin_of(core: Core, message: Message) -> str:
    """Return the path of a body file that holds the same bytes as the same instance before, "" where none does."""
    instance = message.instance
    if instance is None:
        return ""
    bindings = (core.digests.uid(instance.instance), message.body.sha256)
    found = core.look(lambda: core.cursor.execute(_SQL["same"], bindings).fetchall())
    return found[0][0] if found else ""


# --------------------------------------------------------------------------- reading


class SqliteInstances:
    """`engine.store.imaging.Instances` on SQLite."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def held(
        self, level: str, uids: Sequence[str], *, limit: int, offset: int = 0
    ) -> Sequence[InstanceRow]:
        role = self._role()
        if role is None:
            return []
        digests = [self._core.digests.uid(uid) for uid in dict.fromkeys(uids)]
        if level == "instance":
            digests, paged = digests[offset : offset + limit], {"limit": 1, "offset": 0}
        else:
            paged = {"limit": limit, "offset": offset}

        def read(search: Runs) -> list[Row]:
            rows: list[Row] = []
            for digest in digests:
                bindings = {"uid": digest, "role": role, **paged}
                if level == "instance":
                    bindings = {"uid": digest, "role": role}
                rows += search.execute(_HELD[level], bindings).fetchall()
            return rows

        return [self._row(row) for row in await self._core.look_aside(read)]

    async def summaries(
        self,
        level: str,
        *,
        study: str,
        wanted: Callable[[Held], bool],
        holding: Sequence[bytes] = (),
        among: Sequence[Sought] = (),
        limit: int,
        offset: int = 0,
    ) -> Sequence[Held]:
        role = self._role()
        if role is None:
            return []
        every, within = _SUMMARIES[level]
        digests = self._core.digests
        if study:
            leading: Leading = partial(_run, statement=within, bindings=(digests.uid(study),))
        elif among:
            keys = json.dumps([_key(digests, *each).hex() for each in among])
            leading = partial(_of_studies, keys=keys, within=within)
        else:
            leading = partial(_run, statement=every, bindings=())
        return await self._core.look_aside(
            partial(
                self._summaries,
                leading=leading,
                role=role,
                wanted=wanted,
                holding=holding,
                window=(offset, limit),
            )
        )

    async def ripe(self, now_ms: int, limit: int) -> Sequence[GatheringRow]:
        core = self._core
        rows = core.look(lambda: core.cursor.execute(_SQL["ripe"], (now_ms, limit)).fetchall())
        texts = core.names.texts
        return [
            GatheringRow(number, texts[listener], _WORDS[level], revision, version, due)
            for number, listener, level, revision, version, due in rows
        ]

    async def next_ms(self) -> int | None:
        core = self._core
        found: int | None = core.look(lambda: core.cursor.execute(_SQL["next"]).fetchall())[0][0]
        return found

    async def gathered(self, gathering: int) -> Sequence[InstanceRow]:
        role = self._role()
        if role is None:
            return []
        bindings = {"gathering": gathering, "role": role}
        rows = await self._core.look_aside(
            lambda search: search.execute(_SQL["gathered"], bindings).fetchall()
        )
        newest = {_uid_of(row): row for row in (self._row(row) for row in rows)}
        return sorted(newest.values(), key=lambda row: row.message)

    async def told(self, gathered: Gathered) -> None:
        await self._core.group.run(partial(_end, gathered=gathered))

    # ---------------------------------------------------------------- inside

    def _role(self) -> int | None:
        """Return the integer of the role of attributes, None where no instance ever came."""
        return self._core.names.find("role", ATTRIBUTES)

    def _summaries(
        self,
        search: Runs,
        *,
        leading: Leading,
        role: int,
        wanted: Callable[[Held], bool],
        holding: Sequence[bytes],
        window: tuple[int, int],
    ) -> list[Held]:
        found: list[Held] = []
        skip, limit = window
        for row in leading(search):
            held = self._summary(search, row, role, holding)
            if held is None or not wanted(held):
                continue
            if skip:
                skip -= 1
                continue
            found.append(held)
            if len(found) >= limit:
                break
        return found

    def _summary(self, search: Runs, row: Row, role: int, holding: Sequence[bytes]) -> Held | None:
        message, series, instances, modalities, classes = row
        rows = search.execute(_SQL["attributes"], {"message": message, "role": role}).fetchall()
        if not rows:  # purged between the two statements
            return None
        if holding and not all(needle in rows[0][7] for needle in holding):
            return None
        return Held(self._row(rows[0]), series, instances, tuple(_split(modalities)), tuple(_split(classes)))

    def _row(self, row: Row) -> InstanceRow:
        """Return a row of the fragment `held`, with its body where its columns follow."""
        core = self._core
        texts = core.names.texts
        message, identifier, listener, partner, received, size, sha256, attributes = row[:8]
        body = None
        if len(row) > 8:
            codec, data, path = row[8:]
            body = core.read.handle((0, codec, size, None, sha256, data, path))
        return InstanceRow(
            message,
            identifier,
            texts[listener],
            texts[partner],
            received,
            size,
            sha256,
            from_json(attributes),
            body,
        )


def _run(search: Runs, *, statement: str, bindings: tuple[object, ...]) -> list[Row]:
    return search.execute(statement, bindings).fetchall()


def _of_studies(search: Runs, *, keys: str, within: str) -> list[Row]:
    """Return what there is of the studies that have one of these keys, newest first."""
    studies = search.execute(_SQL["studies-by-key"], (keys,)).fetchall()
    rows = [row for study in studies for row in search.execute(within, study).fetchall()]
    return sorted(rows, key=itemgetter(0), reverse=True)


def _key(digests: Digests, kind: str, text: str) -> bytes:
    """Return what stands for a text that studies are looked up by; 0 is no business key's integer."""
    return digests.key(0, f"study {kind} {text}")


def _end(tx: Transaction, *, gathered: Gathered) -> None:
    tx.cursor.execute(_SQL["told"], (gathered.gathering, gathered.revision))
    if tx.connection.changes() == 1:
        tx.note(Action.GATHERED, detail="nothing is told of it")


def _split(texts: str | None) -> Iterator[str]:
    return (text for text in sorted((texts or "").split(",")) if text)


def _uid_of(row: InstanceRow) -> Any:
    return row.attributes["00080018"]["Value"][0]
