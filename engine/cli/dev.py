"""`passerelle dev`: the engine beside simulated partners, with sample messages, a live table and hot reload."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import click

from engine.app import Engine, running
from engine.cli.exits import Exit
from engine.cli.happenings import Happening, Happenings, Screen
from engine.config.load import load_configuration
from engine.errors import ConfigurationError
from engine.observe.logs import configure
from engine.security.certificates import make_dev_certificates
from engine.store.protocol import Query
from engine.testing.clinics import simulated_clinics
from engine.testing.scene import CERTIFICATES, Fed, Scene, feed, load_scene

_LOOK_SECONDS = 0.25
_FILES_SECONDS = 1.0


@dataclass(slots=True)
class _Stage:
    """One showing of a scene."""

    path: Path
    scene_path: Path
    scene: Scene
    screen: Screen
    stopped: anyio.Event = field(default_factory=anyio.Event)

    async def play(self) -> None:
        """Run until somebody stops it."""
        import os

        loaded = load_configuration(self.path, environ=os.environ)
        clinics = self.scene.simulated(loaded)
        root = self.path.parent
        async with (
            simulated_clinics(clinics, root / CERTIFICATES, lambda heard: None),
            running(self.path) as engine,
        ):
            address = engine.supervisor.addresses.get(self.scene.feed.listener)
            if address is None:
                raise click.ClickException(
                    f"the listener {self.scene.feed.listener} does not listen; see the log"
                )
            self._say_what_runs(engine, address)
            async with anyio.create_task_group() as group:
                group.start_soon(self._signals)
                happenings = Happenings()
                group.start_soon(self._show, engine, happenings)
                group.start_soon(self._watch_files, engine)
                await self._feed(engine, address, happenings)
                await self.stopped.wait()
                group.cancel_scope.cancel()
            self.screen.say("stopping: nothing new, finishing what was begun ...")

    async def _feed(self, engine: Engine, address: str, happenings: Happenings) -> None:
        run = engine.new_id()[-5:]
        async for fed in feed(self.scene, self.scene_path.parent, self.path.parent, address, run):
            happenings.add(_begun(fed))
        self.screen.hint(_how_to_send_one_more(self.scene, self.path, self.scene_path, address))

    async def _show(self, engine: Engine, happenings: Happenings) -> None:
        with self.screen:
            while True:
                await self._look(engine, happenings)
                self.screen.show(happenings)
                await anyio.sleep(_LOOK_SECONDS)

    async def _look(self, engine: Engine, happenings: Happenings) -> None:
        """Read what became of the newest messages; what somebody else sends in appears, too."""
        rows = await engine.store.deliveries(Query(since_ms=engine.started_ms, limit=50))
        flying = {each.delivery for each in engine.dispatcher.in_flight()}
        for row in rows:
            if row.delivery.destination and not row.delivery.route.startswith("alert:"):
                happenings.follow(row, in_flight=row.delivery.sequence in flying)
        happenings.alerts = [f"{alert.kind} {alert.subject}" for alert in engine.alerts.open]

    async def _watch_files(self, engine: Engine) -> None:
        """Take changed files in as soon as they are saved; a mistake is told and changes nothing."""
        seen = _stamps(engine)
        while True:
            await anyio.sleep(_FILES_SECONDS)
            now = _stamps(engine)
            if now == seen:
                continue
            seen = now
            try:
                changes = await engine.reloader.reload(author="dev")
            except ConfigurationError as error:
                self.screen.say(f"{error}\nnot reloaded: what runs stays as it was")
                continue
            seen = _stamps(engine)
            if changes.routes or changes.listeners or changes.endpoints:
                self.screen.say("reloaded")

    def _say_what_runs(self, engine: Engine, address: str) -> None:
        self.screen.say(
            f"Passerelle is ready: {self.scene.feed.selector} at https://{address}, mutual TLS 1.3"
        )
        for clinic in self.scene.simulated(engine.loaded):
            answers = "absent" if clinic.answer is None else f"answers {clinic.answer}"
            self.screen.say(f"  {clinic.name}: simulated at {clinic.url}, {answers}")

    async def _signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if self.stopped.is_set():
                    raise KeyboardInterrupt
                self.stopped.set()


def _begun(fed: Fed) -> Happening:
    if fed.status == 422:
        return Happening(fed.file, fed.clinic, fed.kind, 0, "refused", fed.remark, fed.subject)
    return Happening(
        fed.file, fed.clinic, fed.kind, 0, "accepted", "", fed.subject, message_id=fed.message_id
    )


def _how_to_send_one_more(scene: Scene, path: Path, scene_path: Path, address: str) -> str:
    certs = path.parent / CERTIFICATES
    name = scene.feed.certificate
    sample = scene_path.parent / scene.feed.files[0]
    return (
        "Send one more (change the event's id, or it is answered as a copy):\n"
        f"  curl --cacert {certs}/ca.pem --cert {certs}/{name}.pem --key {certs}/{name}.key \\\n"
        f"    -H 'content-type: application/cloudevents+json' --data @{sample} \\\n"
        f"    https://{address}{scene.feed.selector.removeprefix('POST ')}\n"
        f"Look around in another terminal: {_command()} status, messages, dead list, tail. Stop with Ctrl-C."
    )


def _command() -> str:
    """Return how this program was called, as short as it can be typed from here."""
    called = Path(sys.argv[0])
    try:
        return str(called.resolve().relative_to(Path.cwd()))
    except ValueError:
        return called.name


def _stamps(engine: Engine) -> dict[Path, float]:
    found: dict[Path, float] = {}
    for path in engine.loaded.watch_list:
        with suppress(OSError):
            found[path] = path.stat().st_mtime
    return found


@click.command()
@click.option(
    "--config",
    "path",
    default="config.yaml",
    type=click.Path(path_type=Path, exists=True),
    help="The project.",
)
@click.option(
    "--scene",
    "scene_path",
    default="routes/samples/scene.yaml",
    type=click.Path(path_type=Path),
    help="Who is simulated and what is fed in.",
)
@click.option("--plain", is_flag=True, help="A line per change instead of a live table.")
def dev(path: Path, scene_path: Path, plain: bool) -> int:
    """Run with simulated partners and sample messages; changed files are taken in at once. Stop with Ctrl-C."""
    configure(level="error", plain=True)
    scene = load_scene(scene_path)
    made = make_dev_certificates(path.parent / CERTIFICATES, scene.names())
    if made:
        click.echo(f"made a local authority and {len(made)} files in {path.parent / CERTIFICATES}/")
    stage = _Stage(path, scene_path, scene, Screen(plain=plain))
    _run(stage.play)
    return Exit.OK


def _run(main: Callable[[], object]) -> None:
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())  # type: ignore[arg-type]  # a coroutine function
    else:
        uvloop.run(main())  # type: ignore[arg-type]  # a coroutine function
