"""Channel `timer`: makes a message at the instants of a schedule, each once, also over restarts and clock changes."""

from __future__ import annotations

from channels.timer.inbound import TimerInbound
from channels.timer.model import TimerListener
from engine.spi import ChannelType

CHANNEL = ChannelType("timer", listener=TimerListener, inbound=TimerInbound)
