"""DICOMweb as a channel: instances by STOW-RS, both ways, and what the store holds by QIDO-RS and WADO-RS."""

from __future__ import annotations

from channels.dicomweb.endpoint import DicomWebEndpoint
from channels.dicomweb.listener import DicomWebListener
from engine.spi import ChannelContext, ChannelType, Inbound, Outbound


def _inbound(config: DicomWebListener, context: ChannelContext) -> Inbound:
    from channels.dicomweb.inbound import DicomWebInbound  # pydicom is loaded where instances are served only

    return DicomWebInbound(config, context)


def _outbound(config: DicomWebEndpoint, context: ChannelContext) -> Outbound:
    from channels.dicomweb.outbound import DicomWebOutbound

    return DicomWebOutbound(config, context)


CHANNEL = ChannelType(
    "dicomweb",
    listener=DicomWebListener,
    endpoint=DicomWebEndpoint,
    inbound=_inbound,
    outbound=_outbound,
)
