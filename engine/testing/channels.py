"""The contract kit for channels: one import for the suites, the parts they need, and what they answer.

See docs/howto/add-a-channel.md: one file below `channels`, one test class that inherits a contract.
"""

from __future__ import annotations

from engine.testing.changes import Changes
from engine.testing.context import CountedInMemory, StateInMemory, channel_context
from engine.testing.inbound import Answer, Crash, InboundContract, Sender
from engine.testing.intake import RecordingIntake
from engine.testing.outbound import (
    MARKER,
    Arrival,
    Behaviour,
    NetworkOutboundContract,
    NetworkPartner,
    OutboundContract,
    Partner,
)

__all__ = [
    "MARKER",
    "Answer",
    "Arrival",
    "Behaviour",
    "Changes",
    "CountedInMemory",
    "Crash",
    "InboundContract",
    "NetworkOutboundContract",
    "NetworkPartner",
    "OutboundContract",
    "Partner",
    "RecordingIntake",
    "Sender",
    "StateInMemory",
    "channel_context",
]
