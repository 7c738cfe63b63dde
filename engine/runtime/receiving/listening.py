"""One listener that is kept running: its channel in a task of its own, restarted alone when it crashes."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from dataclasses import dataclass

from anyio import CancelScope, Event, create_task_group, move_on_after

from engine.clock import Clock
from engine.errors import FATAL, ConfigurationError
from engine.spi import Counters, Inbound, Intake

ENDING = (*FATAL, ConfigurationError)
"""Errors that end the process; every other one restarts its channel."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds before a restart: doubled at each crash, from `FIRST_PAUSE` again after `STEADY`."""

STEADY = 60.0
"""Seconds after which a channel counts as running well."""

MakeInbound = Callable[[], Inbound]
"""Builds the channel anew: a crashed instance is never used again."""

_log = logging.getLogger(__name__)


class ChannelState(enum.Enum):
    """How a channel stands; the value is its word in API and console."""

    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How one channel stands: its bound address ("" before it has one), since when, and why it last crashed."""

    name: str
    state: ChannelState
    address: str
    restarts: int
    since_ms: int
    error: str = ""


class Listening:
    """Keeps one listener running until `stop`."""

    def __init__(
        self, name: str, make: MakeInbound, intake: Intake, clock: Clock, counters: Counters
    ) -> None:
        self.name = name
        self.tried = Event()
        self._make = make
        self._intake = intake
        self._clock = clock
        self._counters = counters
        self._inbound: Inbound | None = None
        self._scope = CancelScope()
        self._stopping = False
        self._ended = Event()
        self._state = ChannelState.STARTING
        self._since_ms = clock.now_ms()
        self._address = ""
        self._error = ""
        self._restarts = 0

    def health(self) -> ChannelHealth:
        """Return how it stands now."""
        return ChannelHealth(
            self.name, self._state, self._address, self._restarts, self._since_ms, self._error
        )

    async def run(self) -> None:
        """Serve, and serve again after a crash. `tried` is set when it listens, or could not for the first time.

        Raises:
            StoreFailed, StoreCorrupt, StoreLocked, ConfigurationError: the process must end.
        """
        pause = FIRST_PAUSE
        try:
            with self._scope:
                while True:
                    began = self._clock.monotonic()
                    await self._serve()
                    self.tried.set()
                    if self._stopping:
                        break
                    if self._clock.monotonic() - began >= STEADY:
                        pause = FIRST_PAUSE
                    self._become(ChannelState.RESTARTING)
                    self._restarts += 1
                    self._counters.count("channel_restarts", channel=self.name)
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
        finally:
            self._become(ChannelState.STOPPED)
            self.tried.set()
            self._ended.set()

    async def stop(self, grace: float) -> None:
        """Accept nothing new, let what was begun end within `grace` seconds, then end."""
        self._stopping = True
        inbound = self._inbound
        with move_on_after(grace):
            if inbound is not None and self._state is ChannelState.RUNNING:
                try:
                    await inbound.stop()
                    await self._ended.wait()
                except Exception as error:  # noqa: BLE001 - it is ended below whatever it raised
                    self._say("a channel did not stop by itself", error)
        self._scope.cancel()
        await self._ended.wait()

    async def _serve(self) -> None:
        """Serve once, until it stops or crashes; only what must end the process is raised."""
        try:
            self._inbound = self._make()
            async with create_task_group() as group:
                self._address = await group.start(self._inbound.serve, self._intake)
                self._error = ""
                self._become(ChannelState.RUNNING)
                self.tried.set()
        except Exception as error:
            fatal = fatal_of(error)
            if fatal is not None:
                raise fatal from error
            cause = _first(error)
            self._error = _told(cause)
            self._say(f"a channel crashed; it is restarted: {self._error}", cause)
        else:
            if not self._stopping:
                _log.warning(
                    "a channel ended by itself; it is restarted",
                    extra={"action": "channel", "listener": self.name},
                )
        finally:
            self._inbound = None

    def _become(self, state: ChannelState) -> None:
        self._state = state
        self._since_ms = self._clock.now_ms()

    def _say(self, text: str, error: BaseException) -> None:
        _log.error(text, exc_info=error, extra={"action": "channel", "listener": self.name})


def fatal_of(error: BaseException) -> BaseException | None:
    """Return the error inside, however deep in groups, that must end the process."""
    if isinstance(error, ENDING):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for each in error.exceptions if (found := fatal_of(each)) is not None), None)
    return None


def _told(cause: BaseException) -> str:
    """Return the type of an error, and of one of the system its own words, in which nothing of a message can stand."""
    words = cause.strerror if isinstance(cause, OSError) and cause.errno is not None else None
    return f"{type(cause).__name__}: {words}" if words else type(cause).__name__


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
