"""A record system over HTTP as the contract's partner: it becomes what it is told, and counts what it accepted."""

from __future__ import annotations

import ssl
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from engine.testing.channels import Arrival, Behaviour, NetworkPartner
from tests.peers.emr import Answer, Emr, Misbehaviour, Received, busy


class HttpPartner(NetworkPartner):
    """Answers every POST by its behaviour; anything else with 200."""

    retry_after = 7.0

    def __init__(self, server: Emr, tls: ssl.SSLContext | None, config: Any) -> None:
        self.server = server
        self.tls = tls
        self.config = config
        self._accepted: list[Arrival] = []
        self._behaviour = Behaviour.ACCEPTS
        self._present = True
        server.script = self._script

    @abstractmethod
    def arrival(self, received: Received) -> Arrival:
        """Return what a request brought."""

    @abstractmethod
    def taken(self, received: Received) -> Answer:
        """Return how a request is accepted."""

    @abstractmethod
    def refused(self, received: Received) -> Answer:
        """Return how a request is refused for good."""

    async def become(self, behaviour: Behaviour) -> None:
        if behaviour is Behaviour.ABSENT:
            await self.server.stop()
            self._present = False
            return
        self._behaviour = behaviour
        if not self._present:
            await self.server.start()
            self._present = True

    async def arrivals(self) -> Sequence[Arrival]:
        return [self.arrival(each) for each in self.server.requests if each.method == "POST"]

    async def accepted(self) -> Sequence[Arrival]:
        return list(self._accepted)

    def opened(self) -> int:
        return self.server.connections

    def live(self) -> int:
        return len(self.server._tasks)

    def _script(self, received: Received) -> Answer | Misbehaviour:
        if received.method != "POST":
            return Answer(200)
        match self._behaviour:
            case Behaviour.BUSY:
                return busy("7")
            case Behaviour.SILENT:
                return Misbehaviour.SILENT
            case Behaviour.DROPS:
                return Misbehaviour.DROP
            case Behaviour.REFUSES:
                return self.refused(received)
        self._accepted.append(self.arrival(received))
        return self.taken(received)
