"""The sender's side: how a message is handed in, and how a verdict looks in its own protocol."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from engine.model import Announcement, Message, Receipt, Reply, Verdict


class Exchange(Protocol):
    """The sender's side of one message: how a verdict looks in its own protocol."""

    def reply(self, verdict: Verdict) -> bytes:
        """Render the reply before the commit. The bytes are the channel's own form: it writes them, now or when
        the same message comes again and the stored reply is replayed."""


@runtime_checkable
class Conversation(Exchange, Protocol):
    """An exchange whose sender can be given a partner's own answer (`acknowledge: delivered`)."""

    def relay(self, answer: Reply) -> bytes:
        """Render a partner's answer as the reply, in the channel's own form."""


class Announcing(Exchange, Protocol):
    """An exchange that may answer by an endpoint too (an application acknowledgement on a connection of its own)."""

    def announce(self, verdict: Verdict) -> Announcement | None:
        """Return what is delivered to an endpoint, stored in the commit of the verdict; None where nothing is."""


class Admission(Protocol):
    """A share of the in-flight byte budget, given back on exit."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Intake(Protocol):
    """What an inbound channel hands its messages to."""

    def admit(self, partner: str | None, size: int, selector: str = "") -> Admission:
        """Ask before the body is read; `size` is in bytes, declared or the limit.

        Raises:
            BudgetExceeded: memory, disk or store is short, or the engine drains: answer retryably, with Retry-After.
            Unmatched: no route listens at this selector.
        """

    async def __call__(self, message: Message, exchange: Exchange) -> Receipt:
        """Return once the message and its reply are durable: only now may the reply be written.

        A refusal of content is a Receipt too (disposition REFUSED, its reply rendered and journalled).

        Raises:
            Transient: nothing is durable; answer retryably, or close without a reply.
            CommitUnknown: nobody knows; close without a reply, the sender's copy will meet the duplicate check.
        """
