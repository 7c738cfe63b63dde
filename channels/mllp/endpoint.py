"""What an endpoint of type `mllp` can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.functional_validators import BeforeValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from channels._hl7.judgement import ELSE, Action
from channels.mllp.settings import Charset, FrameConfig
from engine.config.models import Address, Bool, Duration, EndpointConfig, Network, Reading, StrictModel

HOLD_SECONDS = 900.0
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _read_action(text: str) -> Action:
    if text in ("retry", "dead", "fallback", "delivered"):
        return Action(str(text))
    found = re.fullmatch(r"hold(?: ([0-9]{1,5})([smhd]))?", text, re.ASCII)
    if not found:
        raise ValueError
    return Action("hold", float(found[1]) * _UNITS[found[2]] if found[1] else HOLD_SECONDS)


def _by_code(value: object) -> object:
    return {ELSE: value} if isinstance(value, str | Action) else value


class _OrOne:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        table: dict[str, Any] = handler(schema)
        return {"anyOf": [table["additionalProperties"], table]}


Act = Annotated[
    Action,
    Reading("what to do", "write retry, hold 15m, dead, fallback or delivered", Action, _read_action),
]
Acts = Annotated[dict[str, Act], BeforeValidator(_by_code), _OrOne()]


class AckTable(StrictModel):
    """What a partner's negative answers lead to, where it is another than the standard's.

    Each is one action, or a mapping of codes of HL7 table 0357 (ERR-3) to actions with `else` for the others: `AE:
    {"207": retry, "204": hold 15m, else: dead}`. An action is `retry`, `hold 15m`, `dead`, `fallback` or `delivered`.
    """

    AE: Acts = Field(default_factory=dict)
    """Application error."""

    AR: Acts = Field(default_factory=dict)
    """Application reject."""

    CE: Acts = Field(default_factory=dict)
    """Commit error."""

    CR: Acts = Field(default_factory=dict)
    """Commit reject."""

    match: Literal["msa2", "in_turn"] = "msa2"
    """How an answer finds its message: by MSA-2, or `in_turn` for a partner that does not repeat MSH-10."""

    reason: str = ""
    """Why the partner's answers can be matched by their turn only; `in_turn` needs it."""

    def actions(self) -> Mapping[str, Mapping[str, Action]]:
        """Return what is done by MSA-1, then by ERR-3 or `else`."""
        return {"AE": self.AE, "AR": self.AR, "CE": self.CE, "CR": self.CR}

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.match == "in_turn") != bool(self.reason):
            raise ValueError("`match: in_turn` and its reason go together")
        return self


class MllpTimeouts(StrictModel):
    """How long the partner may take; all together at most the endpoint's `timeout`."""

    connect: Duration = timedelta(seconds=10)
    """For opening a connection; with `role: server`, for the partner to have one open."""

    reply: Duration = timedelta(seconds=30)
    """For answering a message."""

    silence: Duration = timedelta(seconds=2)
    """For reporting an error, where the message asks to hear of errors only (MSH-15 or MSH-16 is ER)."""

    idle: Duration = timedelta(hours=1)
    """How long a connection is kept that nothing is sent on."""


class MllpEndpoint(EndpointConfig):
    """Sends HL7 v2 messages over MLLP; the partner's acknowledgement decides what happens next."""

    type: ClassVar[str] = "mllp"

    mllp: Address
    """The partner's server, `10.12.4.7:6661`; with `role: server`, the address that the partner connects to."""

    role: Literal["client", "server"] = "client"
    """`server` waits for the partner's connection and sends on it."""

    acks: Literal["auto", "original", "enhanced"] = "auto"
    """Which answers are waited for. `auto`: MSH-15 and MSH-16 of each message decide; `original`: one answer, and a
    commit acknowledgement is the last word; `enhanced`: an application acknowledgement follows each commit
    acknowledgement, though MSH-16 be empty."""

    ack: AckTable = AckTable()
    """What negative answers lead to."""

    commit_bytes: Bool = False
    """Whether the partner answers each message by a commit block first (MLLP release 2)."""

    charset: Charset | None = None
    """Character set to send in, MSH-18 saying so; the message's own where it is not given."""

    unmappable: Literal["error", "transliterate"] = "error"
    """What becomes of a character that `charset` lacks: the message is dead, or a plainer one takes its place."""

    frame: FrameConfig = FrameConfig()
    """Bytes around each message."""

    timeouts: MllpTimeouts = MllpTimeouts()
    """How long the partner may take."""

    allow_addresses: tuple[Network, ...] = ()
    """Networks that may be connected to although they are loopback, link-local or metadata addresses.

    Loopback needs no mention where the address itself is one.
    """

    def may_confirm_later(self) -> bool:
        """A commit acknowledgement may not be the last word."""
        return self.acks != "original"
