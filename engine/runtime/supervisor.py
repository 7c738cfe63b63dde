"""Starts everything in order, keeps it running, and stops it in reverse.

Start: outbounds, dispatcher, listeners, ready; recovery has ended before. Stop: listeners accept nothing new, what is
in flight is drained within the grace, outbounds close. A channel that crashes restarts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from anyio import TASK_STATUS_IGNORED, Event, create_task_group, current_time
from anyio.abc import TaskGroup, TaskStatus

from engine.clock import Clock
from engine.errors import Conflict, NotFound
from engine.runtime.receiving.listening import ChannelHealth, ChannelState, Listening, MakeInbound
from engine.runtime.sending.dispatcher import Dispatcher
from engine.runtime.sending.outbounds import Outbounds
from engine.spi import Counters, Intake

GRACE = 20.0
"""Seconds for a stop; a last moment for settlements comes on top (GUARANTEES: drained within 25 s)."""


class Supervisor:
    """Runs the channels of one engine; listeners can be added, replaced and removed while it runs.

    `intake` gives what the listener of a name hands its messages to.
    """

    def __init__(
        self,
        *,
        intake: Callable[[str], Intake],
        dispatcher: Dispatcher,
        outbounds: Outbounds,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._intake = intake
        self._dispatcher = dispatcher
        self._outbounds = outbounds
        self._clock = clock
        self._counters = counters
        self._listening: dict[str, Listening] = {}
        self._group: TaskGroup | None = None
        self._stop = Event()
        self.ready = False

    async def run(
        self,
        inbounds: Mapping[str, MakeInbound],
        *,
        grace: float = GRACE,
        task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        """Run until `stop`; `task_status` is started when every listener listens, or could not at its first try.

        Raises:
            StoreFailed, StoreCorrupt, StoreLocked, ConfigurationError: the process must end; alone or in a group.
        """
        async with create_task_group() as group:
            self._group = group
            self._outbounds.start(group)
            await self._dispatcher.start(group)
            for name, make in inbounds.items():
                self._begin(group, name, make)
            for listening in list(self._listening.values()):
                await listening.tried.wait()
            self.ready = True
            task_status.started()
            await self._stop.wait()
            await self._end(grace)

    def stop(self) -> None:
        """Begin to stop; `run` returns when everything has ended."""
        self._stop.set()

    async def add(self, name: str, make: MakeInbound) -> ChannelHealth:
        """Start a listener; return how it stands after its first try.

        Raises:
            Conflict: there is one of that name, or the engine does not run.
        """
        if self._group is None or self._stop.is_set():
            raise Conflict("the engine does not run")
        if name in self._listening:
            raise Conflict(f"there is a listener {name} already")
        listening = self._begin(self._group, name, make)
        await listening.tried.wait()
        return listening.health()

    async def remove(self, name: str, *, grace: float = GRACE) -> None:
        """Stop a listener: it accepts nothing new and ends what it began.

        Raises:
            NotFound: there is none of that name.
        """
        listening = self._listening.pop(name, None)
        if listening is None:
            raise NotFound(f"there is no listener {name}")
        await listening.stop(grace)

    async def replace(self, name: str, make: MakeInbound, *, grace: float = GRACE) -> ChannelHealth:
        """Stop a listener and start it anew as configured now: both cannot hold one port.

        Raises:
            NotFound, Conflict: as `remove` and `add`.
        """
        await self.remove(name, grace=grace)
        return await self.add(name, make)

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where each listener that runs can be reached, as bound."""
        found = (listening.health() for listening in self._listening.values())
        return {health.name: health.address for health in found if health.state is ChannelState.RUNNING}

    def health(self) -> list[ChannelHealth]:
        """Return how each listener stands, by name."""
        return [listening.health() for _, listening in sorted(self._listening.items())]

    def _begin(self, group: TaskGroup, name: str, make: MakeInbound) -> Listening:
        listening = Listening(name, make, self._intake(name), self._clock, self._counters)
        self._listening[name] = listening
        group.start_soon(listening.run)
        return listening

    async def _end(self, grace: float) -> None:
        self.ready = False
        deadline = current_time() + grace
        async with create_task_group() as stopping:
            for listening in self._listening.values():
                stopping.start_soon(listening.stop, grace / 2)
        await self._dispatcher.drain(max(0.0, deadline - current_time()))
        await self._outbounds.close()
        self._group = None
