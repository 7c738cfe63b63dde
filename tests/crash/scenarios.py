"""What must happen so that the engine reaches a fault point: by site, a round of a scenario, played until it fired."""

from __future__ import annotations

import asyncio
import errno
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from channels._folder import Folder
from tests.crash.images import ask_to_commit, break_off, show, store
from tests.crash.project import write_full_project
from tests.crash.stage import Stage
from tests.power.shim import File, Word

Scenario = Callable[[Stage], Awaitable[None]]


async def traffic(stage: Stage) -> None:
    """Everything that is sent all day."""
    await stage.traffic()
    if not stage.alive() and not stage.fired():
        await stage.restart()


async def restarts(stage: Stage) -> None:
    """A kill and a start."""
    await stage.traffic(0.03)
    if not stage.fired():
        await stage.restart()


async def stops(stage: Stage) -> None:
    """A stop in order, and a start."""
    await stage.end(signal.SIGTERM)
    if not stage.fired():
        await stage.restart()


async def leftovers(stage: Stage) -> None:
    """A start after crashes that left a body without a row, and a half-written file in a partner's folder."""
    orphans = stage.folder / "var/passerelle.db.bodies/ab"
    orphans.mkdir(parents=True, exist_ok=True)
    (orphans / "abandoned").write_bytes(b"no row names it")
    hidden = Folder(
        stage.folder / "out", "clinic.out"
    )._hidden  # the product's own name for a half-written file
    from types import SimpleNamespace

    if (stage.folder / "out").exists():
        hidden(SimpleNamespace(name="half")).write_bytes(b"ha")  # type: ignore[arg-type]  # only its name is read
    await restarts(stage)


async def poisoned(stage: Stage) -> None:
    """Dying while a message is routed, then a start that counts it and a sender that insists."""
    wanted = dict(stage.environ)
    await stage.end(signal.SIGKILL)
    before = stage.environ | {
        "FAULT_POINT": "engine.runtime.flight:Routing.__enter__:flight:after",
        "FAULT_HIT": "1",
        "FAULT_COUNT": str(stage.folder / "count-before"),
    }
    (stage.folder / "count-before").unlink(missing_ok=True)
    stage.environ = before
    stage.dying = True
    await stage.restart()
    async with asyncio.timeout(30):
        assert stage.engine is not None
        await asyncio.shield(stage.engine.ended)
    stage.environ = wanted
    stage.dying = False
    await stage.restart()
    await stage.moment(0.3)


def verbs(*argvs: tuple[str, ...], limit: float = 30.0) -> Scenario:
    """Verbs of the command line, asked of the running engine."""

    async def play(stage: Stage) -> None:
        for argv in argvs:
            await stage.verb(*argv, limit=limit)
        if not stage.alive() and not stage.fired():
            await stage.restart()

    return play


async def backups(stage: Stage) -> None:
    """A backup of a store with body files."""
    await stage.verb("backup", str(_fresh(stage, "backup")))
    await stage.moment(0.02)


async def restores(stage: Stage) -> None:
    """A backup put in the place of a store, and once more after a crash in that (`test_restore` judges the outcome)."""
    source = stage.folder / "backup-to-restore"
    if not source.exists():
        await stage.traffic()
        assert await stage.verb("backup", str(source), environ={}) == 0, (
            stage.folder / "verbs.log"
        ).read_text()
    config = _scratch(stage)
    await stage.verb("restore", str(source), config=config)
    if stage.fired():
        return
    # As a crash between its last two steps leaves it: the next one has to take them back.
    staging = config.parent / "var/passerelle.db.restoring"
    staging.mkdir()
    (config.parent / "var/passerelle.db").rename(staging / "passerelle.db")
    await stage.verb("restore", str(source), config=config)


async def first_starts(stage: Stage) -> None:
    """The first start of an engine, which makes its store."""
    config = _scratch(stage)
    await stage.verb("run", config=config, limit=2.0)


async def certificates(stage: Stage) -> None:
    """Development certificates in a new folder."""
    await stage.verb("certs", "dev", "clinic", "--folder", str(_fresh(stage, "certs")))


async def rollbacks(stage: Stage) -> None:
    """A route changed, reloaded and rolled back."""
    route = stage.folder / "routes/files.yaml"
    text = route.read_text()
    route.write_text(f"{text.rstrip()}\nticket: T-{stage.number}\n" if "ticket" not in text else text)
    stage.number += 1
    await stage.verb("reload", environ={})
    await stage.verb("rollback", "files")
    await stage.moment(0.02)


async def full_disk(stage: Stage) -> None:
    """The disk is full at one write of the WAL, and free again."""
    stage.control[Word.FAIL_WRITE_ERRNO] = errno.ENOSPC
    stage.control[Word.FAIL_FILE] = File.WAL
    stage.control[Word.FAIL_WRITE_AT] = 1
    await stage.traffic(1.2)


async def full_bodies(stage: Stage) -> None:
    """The disk is full while a body file is written."""
    stage.control[Word.FAIL_WRITE_ERRNO] = errno.ENOSPC
    stage.control[Word.FAIL_FILE] = File.OTHER
    stage.control[Word.FAIL_WRITE_AT] = 1
    await stage.traffic(0.2)


