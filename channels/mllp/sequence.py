"""The sequence number protocol: MSH-13 counts the messages of one application, MSA-4 says which one is expected.

Source: HL7 v2.5.1 2.10.1.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from engine.spi import SmallState

UNKNOWN: Final = -1
"""MSA-4 where no message was accepted yet, and the request to begin anew (2.10.1 b and e)."""

_START: Final = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a number means: `expected` goes into MSA-4.

    `take` says that the message is handed in; `answer` that it is a question about the link and nothing but answered;
    where neither holds it is refused.
    """

    expected: int
    take: bool = False
    answer: bool = False


@dataclass(slots=True)
class Link:
    """The numbers of one sending application: the last one accepted, and the message that bore it."""

    name: str
    last: int = UNKNOWN
    control_id: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def expected(self) -> int:
        """MSA-4: one more than the last accepted, -1 where there is none."""
        return UNKNOWN if self.last == UNKNOWN else self.last + 1

    def judge(self, text: str, control_id: str) -> Judgement:
        """Say what a message that bears this MSH-13 is.

        A number that was accepted already is taken again only for the same message: the acknowledgement was lost, and
        the duplicate check answers it (2.10.1 d 1).
        """
        try:
            number = int(text)
        except ValueError:
            return Judgement(self.expected)
        if number in (_START, UNKNOWN):
            return Judgement(self.expected if number == _START else UNKNOWN, answer=True)
        copy = number == self.last and control_id == self.control_id
        if number > 0 and (self.last == UNKNOWN or number == self.expected or copy):
            return Judgement(number, take=True)
        return Judgement(self.expected)


class Sequences:
    """The links of one listener; their numbers last as long as the engine's store."""

    def __init__(self, state: SmallState) -> None:
        self._state = state
        self._links: dict[str, Link] = {}

    async def link(self, name: str) -> Link:
        """Return the link of an application; hold its lock from the judgement until the answer is decided."""
        if name not in self._links:
            kept = await self._state.get(_key(name))
            link = Link(name)
            if kept is not None:
                number, _, link.control_id = kept.partition(" ")
                link.last = int(number)
            self._links.setdefault(name, link)
        return self._links[name]

    async def accepted(self, link: Link, number: int, control_id: str) -> None:
        """Keep the number of a message that was accepted; durable on return, as it must be before the answer."""
        if (link.last, link.control_id) != (number, control_id):
            await self._state.put(_key(link.name), f"{number} {control_id}")
            link.last, link.control_id = number, control_id

    async def reset(self, link: Link) -> None:
        """Take the next number as the first one."""
        await self.accepted(link, UNKNOWN, "")


def _key(name: str) -> str:
    return f"sequence/{name}"
