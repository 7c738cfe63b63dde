"""Looks at the way to a partner without sending an instance: one stage after the other, as far as it goes."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import Final

import anyio

from channels._dicom.dialling import attended, destination_of, secured
from channels._dicom.endpoint import DicomEndpoint
from channels._dicom.negotiation import VERIFICATION
from channels._dicom.proposing import Proposal
from channels._tcp.dial import Stages, probed, reach, secured_by
from engine.errors import Permanent
from engine.spi import ChannelContext

_IMPLICIT: Final = "1.2.840.10008.1.2"
_SECONDS: Final = 10.0
_STAGES: Final = ("dns", "tcp", "tls", "association", "echo")


async def probed_by_echo(
    config: DicomEndpoint, context: ChannelContext, limiter: anyio.CapacityLimiter
) -> Sequence[tuple[str, bool, str]]:
    """Return (stage, well, remark) for name, connection, TLS, association and C-ECHO, as far as it goes."""
    return await probed(partial(_look, config, context, limiter), _STAGES, seconds=_SECONDS)


async def _look(
    config: DicomEndpoint, context: ChannelContext, limiter: anyio.CapacityLimiter, found: Stages
) -> None:
    """Add what each stage shows; a stage that fails raises."""
    destination = destination_of(config, context)
    sock = await reach(destination, found)
    timeouts = config.timeouts.seconds()
    requestor = await secured(sock, destination, timeouts, until=monotonic() + _SECONDS, limiter=limiter)
    try:
        agreed = requestor.socket
        found.append(("tls", True, secured_by(agreed if isinstance(agreed, ssl.SSLSocket) else None)))
        proposals = (Proposal(VERIFICATION, (_IMPLICIT,)),)
        agree = partial(requestor.open, config.calling, config.ae_title, proposals)
        await attended(agree, requestor.cut, limiter)
        found.append(("association", True, f"{config.ae_title} takes {config.calling}"))
        status = await attended(partial(requestor.echo, _SECONDS), requestor.cut, limiter)
        if status:
            raise Permanent(f"the partner answers {status:04X} to C-ECHO", code=f"{status:04X}")
        found.append(("echo", True, "answered 0000 to C-ECHO"))
        await attended(requestor.release, requestor.cut, limiter)
    finally:
        requestor.close()
