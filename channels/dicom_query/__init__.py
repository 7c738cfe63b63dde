"""Query/retrieve as a channel out: routes ask an archive by C-FIND, C-MOVE and C-GET."""

from __future__ import annotations

from channels.dicom_query.endpoint import DicomQueryEndpoint
from engine.spi import ChannelContext, ChannelType, Outbound


def _outbound(config: DicomQueryEndpoint, context: ChannelContext) -> Outbound:
    from channels.dicom_query.outbound import (
        DicomQueryOutbound,  # pynetdicom is loaded where DICOM is spoken only
    )

    return DicomQueryOutbound(config, context)


CHANNEL = ChannelType("dicom_query", endpoint=DicomQueryEndpoint, outbound=_outbound)