async def absent_folder(stage: Stage) -> None:
    """A partner's folder goes away for a moment."""
    out, away = stage.folder / "out", stage.folder / "away"
    if not out.exists():
        await traffic(stage)  # the first file makes it; in a round after this one it is there
        return
    out.rename(away)
    await stage.traffic(0.2)
    if out.exists():
        shutil.copytree(out, away, dirs_exist_ok=True)
        shutil.rmtree(out)
    away.rename(out)


async def meddled(stage: Stage) -> None:
    """A sender replaces a file just before it is put away."""
    if stage.environ.get("FAULT_MEDDLE") != "1":
        stage.environ["FAULT_MEDDLE"] = "1"
        await stage.restart()
    await stage.traffic(0.2)


async def pressed(stage: Stage) -> None:
    """A stop while the broker's messages cannot be admitted, because large requests hold the whole budget."""
    lines = []
    head = (
        b"POST /v1/notices HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"content-length: 450000\r\n\r\n"
    )
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", stage.ports.engine)
        writer.write(head + bytes(200_000))
        lines.append(writer)
    await stage.moment(0.1)
    for _ in range(8):
        await stage.publish_large()
    await stage.moment(0.1)
    await stops(stage)
    for writer in lines:
        writer.transport.abort()


async def imaged(stage: Stage) -> None:
    """Images by C-STORE, bytes that are no DICOM, and a start that finds what a crash left of an instance."""
    spool = stage.folder / "var/dicom/images"
    if spool.exists():
        (spool / "left.part").write_bytes(b"DICM")
    await asyncio.to_thread(store, stage.ports.images)
    await asyncio.to_thread(break_off, stage.ports.images)
    await restarts(stage)


async def shown(stage: Stage) -> None:
    """An image that comes to the door of the web, and is fetched there."""
    await asyncio.to_thread(store, stage.ports.images)
    await stage.moment(0.2)
    await asyncio.to_thread(show, stage.ports.web)


async def disagreed(stage: Stage) -> None:
    """An archive that answers with no DICOM for a while."""
    stage.archive.script.answer = b"\x63\x00\x00\x00\x00\x04what"
    try:
        await imaged(stage)
    finally:
        stage.archive.script.answer = None


async def committed(stage: Stage) -> None:
    """A modality that asks for storage commitment, and hears the report."""
    await asyncio.to_thread(ask_to_commit, stage.ports.images)
    await restarts(stage)


def _fresh(stage: Stage, name: str) -> Path:
    stage.number += 1
    return stage.folder / f"{name}-{stage.number}"


def _scratch(stage: Stage) -> Path:
    """Write a project that has no store yet."""
    folder = _fresh(stage, "scratch")
    folder.mkdir()
    return write_full_project(folder, stage.ports_of_scratch, stage.broker, stage.relay)


SCENARIOS: dict[str, Scenario] = {
    "engine.api.doorstep:bind_private": restarts,
    "engine.api.server:_forget": stops,
    "engine.api.serving:_streamed": verbs(("tail", "--all"), limit=1.5),
    "engine.cli.staging:": restores,
    "engine.cli.wire:": verbs(("status",)),
    "engine.runtime.flight:Flight.open": restarts,
    "engine.runtime.flight:Flight.recovered": restarts,
    "engine.runtime.flight:Flight.": poisoned,
    "engine.runtime.reload:": rollbacks,
    "engine.security.certificates:": certificates,
    "engine.store.sqlite.archive:_tally": verbs(("reconcile",)),
    "engine.store.sqlite.backup:": backups,
    "engine.store.sqlite.connection:migrate": first_starts,
    "engine.store.sqlite.disk:probe": restarts,
    "engine.store.sqlite.disk:Ballast.release": full_disk,
    "engine.store.sqlite.files:BodyFiles.keep:unlink": full_bodies,
    "engine.store.sqlite.files:BodyFiles.drop": leftovers,
    "engine.store.sqlite.files:BodyFiles._named": imaged,
    "engine.store.sqlite.journal:verify": verbs(("audit", "verify")),
    "engine.store.sqlite.journal:_read": verbs(("tail", "--all"), limit=1.0),
    "channels._folder:Folder.clean": leftovers,
    "channels._folder:Folder._failing": absent_folder,
    "channels._http.client:ClientConnection.stream:": imaged,
    "channels._http.connection:Connection._pour:": shown,
    "channels.amqp.inbound:AmqpInbound._tell:send#3": pressed,
    "channels.dicom.": imaged,
    "channels._dicom.": imaged,
    "channels.dicom.commitment.pending:": committed,
    "channels._dicom.upper:UpperLayer._last_word": disagreed,
    "channels.file.handling:_move:rename#2": meddled,
}
"""By the beginning of a site, the longest first; everything else is reached by traffic alone."""


def scenario_of(point: str) -> Scenario:
    """Return the scenario that reaches a point."""
    fitting = [prefix for prefix in SCENARIOS if point.startswith(prefix)]
    return SCENARIOS[max(fitting, key=len)] if fitting else traffic
