"""DICOM as a channel, both ways: instances by C-STORE over mutual TLS 1.3, each acknowledged once it is durable."""

from __future__ import annotations

from channels._dicom.endpoint import DicomEndpoint
from channels.dicom.listener import DicomListener
from engine.spi import ChannelContext, ChannelType, Inbound, Outbound

# pynetdicom is loaded where DICOM is spoken only


def _inbound(config: DicomListener, context: ChannelContext) -> Inbound:
    from channels.dicom.inbound import DicomInbound

    return DicomInbound(config, context)


def _outbound(config: DicomEndpoint, context: ChannelContext) -> Outbound:
    from channels.dicom.outbound import DicomOutbound

    return DicomOutbound(config, context)


CHANNEL = ChannelType(
    "dicom", listener=DicomListener, endpoint=DicomEndpoint, inbound=_inbound, outbound=_outbound
)
