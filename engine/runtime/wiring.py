"""Builds channels from the configuration: their contexts, TLS contexts that rotate, and durable small state."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.clock import Clock
from engine.config.loaded import Loaded
from engine.config.partner import PartnerConfig
from engine.config.settings import TlsProfile
from engine.errors import NotFound
from engine.model import Confirmation
from engine.registry import channel_type
from engine.runtime.compiling.policies import ALERT
from engine.runtime.routing.board import Current
from engine.security.diagnosis import TlsFailure
from engine.security.identity import UnusableCertificate
from engine.security.tls import WATCH_SECONDS, RotatingContext, TlsFiles, client_context, server_context
from engine.spi import Access, ChannelContext, Counters, Images, Inbound, Intake, Outbound, Worklists
from engine.store.protocol import Journal, Records

_STATE = "channel"
_LIMIT = 64 * 1024
_log = logging.getLogger("passerelle.channel")

MakeOutbound = Callable[[str], Outbound]


class StoredState:
    """The small durable state of one channel, as records of the store; implements `spi.SmallState`."""

    def __init__(self, records: Records, clock: Clock, owner: str) -> None:
        self._records = records
        self._clock = clock
        self._owner = owner

    async def get(self, name: str) -> str | None:
        """Return a value, None when it was never put."""
        found = await self._records.get(_STATE, f"{self._owner}/{name}")
        return found.value if found else None

    async def put(self, name: str, value: str) -> None:
        """Keep a value; returns once it is durable. ValueError above 64 KiB."""
        if len(value.encode()) > _LIMIT:
            raise ValueError(f"the small state {name!r} holds at most 64 KiB")
        await self._records.put(_STATE, f"{self._owner}/{name}", value, at_ms=self._clock.now_ms())


@dataclass(slots=True)
class Wiring:
    """Makes inbounds and outbounds of whatever configuration is current."""

    loaded: Loaded
    current: Current
    records: Records
    clock: Clock
    counters: Counters
    new_id: Callable[[], str]
    confirm: Callable[[Confirmation], Awaitable[bool]]
    journal: Journal
    images: Images
    intake: Callable[[str], Intake]
    contexts: dict[tuple[str, bool], RotatingContext] = field(default_factory=dict)
    worklists: Worklists | None = None

    def use(self, loaded: Loaded) -> None:
        """Take another configuration; TLS profiles that changed get new contexts."""
        before, after = self.loaded.app.tls, loaded.app.tls
        for key in list(self.contexts):
            if before.get(key[0]) != after.get(key[0]):
                del self.contexts[key]
        self.loaded = loaded

    @property
    def var(self) -> Path:
        """The folder for the engine's own files."""
        return self.loaded.root / self.loaded.app.engine.var

    async def accessed(self, access: Access) -> None:
        """Journal who is shown what; returns once that is durable."""
        now = self.clock.now_ms()
        await self.journal.append(access.action, actor=access.actor, detail=access.detail, at_ms=now)

    def inbound(self, listener: str) -> Inbound:
        """Build the inbound of a listener; NotFound when it has none."""
        config = self.loaded.app.listen[listener]
        made = channel_type(config.type).inbound
        if made is None:
            raise NotFound(f"{config.type} cannot listen")
        door = self.current.board.doors.get(listener)
        selectors = tuple(door.routes) if door else ()
        tls = self._tls(config.tls, server=True)
        context = self._context(listener, tls, config.zone, selectors=selectors)
        return made(config, context)

    def outbound(self, name: str) -> Outbound:
        """Build the outbound of `partner.endpoint`, or of an alert's `mailto:`; NotFound when it is gone."""
        if name.startswith(ALERT):
            return self._mail(name.removeprefix(ALERT))
        written, config = self._endpoint(name)
        made = channel_type(config.type).outbound
        if made is None:
            raise NotFound(f"{config.type} cannot send")
        return made(config, self._context_of(name, config, written.zone))

    def reach(self, name: str) -> tuple[Any, ChannelContext]:
        """Return the configuration and the context of `partner.endpoint`; NotFound when it is gone."""
        written, config = self._endpoint(name)
        return config, self._context_of(name, config, written.zone)

    def server_tls(self, profile: str | None) -> ssl.SSLContext | None:
        """Return the context of a TLS profile for listening, None without one."""
        return self._tls(profile, server=True)

    async def watch_certificates(self) -> None:
        """Load changed certificate files for connections to come, until cancelled; bad ones leave the old in use."""
        while True:
            await self.clock.sleep(WATCH_SECONDS)
            for (profile, _), context in list(self.contexts.items()):
                if context.changed():
                    try:
                        context.reload()
                    except UnusableCertificate as error:
                        _log.error(
                            "new certificates cannot be used, the old ones stay: %s",
                            error,
                            extra={"action": "certificates", "channel": profile},
                        )
                    else:
                        _log.info(
                            "certificates reloaded", extra={"action": "certificates", "channel": profile}
                        )

    def _endpoint(self, name: str) -> tuple[PartnerConfig, Any]:
        partner, _, short = name.rpartition(".")
        written = self.loaded.partners.get(partner)
        config = written.endpoints.get(short) if written else None
        if written is None or config is None:
            raise NotFound(f"there is no endpoint {name} any more")
        return written, config

    def _context_of(self, name: str, config: Any, zone: str | None) -> ChannelContext:
        connection = self._connection(getattr(config, "connection", None), config.type)
        tls = self._tls(config.tls or getattr(connection, "tls", None), server=False)
        return self._context(name, tls, zone, connection=connection)

    def _mail(self, rule: str) -> Outbound:
        alert = self.loaded.app.alerts[rule]
        kind = channel_type("smtp")
        assert kind.endpoint is not None
        assert kind.outbound is not None
        config = kind.endpoint(smtp=alert.to.removeprefix("mailto:"), connection=alert.connection)
        connection = self._connection(alert.connection, "smtp")
        tls = self._tls(getattr(connection, "tls", None), server=False)
        return kind.outbound(config, self._context(ALERT + rule, tls, None, connection=connection))

    def _connection(self, name: str | None, kind: str) -> Any:
        """Return the named connection; without a name the only one of this type, None when there is none."""
        known = self.loaded.app.connections
        if name is not None:
            return known.get(name)
        fitting = [each for each in known.values() if each.type == kind]
        return fitting[0] if len(fitting) == 1 else None

    def _context(
        self,
        name: str,
        tls: ssl.SSLContext | None,
        zone: str | None,
        *,
        selectors: Iterable[str] = (),
        connection: Any = None,
    ) -> ChannelContext:
        settings = self.loaded.app.engine
        return ChannelContext(
            name=name,
            clock=self.clock,
            logger=_log,
            counters=self.counters,
            state=StoredState(self.records, self.clock, name),
            folder=self.loaded.root,
            var=self.var,
            new_id=self.new_id,
            tls=tls,
            connection=connection,
            identify=lambda certificate: self.current.board.directory.identify(certificate),
            certified=lambda partner: self.current.board.directory.certified(partner),
            confirm=self.confirm,
            images=self.images,
            worklists=self.worklists,
            accessed=self.accessed,
            reach=self.reach,
            intake=self.intake,
            selectors=tuple(selectors),
            zone=zone or settings.zone,
            locale=settings.locale,
        )

    def _tls(self, profile: str | None, *, server: bool) -> ssl.SSLContext | None:
        if profile is None:
            return None
        found = self.contexts.get((profile, server))
        if found is None:
            written = self.loaded.app.tls[profile]
            files = self._files(written)
            found = server_context(files, clients=written.clients) if server else client_context(files)
            found.refused = self._refused(profile)
            self.contexts[profile, server] = found
        return found

    def _files(self, written: TlsProfile) -> TlsFiles:
        root = self.loaded.root

        def place(path: Path | None) -> Path | None:
            return None if path is None else root / path

        return TlsFiles(cert=place(written.cert), key=place(written.key), ca=place(written.ca))

    def _refused(self, profile: str) -> Callable[[TlsFailure], None]:
        def refused(failure: TlsFailure) -> None:
            self.counters.count("channel_events", channel=profile, event=f"tls_{failure.code}")
            _log.warning(
                "a client was refused: %s",
                failure.text,
                extra={"action": "tls-refused", "channel": profile, "code": failure.code},
            )

        return refused
