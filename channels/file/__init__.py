"""Channel `file`: takes files from a folder once they are whole, and writes files that appear whole, once."""

from __future__ import annotations

from channels.file.inbound import FileInbound
from channels.file.model import FileEndpoint, FileListener
from channels.file.outbound import FileOutbound
from engine.spi import ChannelType

CHANNEL = ChannelType(
    "file", listener=FileListener, endpoint=FileEndpoint, inbound=FileInbound, outbound=FileOutbound
)
