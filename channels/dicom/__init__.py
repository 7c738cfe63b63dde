"""DICOM as a channel: instances by C-STORE over mutual TLS 1.3, each acknowledged once it is durable."""

from __future__ import annotations

from channels.dicom.listener import DicomListener
from engine.spi import ChannelContext, ChannelType, Inbound


def _inbound(config: DicomListener, context: ChannelContext) -> Inbound:
    from channels.dicom.inbound import (
        DicomInbound,
    )  # pynetdicom is loaded where a DICOM listener is served only

    return DicomInbound(config, context)


CHANNEL = ChannelType("dicom", listener=DicomListener, inbound=_inbound)
