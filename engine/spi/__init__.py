"""What plugs in: channels, codecs, steps and mappers, each a contract of a few methods.

Who calls what, how often, and what happens after which error is said here and proven by the contract suites in
`engine.testing`. The store's contract stands in `engine.store.protocol`: a channel never sees it. All names are here:
`from engine.spi import Outbound`.
"""

from __future__ import annotations

from engine.spi.channels import ChannelContext, ChannelType, Counters, Inbound, Outbound, SmallState
from engine.spi.documents import Codec, CompiledPath, Document, Getter, LargeCodec
from engine.spi.exchanges import Admission, Announcing, Conversation, Exchange, Intake
from engine.spi.imaging import Access, Images, Narrow, NoImages, Page, Performed, Told, Worklists
from engine.spi.routing import Asked, Carried, Decoded, Losses, Mapper, Scope, Step, TwoWay

__all__ = [
    "Access",
    "Admission",
    "Announcing",
    "Asked",
    "Carried",
    "ChannelContext",
    "ChannelType",
    "Codec",
    "CompiledPath",
    "Conversation",
    "Counters",
    "Decoded",
    "Document",
    "Exchange",
    "Getter",
    "Images",
    "Inbound",
    "Intake",
    "LargeCodec",
    "Losses",
    "Mapper",
    "Narrow",
    "NoImages",
    "Outbound",
    "Page",
    "Performed",
    "Scope",
    "SmallState",
    "Step",
    "Told",
    "TwoWay",
    "Worklists",
]
