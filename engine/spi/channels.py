"""Listeners and endpoints: what a channel type offers, and what it is given."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from anyio.abc import TaskStatus

from engine.clock import Clock
from engine.errors import NotFound
from engine.model import Attempt, Certificate, Confirmation, Reply
from engine.spi.exchanges import Intake
from engine.spi.imaging import Access, Images, NoImages, Worklists


class Inbound(ABC):
    """A listener of one channel type. One instance per configured listener."""

    def __init__(self, config: Any, context: ChannelContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        """Listen and hand in messages until `stop()` or cancellation.

        Calls `task_status.started(address)` once it listens, with the bound address (`127.0.0.1:41234`, a folder,
        a queue). An exception restarts the channel alone, with backoff. One task per connection, none per message.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Accept nothing new, finish what was begun, then return; `serve` returns soon after."""


class Outbound(ABC):
    """The sending side for one endpoint; entered once, then `send` runs concurrently up to the endpoint's limit."""

    def __init__(self, config: Any, context: ChannelContext) -> None:
        self.config = config
        self.context = context

    async def __aenter__(self) -> Self:
        """Prepare pools; never fail because the partner is absent."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""

    @abstractmethod
    async def send(self, attempt: Attempt) -> Reply:
        """Deliver once and return the partner's positive answer.

        Must be bounded by `attempt.timeout` seconds, and safe to call again with the same `message_id`.

        Raises:
            Transient: absent, busy or silent; `sent=True` when something was sent and no valid reply came back.
            Permanent: this endpoint will not take it, another may.
            Rejected: the partner refuses this message for its content.
        """

    @abstractmethod
    async def probe(self) -> Sequence[tuple[str, bool, str]]:
        """Check the way to the partner without sending a message: (stage, well, remark) for dns, tcp, tls, ..."""


class SmallState(Protocol):
    """A few durable values of one channel (last file seen, last timer run): at most 64 KiB each."""

    async def get(self, name: str) -> str | None: ...

    async def put(self, name: str, value: str) -> None:
        """Return once the value is durable."""


class Counters(Protocol):
    """Metrics that a channel may move; names and labels come from an allow-list in `engine.observe`."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


async def _nobody_waits(confirmation: Confirmation) -> bool:
    return False


async def _nobody_writes(access: Access) -> None:
    pass


def _no_listener(name: str) -> Intake:
    raise NotFound(f"there is no listener {name}")


def _nowhere(name: str) -> tuple[Any, ChannelContext]:
    raise NotFound(f"there is no endpoint {name}")


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel gets from the engine.

    `name` is the listener's or `partner.endpoint`; `folder` is what relative paths start from; `var` is the folder
    for the engine's own files; `tls` is ready to use, or None for plaintext; `connection` is the named connection
    that the endpoint refers to, as configured; `identify` gives the partner a certificate belongs to, `certified` says
    whether a partner has certificates that prove it, so that a stranger's does not speak for it. `confirm` hands on
    what a partner says later of a message that it took (`Reply.awaiting`): True once that is durable, False where
    nothing waits for it. `images` are the DICOM instances that the store holds. `accessed` journals who was shown what
    of them, and returns once that is durable. `reach` gives the configuration of an endpoint (`partner.endpoint`) and
    its context, for a listener that asks it something; NotFound where there is none. `worklists` are the engine's.
    """

    name: str
    clock: Clock
    logger: Logger
    counters: Counters
    state: SmallState
    folder: Path
    var: Path
    new_id: Callable[[], str]
    tls: ssl.SSLContext | None = None
    connection: Any = None
    identify: Callable[[Certificate], str | None] = lambda certificate: None
    certified: Callable[[str], bool] = lambda partner: False
    confirm: Callable[[Confirmation], Awaitable[bool]] = _nobody_waits
    images: Images = field(default_factory=NoImages)
    worklists: Worklists | None = None
    accessed: Callable[[Access], Awaitable[None]] = _nobody_writes
    reach: Callable[[str], tuple[Any, ChannelContext]] = _nowhere
    intake: Callable[[str], Intake] = _no_listener
    selectors: Sequence[str] = ()
    zone: str = "UTC"
    locale: str = "fr-CA"


@dataclass(frozen=True, slots=True)
class ChannelType:
    """One channel type: a module or package under `channels` offers it as `CHANNEL`.

    `listener` and `endpoint` are pydantic models (subclasses of `ListenerConfig` and `EndpointConfig`) whose field
    named like the type holds the address; `inbound` and `outbound` go with them. `connection` is a subclass of
    `ConnectionConfig` where several endpoints may share one way out (`connections: {relay: {smtp: ...}}`). `converses`
    says that its exchanges are a `Conversation`, so that a route may answer with its destination's answer.
    """

    name: str
    listener: type[Any] | None = None
    endpoint: type[Any] | None = None
    inbound: Callable[[Any, ChannelContext], Inbound] | None = None
    outbound: Callable[[Any, ChannelContext], Outbound] | None = None
    connection: type[Any] | None = None
    converses: bool = False
