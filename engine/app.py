"""The composition root: from a configuration to a running engine, in the order that keeps every promise.

Start: store, recovery, outbound, dispatcher, inbound, then ready. Stop is the reverse, within a grace period. Only the
store or the configuration can end the process; a channel that crashes restarts alone.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup, TaskStatus

from engine.api.control import Control, Live
from engine.api.injecting import Injector
from engine.api.server import serve_api
from engine.api.views import View
from engine.clock import Clock, SystemClock
from engine.config.load import load_configuration, load_route
from engine.config.loaded import Loaded
from engine.config.models import Group
from engine.ids import IdSource
from engine.model import State
from engine.notify.alerts import AlertBook, Rule
from engine.observe.metrics import Metrics, Reading
from engine.runtime.compiling.assembling import assemble
from engine.runtime.compiling.policies import CurrentPolicies
from engine.runtime.compiling.routes import milliseconds
from engine.runtime.compiling.versions import Versions
from engine.runtime.conditions import SelfObservation
from engine.runtime.flight import Flight
from engine.runtime.images.gathering import Gatherer, GatheringIntake
from engine.runtime.images.instances import StoredImages
from engine.runtime.receiving.budget import Budget, watch_disk
from engine.runtime.receiving.intake import Reception
from engine.runtime.receiving.listening import ChannelState, MakeInbound
from engine.runtime.receiving.repeats import Repeats
from engine.runtime.receiving.replaying import Replayer
from engine.runtime.recovery import recover
from engine.runtime.reload import Changes, Reloader
from engine.runtime.routing.board import Current
from engine.runtime.routing.detours import Detours
from engine.runtime.routing.plan import Blame, Planner
from engine.runtime.routing.router import Router
from engine.runtime.sending.breaker import Phase
from engine.runtime.sending.dispatcher import Dispatcher
from engine.runtime.sending.gates import Gates
from engine.runtime.sending.outbounds import MakeOutbound, Outbounds
from engine.runtime.sending.sender import Concluded
from engine.runtime.supervisor import Supervisor
from engine.runtime.watch import AlertPost, Watch
from engine.runtime.wiring import Wiring
from engine.runtime.worklists.projection import StoredWorklists
from engine.spi import Intake
from engine.store import open_store
from engine.store.protocol import Accepted, Health, Store, Tally

_log = logging.getLogger(__name__)

MEASURE_SECONDS = 5.0
"""How often the gauges of `/metrics` are read from the store."""
PURGE_SECONDS = 600.0
"""How often retention is looked at."""
PURGE_SLICE = 500
"""Messages whose content is dropped in one commit."""


@dataclass(frozen=True, slots=True)
class Doubles:
    """What a test replaces: time, chance and transport, and where its state lies. The product leaves it as it is."""

    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    outbound: MakeOutbound | None = None
    listens: bool = True
    folder: Path | None = None
    store: Callable[[Path, Clock], AbstractAsyncContextManager[Store]] | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


class Engine:
    """A running engine; made by `running`, shown to people by the API through `control`."""

    def __init__(
        self, path: Path, env: str | None, store: Store, flight: Flight, loaded: Loaded, doubles: Doubles
    ) -> None:
        clock = doubles.clock
        self.store = store
        self.clock = clock
        self.flight = flight
        self.metrics = Metrics()
        self.new_id = IdSource(clock).next
        self.doubles = doubles
        self.started_ms = clock.now_ms()
        self.is_ready = False
        self._ended: anyio.Event | None = None
        self._tally: Tally | None = None
        self._health: Health | None = None
        assembled = assemble(loaded)
        self.current = Current(assembled.board)
        self.policies = CurrentPolicies(self.current)
        self.gates = Gates(store.records, clock)
        self.observed = SelfObservation(clock, self.gates)
        self.worklists = StoredWorklists(store, clock)
        self.wiring = self._wired(loaded)
        self.budget = Budget(loaded.app.engine.in_flight)
        self.detours = Detours(store, clock)
        self.repeats = Repeats(store.records, clock)
        self.versions = Versions(store.records, clock, loaded.root)
        self.reloader = Reloader(
            assembled,
            current=self.current,
            versions=self.versions,
            roster=store.roster,
            read=partial(load_configuration, path, env=env, environ=doubles.environ),
            read_route=partial(load_route, environ=doubles.environ),
            applied=self._applied,
        )
        self._build_alerts()
        self._build_sending()
        self._build_receiving()
        self.control = Control(store, clock, self._live())

    # ------------------------------------------------------------- parts

    def _wired(self, loaded: Loaded) -> Wiring:
        return Wiring(
            loaded,
            self.current,
            self.store.records,
            self.clock,
            self.metrics,
            self.new_id,
            confirm=lambda confirmation: self.dispatcher.confirm(confirmation),
            journal=self.store.journal,
            intake=self._intake_of,
            images=StoredImages(self.store.instances),
            worklists=self.worklists,
        )

    def _build_alerts(self) -> None:
        post = AlertPost(self.store, self.clock, self.new_id, self.loaded.app.engine.name, self._offered)
        self.alerts = AlertBook(self.store.records, post, _rules(self.loaded))
        self.watch = Watch(
            self.store,
            self.alerts,
            self.policies,
            self.clock,
            breaker_closed=lambda endpoint: self.dispatcher.breaker_phase(endpoint) is Phase.CLOSED,
            observe=lambda: self.observed.conditions(self.loaded, self._failing()),
        )

    def _build_sending(self) -> None:
        planner = Planner(
            clock=self.clock, new_id=self.new_id, counters=self.metrics, behind=self.detours.behind
        )
        self.planner = planner
        router = Router(
            archive=self.store,
            current=self.current,
            planner=planner,
            flight=self.flight,
            clock=self.clock,
            blame=self._blamed,
        )
        self.outbounds = Outbounds(self.doubles.outbound or self.wiring.outbound, self.clock, self.metrics)
        self.dispatcher = Dispatcher(
            store=self.store,
            clock=self.clock,
            policies=self.policies,
            outbounds=self.outbounds,
            flight=self.flight,
            gates=self.gates,
            counters=self.metrics,
            rng=self.doubles.rng,
            routing=router,
            settled=self._settled,
            breaker_changed=lambda endpoint, phase: self.watch.signal(),
        )

    def _build_receiving(self) -> None:
        self.reception = Reception(
            store=self.store,
            current=self.current,
            planner=self.planner,
            budget=self.budget,
            flight=self.flight,
            detours=self.detours,
            repeats=self.repeats,
            clock=self.clock,
            counters=self.metrics,
            dispatch=self.dispatcher,
            blame=self._blamed,
            gathers=lambda due_ms: self.gatherer.expect(due_ms),
        )
        self.gatherer = Gatherer(self.store.instances, self.reception.intake, self.clock, self.new_id)
        self.supervisor = Supervisor(
            intake=self.reception.intake,
            dispatcher=self.dispatcher,
            outbounds=self.outbounds,
            clock=self.clock,
            counters=self.metrics,
        )

    def _intake_of(self, listener: str) -> Intake:
        """Return the intake of what another channel brings to a listener: it is gathered as what comes there is."""
        intake = self.reception.intake(listener)
        group = getattr(self.loaded.app.listen.get(listener), "group", None)
        return GatheringIntake(intake, group) if isinstance(group, Group) else intake

    def _live(self) -> Live:
        return Live(
            dispatcher=self.dispatcher,
            gates=self.gates,
            repeats=self.repeats,
            alerts=self.alerts,
            watch=self.watch,
            metrics=self.metrics,
            started_ms=self.started_ms,
            ready=lambda: self.is_ready,
            loaded=lambda: self.loaded,
            channels=self._channels,
            reload=self._reload,
            rollback=self._rollback,
            inject=Injector(self.reception.intake, lambda: self.loaded, self.clock, self.new_id),
            probe=self._probe,
            replay=Replayer(
                self.store,
                self.clock,
                self.new_id,
                self._offered,
                lambda endpoint: self.current.board.directory.phi(endpoint),
            ),
        )

    @property
    def loaded(self) -> Loaded:
        """The configuration that runs."""
        return self.reloader.loaded

    # ------------------------------------------------------------- life

    async def start(self, group: TaskGroup) -> None:
        """Recover, then start sending, then receiving; ready when this returns."""
        await self.reloader.begin(author="engine")
        await recover(self.store, self.flight, self.clock)
        await self.worklists.begin()
        await self.detours.begin([route.name for route in self.loaded.routes if route.config.order_by])
        await self.alerts.load()
        await self.repeats.load()
        await self._measure()
        self.metrics.watch(self._gauges)
        if self.doubles.listens:
            await self._serve_api(group)
        await group.start(partial(self._supervise, self._inbounds()))
        group.start_soon(self.watch.run)
        group.start_soon(self.gatherer.run)
        group.start_soon(self._keep_measuring)
        group.start_soon(self._keep_purging)
        group.start_soon(self.wiring.watch_certificates)
        group.start_soon(partial(watch_disk, self.store.health, self.budget, self.clock, changed=self._disk))
        self.is_ready = True
        _log.info("ready", extra={"action": "ready", "count": len(self.loaded.routes)})

    async def stop(self) -> None:
        """Take nothing new, finish what was begun, within the configured time."""
        self.is_ready = False
        self.budget.shut("drain", "the engine is stopping")
        self.supervisor.stop()
        if self._ended is not None:  # a start that failed before has nothing to drain
            await self._ended.wait()
        _log.info("stopped", extra={"action": "stopped"})

    async def _supervise(self, inbounds: Mapping[str, MakeInbound], *, task_status: TaskStatus[None]) -> None:
        ended = self._ended = anyio.Event()
        try:
            grace = self.loaded.app.engine.drain.total_seconds()
            await self.supervisor.run(inbounds, grace=grace, task_status=task_status)
        finally:
            ended.set()

    def _inbounds(self) -> dict[str, MakeInbound]:
        names = self.loaded.app.listen if self.doubles.listens else ()
        return {name: partial(self.wiring.inbound, name) for name in names}

    async def _serve_api(self, group: TaskGroup) -> None:
        api, app = self.loaded.app.api, self.loaded.app
        tls = self.wiring.server_tls(api.tls)
        await group.start(
            partial(
                serve_api,
                self.control,
                socket=self.loaded.root / api.socket,
                tcp=api.tcp,
                tls=tls,
                tokens=api.tokens,
                metrics=app.metrics,
            )
        )

    # ------------------------------------------------------------- what happens

    def _offered(self, accepted: Accepted) -> None:
        self.dispatcher.offer(accepted.ready)

    def _blamed(self, blame: Blame) -> None:
        self.watch.refused(blame.route, blame.path, blame.alert)

    def _settled(self, concluded: Concluded) -> None:
        self.reception.answers.heard(concluded)
        if concluded.settlement.state is State.DEAD:
            self.watch.signal()

    def _disk(self, scarce: bool, health: Health) -> None:
        free = f"{health.free_bytes // 2**20} MiB free {health.detail}".strip()
        self.observed.disk(free if scarce else "")
        _log.log(
            logging.ERROR if scarce else logging.INFO,
            "intake shut: the disk is nearly full" if scarce else "intake open again: the disk has room",
            extra={"action": "disk"},
        )
        self.watch.signal()

    async def _applied(self, loaded: Loaded, changes: Changes) -> None:
        """Let listeners, outbounds and alerts follow a configuration that is current already."""
        self.wiring.use(loaded)
        self.alerts.use(_rules(loaded))
        for name in (*changes.endpoints.removed, *changes.endpoints.changed):
            self.outbounds.replace(name)
        if self.doubles.listens:
            for name in (*changes.listeners.removed, *changes.renewed):
                await self.supervisor.remove(name)
            for name in (*changes.listeners.added, *changes.renewed):
                await self.supervisor.add(name, partial(self.wiring.inbound, name))
        self.dispatcher.policies_changed()
        self.watch.signal()

    async def _reload(self, route: str, actor: str) -> View:
        changes = await (
            self.reloader.reload_route(route, author=actor) if route else self.reloader.reload(author=actor)
        )
        return _changed(changes)

    async def _rollback(self, route: str, version: str, actor: str) -> View:
        return _changed(await self.reloader.roll_back(route, version, author=actor))

    async def _probe(self, endpoint: str) -> Sequence[tuple[str, bool, str]]:
        line = await self.outbounds.open(endpoint)
        with line:
            return await line.outbound.probe()

    # ------------------------------------------------------------- what is measured

    def _failing(self) -> dict[str, str]:
        """Return the listeners that do not come up, each with the type of what stopped it."""
        return {
            health.name: health.error
            for health in self.supervisor.health()
            if health.state is ChannelState.RESTARTING
        }

    def _channels(self) -> Sequence[View]:
        listeners: list[View] = [
            {
                "listener": health.name,
                "state": health.state.value,
                "address": health.address or None,
                "restarts": health.restarts,
                "error": health.error or None,
            }
            for health in self.supervisor.health()
        ]
        return [*listeners, *({"outbound": name} for name in self.outbounds.names())]

    async def _keep_measuring(self) -> None:
        while True:
            await self.clock.sleep(MEASURE_SECONDS)
            await self._measure()

    async def _measure(self) -> None:
        self._tally = await self.store.tally()
        self._health = await self.store.health()

    async def _keep_purging(self) -> None:
        """Drop content after its retention, a bounded slice at a time."""
        while True:
            await self.clock.sleep(PURGE_SECONDS)
            retention, now_ms = self.loaded.app.defaults.retention, self.clock.now_ms()
            before = now_ms - milliseconds(retention.payload)
            images = {kind: now_ms - milliseconds(kept) for kind, kept in retention.images.items()}
            while await self.store.purge(before, PURGE_SLICE, images) == PURGE_SLICE:
                await self.clock.sleep(1)

    def _gauges(self) -> Sequence[Reading]:
        readings: list[Reading] = [
            ("ready", (), float(self.is_ready)),
            ("in_flight_bytes", (), float(self.budget.used)),
        ]
        now_ms = self.clock.now_ms()
        if self._tally is not None:
            readings += [("deliveries", (state.word,), count) for state, count in self._tally.states.items()]
            readings += [
                ("waiting_seconds", (route,), (now_ms - oldest) / 1000)
                for route, oldest in self._tally.oldest_ms.items()
            ]
        if self._health is not None:
            readings.append(("store_free_bytes", (), float(self._health.free_bytes)))
            readings.append(("store_commit_seconds", (), self._health.commit_ms / 1000))
        for status in self.dispatcher.endpoint_status():
            readings.append(("breaker_open", (status.name,), float(status.breaker is not Phase.CLOSED)))
        kinds: dict[str, int] = {}
        for alert in self.alerts.open:
            kinds[alert.kind] = kinds.get(alert.kind, 0) + 1
        readings += [("alerts_open", (kind,), count) for kind, count in kinds.items()]
        return readings


@asynccontextmanager
async def running(
    path: Path, *, env: str | None = None, doubles: Doubles | None = None
) -> AsyncIterator[Engine]:
    """Run the engine that `path` (config.yaml) describes until the block ends; it is ready when the block begins.

    Raises:
        ConfigurationError: what is written cannot run.
        StoreLocked, StoreFailed, StoreCorrupt, StoreRefused: the store cannot be used, now or later (then in a group).
    """
    doubles = doubles or Doubles()
    loaded = load_configuration(path, env=env, environ=doubles.environ)
    for problem in loaded.warnings:
        _log.warning("%s", problem.render().splitlines()[0], extra={"action": "check"})
    async with AsyncExitStack() as stack:
        var = doubles.folder or loaded.root / loaded.app.engine.var
        database = doubles.folder / "test.db" if doubles.folder else loaded.root / loaded.app.store.path
        var.mkdir(parents=True, exist_ok=True)
        opening = doubles.store or (lambda path, clock: open_store(f"sqlite:{path}", clock=clock))
        store = await stack.enter_async_context(opening(database, doubles.clock))
        flight = Flight.open(var / "flight")
        stack.callback(flight.close)
        engine = Engine(path, env, store, flight, loaded, doubles)
        async with anyio.create_task_group() as group:
            try:
                await engine.start(group)
                yield engine
            finally:
                with anyio.CancelScope(shield=True):
                    await engine.stop()
                group.cancel_scope.cancel()


async def run_until_stopped(
    path: Path, *, env: str | None, stop: anyio.Event, started: Callable[[Engine], None]
) -> None:
    """Run until `stop` is set; `started` hears of the engine once it is ready."""
    async with running(path, env=env) as engine:
        started(engine)
        await stop.wait()


def _rules(loaded: Loaded) -> list[Rule]:
    return [
        Rule(
            name,
            alert.to,
            settle_ms=round(alert.settle.total_seconds() * 1000),
            repeat_ms=None if alert.repeat is None else round(alert.repeat.total_seconds() * 1000),
        )
        for name, alert in loaded.app.alerts.items()
    ]


def _changed(changes: Changes) -> View:
    return {
        kind: {"added": each.added, "removed": each.removed, "changed": each.changed}
        for kind, each in (
            ("listeners", changes.listeners),
            ("endpoints", changes.endpoints),
            ("routes", changes.routes),
        )
    }
