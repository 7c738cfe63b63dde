"""What can be seen and done of one engine: on a running one with its live parts, on a stopped store without them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.api.problems import NotRunning
from engine.api.views import View
from engine.clock import Clock
from engine.config.loaded import Loaded
from engine.ids import IdSource
from engine.model import Delivery
from engine.notify.alerts import AlertBook
from engine.observe.metrics import Metrics
from engine.runtime.receiving.repeats import Repeats
from engine.runtime.receiving.replaying import Replayer
from engine.runtime.sending.dispatcher import Dispatcher
from engine.runtime.sending.gates import Gates
from engine.runtime.watch import Watch
from engine.store.protocol import Store


@dataclass(frozen=True, slots=True)
class Live:
    """The running parts.

    `channels` shows listeners (`listener`, `state`, `address`, `restarts`, `error`) and open outbounds. `reload` takes
    a route's name ("" for all) and an actor, `rollback` route, version ("" for the one before) and actor. `inject`
    takes route, content, content type, file name and actor, and shows `id`, `disposition` and `faults`. `probe` takes
    an endpoint and gives (stage, well, remark). `replay` puts a study on the way to an endpoint.
    """

    dispatcher: Dispatcher
    gates: Gates
    repeats: Repeats
    alerts: AlertBook
    watch: Watch
    metrics: Metrics
    started_ms: int
    ready: Callable[[], bool]
    loaded: Callable[[], Loaded]
    channels: Callable[[], Sequence[View]]
    reload: Callable[[str, str], Awaitable[View]]
    rollback: Callable[[str, str, str], Awaitable[View]]
    inject: Callable[[str, bytes, str, str, str], Awaitable[View]]
    probe: Callable[[str], Awaitable[Sequence[tuple[str, bool, str]]]]
    replay: Replayer


class Control:
    """The engine as the API sees it."""

    def __init__(self, store: Store, clock: Clock, live: Live | None = None) -> None:
        self.store = store
        self.clock = clock
        self.new_id = IdSource(clock).next
        self._live = live

    @property
    def live(self) -> Live:
        """The running parts; NotRunning on a stopped store."""
        if self._live is None:
            raise NotRunning("the engine is not running: this needs `passerelle run`")
        return self._live

    @property
    def running(self) -> bool:
        return self._live is not None

    def changed(self, delivery: Delivery) -> None:
        """Tell the running parts that an operator changed a delivery."""
        if self._live is not None:
            self._live.dispatcher.kick(delivery.endpoint)
            self._live.watch.signal()

    def in_flight(self) -> frozenset[int]:
        """Return the deliveries that are being sent at this moment."""
        if self._live is None:
            return frozenset()
        return frozenset(flying.delivery for flying in self._live.dispatcher.in_flight())
