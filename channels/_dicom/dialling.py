"""Open an association with a partner: connection, TLS and negotiation, each with a cause that people can act on."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import TypeVar

import anyio.to_thread

from channels._dicom.endpoint import DicomEndpoint, Timeouts
from channels._dicom.proposing import Proposal
from channels._dicom.requesting import Requestor
from channels._dicom.upper import LARGEST_PDU
from channels._dicom.wire import cut
from channels._tcp.dial import Destination, connect, connect_failure
from engine.spi import ChannelContext

T = TypeVar("T")


async def dial(
    config: DicomEndpoint,
    context: ChannelContext,
    proposals: Sequence[Proposal],
    *,
    timeouts: Timeouts | None = None,
    largest_pdu: int = LARGEST_PDU,
    limiter: anyio.CapacityLimiter | None = None,
) -> Requestor:
    """Return an association with an endpoint; its methods block, so call them by `attended`.

    `largest_pdu` is what the peer may send in one piece, in bytes.

    Raises:
        Transient: no name, no address, no TLS, no room at the peer; nothing was sent.
        Permanent: the peer is not who it must be, does not accept who we are, or its address is forbidden.
    """
    times = timeouts or config.timeouts.seconds()
    destination = destination_of(config, context)
    until = monotonic() + times.connect
    sock = await connect(destination, seconds=times.connect)
    requestor = await secured(sock, destination, times, until=until, largest_pdu=largest_pdu, limiter=limiter)
    try:
        agree = partial(requestor.open, config.calling, config.ae_title, proposals)
        await attended(agree, requestor.cut, limiter)
    except BaseException:
        requestor.close()
        raise
    return requestor


async def secured(
    sock: socket.socket,
    destination: Destination,
    timeouts: Timeouts,
    *,
    until: float,
    largest_pdu: int = LARGEST_PDU,
    limiter: anyio.CapacityLimiter | None = None,
) -> Requestor:
    """Put TLS on a connection, where the endpoint has it, and return it as a requestor that has not asked yet.

    Raises:
        Transient, Permanent: as `dial`; the connection is closed.
    """
    wrapped = sock
    try:
        if destination.tls is not None:
            wrapped = destination.tls.wrap_socket(
                sock, server_hostname=destination.host, do_handshake_on_connect=False
            )
            await attended(partial(_shake_hands, wrapped, until), partial(cut, wrapped), limiter)
    except BaseException:
        wrapped.close()
        sock.close()
        raise
    return Requestor(wrapped, timeouts, largest_pdu=largest_pdu)


async def attended(
    work: Callable[[], T], break_off: Callable[[], object], limiter: anyio.CapacityLimiter | None = None
) -> T:
    """Return what `work` returns in a thread; where the caller is cancelled, `break_off` makes it end first."""
    task = asyncio.ensure_future(anyio.to_thread.run_sync(work, limiter=limiter))
    task.add_done_callback(_seen)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            break_off()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        raise


def _seen(task: asyncio.Future[T]) -> None:
    """Take note of an error that nobody waits for any more: who asked was cancelled."""
    if not task.cancelled():
        task.exception()


def destination_of(config: DicomEndpoint, context: ChannelContext) -> Destination:
    """Return where an endpoint is."""
    return Destination(
        config.dicom.host,
        config.dicom.port,
        context.tls,
        allowed=config.allow_addresses,
        plaintext=config.plaintext.allow if config.plaintext else (),
    )


def _shake_hands(sock: ssl.SSLSocket, until: float) -> None:
    sock.settimeout(max(until - monotonic(), 0.001))
    try:
        sock.do_handshake()
    except OSError as error:  # ssl.SSLError is one
        raise connect_failure(error) from error
