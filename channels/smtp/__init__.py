"""Channel `smtp`: sends notices by mail through a relay, by TLS or not at all."""

from __future__ import annotations

from channels.smtp.model import SmtpConnection, SmtpEndpoint
from channels.smtp.outbound import SmtpOutbound
from engine.spi import ChannelType

CHANNEL = ChannelType("smtp", endpoint=SmtpEndpoint, outbound=SmtpOutbound, connection=SmtpConnection)
