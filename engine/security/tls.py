"""Build TLS 1.3 contexts for listeners and clients, and change their certificates without a restart.

A `RotatingContext` is an `ssl.SSLContext` that hands every new connection to the context it loaded last. So
certificate, key and authorities change together and whoever holds the object need not know: asyncio, uvloop, aiohttp,
aio-pika and aiosmtplib all begin a connection with `wrap_bio`. Connections that are open keep what they began with.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.clock import Clock
from engine.security.diagnosis import TlsFailure, diagnose, explain_tls_error
from engine.security.identity import UnusableCertificate

WATCH_SECONDS = 10.0


class Clients(StrEnum):
    """What a listener asks of the clients that connect to it."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a context's PEM files are: `cert` is a chain, leaf first; without `ca` a client trusts the system's."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None

    def paths(self) -> tuple[Path, ...]:
        """Return the files that are named."""
        return tuple(path for path in (self.cert, self.key, self.ca) if path is not None)


class _Incoming(ssl.SSLObject):
    """The listener's end of a connection: says why it refuses a client, to us and to the client.

    asyncio and uvloop drop a failed handshake without a word and without writing the alert that OpenSSL prepared, so
    the client sees a bare reset. Asking for more input first makes them write it; the error follows at the next turn.
    """

    outgoing: ssl.MemoryBIO
    refused: Callable[[TlsFailure], None]
    failed: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self.failed is not None:
            raise self.failed
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self.failed = error
            failure = diagnose(error)
            if failure is not None:
                self.refused(failure)
            if self.outgoing.pending:
                raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "an alert waits to be written") from error
            raise


class RotatingContext(ssl.SSLContext):
    """An `ssl.SSLContext` whose files can be loaded again while it is in use.

    `refused` is called with the cause of each handshake that fails on a connection that came in; set it to log and
    count. It must return at once and raise nothing.
    """

    def __new__(cls, load: Callable[[], ssl.SSLContext], files: TlsFiles) -> RotatingContext:
        """Make the outer shell; its settings are those of the first context, for whoever looks at them."""
        loaded = _prepared(load())
        self = super().__new__(cls, loaded.protocol)
        self.minimum_version = loaded.minimum_version
        self.check_hostname = loaded.check_hostname
        self.verify_mode = loaded.verify_mode
        self._loaded = loaded
        return self

    def __init__(self, load: Callable[[], ssl.SSLContext], files: TlsFiles) -> None:
        self.files = files
        self.refused: Callable[[TlsFailure], None] = lambda failure: None
        self._load = load
        self._seen = _signature(files)
        self._loaded: ssl.SSLContext

    def changed(self) -> bool:
        """Say whether a file is another one than at the last load or failed reload."""
        return _signature(self.files) != self._seen

    def reload(self) -> None:
        """Load the files again for the connections to come.

        Raises:
            UnusableCertificate: a file is missing or they do not fit; the running ones stay in use.
        """
        self._seen = _signature(self.files)  # before reading: what changes meanwhile is seen the next time
        self._loaded = _prepared(self._load())

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection with the files that were loaded last."""
        connection = self._loaded.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(connection, _Incoming):
            connection.outgoing, connection.refused = outgoing, self.refused
        return connection

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Begin a blocking connection with the files that were loaded last."""
        return self._loaded.wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )


def server_context(files: TlsFiles, *, clients: Clients | str = Clients.REQUIRED) -> RotatingContext:
    """Make a context for a listener: TLS 1.3 only, client certificates as asked, no session resumption.

    Without tickets every connection proves its certificate anew, so a revoked one cannot resume.

    Raises:
        UnusableCertificate: a file is missing or unfit, or clients are asked for without a `ca` to check them by.
    """
    wanted = Clients(clients)
    if files.cert is None:
        raise UnusableCertificate("a TLS listener needs a certificate (cert)")
    if wanted is not Clients.NONE and files.ca is None:
        raise UnusableCertificate("client certificates are checked against an authority: name its file (ca)")
    return RotatingContext(lambda: _server(files, wanted), files)


def client_context(files: TlsFiles) -> RotatingContext:
    """Make a context for connections out: TLS 1.3 only, the peer's name checked, our certificate where there is one.

    Raises:
        UnusableCertificate: a file is missing or unfit.
    """
    return RotatingContext(lambda: _client(files), files)


async def watch(
    contexts: Sequence[RotatingContext],
    clock: Clock,
    report: Callable[[RotatingContext, UnusableCertificate | None], None],
    *,
    every: float = WATCH_SECONDS,
) -> None:
    """Reload contexts whose files changed, until cancelled; looks every `every` seconds.

    `report` hears of each reload once: with None when the new files are in use, else with the cause and the old ones
    stay. Looking costs one stat per file, and a file system that has no notification (NFS, a mounted secret) is fine.
    """
    while True:
        await clock.sleep(every)
        for context in contexts:
            if not context.changed():
                continue
            try:
                context.reload()
            except UnusableCertificate as error:
                report(context, error)
            else:
                report(context, None)


def _prepared(context: ssl.SSLContext) -> ssl.SSLContext:
    if context.protocol is ssl.PROTOCOL_TLS_SERVER:
        context.sslobject_class = _Incoming
    return context


def _server(files: TlsFiles, clients: Clients) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    _load_certificate(context, files)
    if clients is not Clients.NONE:
        context.verify_mode = ssl.CERT_REQUIRED if clients is Clients.REQUIRED else ssl.CERT_OPTIONAL
        _load_authorities(context, files)
    return context


def _client(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks the chain and the name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if files.cert is not None:
        _load_certificate(context, files)
    _load_authorities(context, files)
    return context


def _load_certificate(context: ssl.SSLContext, files: TlsFiles) -> None:
    assert files.cert is not None
    for path in (files.cert, files.key):
        if path is not None:
            _readable(path)

    def refuse_password() -> str:
        raise UnusableCertificate(
            f"the key {files.key or files.cert} is encrypted; give one without a password"
        )

    try:
        context.load_cert_chain(files.cert, files.key, refuse_password)
    except ssl.SSLError as error:
        key = files.key or files.cert
        raise UnusableCertificate(
            f"cannot use {files.cert} with {key}: {explain_tls_error(error)}"
        ) from error


def _load_authorities(context: ssl.SSLContext, files: TlsFiles) -> None:
    if files.ca is None:
        context.load_default_certs()
        return
    _readable(files.ca)
    try:
        context.load_verify_locations(files.ca)
    except ssl.SSLError as error:
        raise UnusableCertificate(f"{files.ca} holds no usable certificate authority") from error


def _readable(path: Path) -> None:
    """Name the file that is missing: the ssl module does not say which of its files it is."""
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnusableCertificate(f"cannot read {path}: {error.strerror}") from error


def _signature(files: TlsFiles) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_stat(path) for path in files.paths())


def _stat(path: Path) -> tuple[int, int, int] | None:
    """Follow symbolic links: a mounted secret is swapped by its link."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)
