"""What channels and steps subclass: strict models, and the keys that every listener and every endpoint understands.

Channels and steps import everything from here. A field's docstring stands below it: it is the description in the
JSON Schema and the text of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.functional_validators import BeforeValidator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from engine.config.places import Address, AmqpUrl, FilePath, HostPort, HttpUrl, Network, Url, is_loopback, url
from engine.config.quantities import (
    Backoff,
    BackoffRange,
    Bool,
    Count,
    Date,
    Duration,
    Rate,
    RateLimit,
    Size,
    ZoneName,
    whole,
)
from engine.config.reading import Reading, kind, matching
from engine.config.suggest import did_you_mean
from engine.config.words import (
    EndpointName,
    Expr,
    Expression,
    Locale,
    MailAddress,
    Name,
    Secret,
    Sha256,
    Template,
    TemplateText,
)

__all__ = [
    "Address",
    "AmqpUrl",
    "Backoff",
    "BackoffRange",
    "Bool",
    "Breaker",
    "ConnectionConfig",
    "Count",
    "Date",
    "Dedupe",
    "Duration",
    "EndpointConfig",
    "EndpointLimits",
    "EndpointName",
    "Exposure",
    "Expr",
    "Expression",
    "FilePath",
    "Group",
    "HostPort",
    "HttpUrl",
    "Jurisdiction",
    "Labelled",
    "ListenerConfig",
    "ListenerLimits",
    "Locale",
    "MailAddress",
    "Many",
    "Name",
    "Network",
    "PlaintextException",
    "Rate",
    "RateLimit",
    "Reading",
    "Retry",
    "RetryPolicy",
    "Secret",
    "Sha256",
    "Size",
    "StrictModel",
    "Template",
    "TemplateText",
    "Url",
    "ZoneName",
    "is_loopback",
    "matching",
    "url",
    "whole",
]


class StrictModel(BaseModel):
    """A mapping in which every key is known; frozen."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        """Turn pydantic's findings about this mapping's own keys into words with a suggestion."""
        if not isinstance(value, dict | BaseModel):
            raise PydanticCustomError(
                "kind", "expected {noun}, found {found}", {"noun": "a mapping", "found": kind(value)}
            )
        try:
            return handler(value)
        except ValidationError as error:
            raise explained(cls, error) from None


def keys_of(model: type[BaseModel]) -> list[str]:
    """Return the keys that `model` understands, as they are written in YAML."""
    return [field.alias or name for name, field in model.model_fields.items()]


def explained(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """Return the findings with unknown keys of `model` itself told with a suggestion."""
    found = error.errors(include_url=False)
    own = [item for item in found if item["type"] in ("extra_forbidden", "missing") and len(item["loc"]) == 1]
    if not own:
        return error
    known = keys_of(model)
    meant = {
        str(item["loc"][0]): did_you_mean(str(item["loc"][0]), known)
        for item in own
        if item["type"] == "extra_forbidden"
    }
    details: list[InitErrorDetails] = []
    for item in found:
        told = PydanticCustomError(item["type"], item["msg"], item.get("ctx"))
        if item in own:
            key = str(item["loc"][0])
            if item["type"] == "missing" and key in meant.values():
                continue  # a misspelt key is one mistake, not two
            if key in meant:
                help = f'did you mean "{meant[key]}"?' if meant[key] else "known here: " + ", ".join(known)
                told = PydanticCustomError("unknown_key", 'unknown key "{key}"', {"key": key, "help": help})
        details.append({"type": told, "loc": item["loc"], "input": item["input"]})
    return ValidationError.from_exception_data(error.title, details)


class _Many:
    """Accept one value where a list stands: `order_by: msg.id` is `order_by: [msg.id]`."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        array = handler(schema)
        return {"anyOf": [array["items"], array]} if "items" in array else array


Many = (BeforeValidator(lambda value: value if isinstance(value, list | tuple) else [value]), _Many())
"""Metadata for `Annotated[tuple[X, ...], *Many]`: one X without brackets is a list of one."""


class Labelled(StrictModel):
    """Who answers for a thing; shown beside it in listings, alerts and the console."""

    owner: str = ""
    """Team or person that answers for it."""

    ticket: str = ""
    """Where it was asked for: a change or a contract number."""

    tags: tuple[Name, ...] = ()
    """Words to select it by."""


class RetryPolicy(StrictModel):
    """How long and how often a delivery is insisted on; `none` means one attempt."""

    backoff: BackoffRange = Backoff(timedelta(seconds=2), timedelta(minutes=5))
    """First and longest delay between attempts: doubled each time, drawn at random up to that (full jitter)."""

    budget: Duration = Field(timedelta(hours=24), alias="for")
    """How long to insist, from the first attempt at this endpoint; maintenance windows, pauses and holds do not count,
    an open breaker does."""

    attempts: Count | None = None
    """A limit on attempts beside the limit in time."""

    @classmethod
    def once(cls) -> RetryPolicy:
        """Return the policy that `none` stands for."""
        return cls(attempts=1)


def _read_retry(value: object) -> object:
    return RetryPolicy.once() if isinstance(value, str) and value == "none" else value


class _OrNone:
    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"const": "none"}, handler(schema)]}


Retry = Annotated[RetryPolicy, BeforeValidator(_read_retry), _OrNone()]
"""A retry policy, or the word `none`."""


class PlaintextException(StrictModel):
    """A written exception to mutual TLS 1.3 off loopback; journalled, shown red, alerted before its end."""

    allow: tuple[Network, ...]
    """Networks whose addresses may connect, or be connected to, without TLS."""

    reason: str = Field(min_length=1)
    """Why TLS is not possible; the journal keeps it."""

    until: Date
    """Last day of the exception; afterwards the configuration is refused."""


class Dedupe(StrictModel):
    """How long a copy of a message is recognised."""

    window: Duration
    """A message with the same id from the same partner within this time is answered with the stored reply."""


class Group(StrictModel):
    """Which images belong together, so that routes are told of them as a whole."""

    by: Literal["study", "series"] = "study"
    """What is told of: a study, or each series; also the door at which routes take it, `from: {images: study}`."""

    quiet: Duration
    """How long nothing may have come of it; what comes later is told of in a further message."""


class ListenerLimits(StrictModel):
    """What one listener takes at once; real bytes are counted, not declared ones."""

    body: Size = 10 * 2**20
    """Largest body in bytes."""

    connections: Count = 100
    """Most connections open at once from one partner, or from one address where no partner is known."""


class EndpointLimits(StrictModel):
    """What one endpoint is given at once."""

    concurrency: Count = 4
    """Most messages in flight; messages of one ordering key always go one at a time."""

    rate: RateLimit | None = None
    """Most messages sent per time."""


class Breaker(StrictModel):
    """When an endpoint that keeps failing is left alone for a while; no attempts are spent meanwhile."""

    failures: Count = 5
    """Failures in a row, over all messages, that open the breaker."""

    open: Duration = timedelta(seconds=30)
    """How long it stays open before one message is let through as a trial."""


class Jurisdiction(StrictModel):
    """Where the endpoint's data comes to rest."""

    place: Annotated[str, matching("a place", "write CA-QC or US", r"[A-Z]{2}(-[A-Z0-9]{1,3})?")]
    """ISO 3166 code, `CA-QC` for Quebec."""

    assessment: str = ""
    """Id of the privacy impact assessment; required outside of Quebec (Law 25, section 17)."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """Where bytes travel outside of this process: the host as written, and whether TLS protects them."""

    host: str
    encrypted: bool


_ENCRYPTED = frozenset({"https", "amqps", "smtps", "sftp"})


def _exposure(address: object, tls: str | None) -> Exposure | None:
    if isinstance(address, HostPort):
        return Exposure(address.host, encrypted=tls is not None)
    if isinstance(address, Url):
        return Exposure(address.host, encrypted=address.scheme in _ENCRYPTED)
    return None


class ListenerConfig(Labelled):
    """A named door. The key that is a channel's type (`rest`, `file`, ...) says which one, and where it listens."""

    type: ClassVar[str] = ""

    partner: Name | None = None
    """The partner that every message of this door comes from, where the peer does not prove who it is."""

    tls: Name | None = None
    """Name of the TLS profile under `tls:`; required off loopback."""

    plaintext: PlaintextException | None = None
    """Written exception to TLS off loopback."""

    zone: ZoneName | None = None
    """Time zone of times without one; the engine's where it is not given."""

    unmatched: Literal["refused", "filtered"] = "refused"
    """What happens to a message that no route takes: refused with a reason, or accepted, counted and left."""

    codec: Name | None = None
    """How bodies are read (`json`, `text`, ...); the channel's own where it is not given."""

    limits: ListenerLimits = ListenerLimits()
    """Limits of this door."""

    dedupe: Dedupe | None = None
    """How long copies are recognised at this door."""

    formerly: tuple[Name, ...] = ()
    """Names it had before: what is stored under them belongs to it."""

    def hears_confirmations(self) -> bool:
        """Tell whether a partner's later word on what it took is understood here without a route; channels refine."""
        return False

    def selector_fault(self, selector: str) -> str:
        """Return what is wrong with the door of this listener that a route names, "" when nothing; channels refine."""
        return ""

    def codec_at(self, selector: str) -> str | None:
        """Return how what comes at a door within this listener is read, None as all its bodies; channels refine."""
        return None

    def endpoints(self) -> Mapping[str, str]:
        """Return the endpoints (`partner.endpoint`) that this listener itself sends to, by the key that names each."""
        return {}

    def exposure(self) -> Exposure | None:
        """Return where it listens, None when nothing outside this machine can reach it through it."""
        return _exposure(getattr(self, self.type, None), self.tls)


class EndpointConfig(Labelled):
    """An address of a partner. The key that is a channel's type (`webhook`, `amqp`, ...) says which one, and where."""

    type: ClassVar[str] = ""

    tls: Name | None = None
    """Name of the TLS profile under `tls:` whose certificate identifies us."""

    plaintext: PlaintextException | None = None
    """Written exception to TLS off loopback."""

    use: Annotated[tuple[Name, ...], *Many] = ()
    """Profiles whose keys apply where they are not given here; the last one wins."""

    timeout: Duration | None = None
    """How long one attempt may take as a whole."""

    retry: Retry | None = None
    """How long and how often to insist."""

    limits: EndpointLimits | None = None
    """How much it is given at once."""

    breaker: Breaker | None = None
    """When it is left alone for a while."""

    in_order: Literal["taken", "confirmed"] = "taken"
    """When the next message of an ordering key goes to a partner that confirms later: once it took the one before, or
    once it confirmed that."""

    confirm_within: Duration = timedelta(hours=24)
    """How long a partner may take to confirm what it took; then the message is sent again, under the same id."""

    phi: Literal["none", "minimal", "full"] = "none"
    """How much personal health information it may receive."""

    complement: Literal["none", "send"] = "none"
    """Whether a FHIR Bundle that a mapper made also holds what the mapper could not carry of the message, as a Binary
    with its Provenance. Needs `phi: full`."""

    env: Name | None = None
    """The environment it belongs to: an engine of another environment refuses to start with it."""

    jurisdiction: Jurisdiction | None = None
    """Where its data comes to rest."""

    formerly: tuple[Name, ...] = ()
    """Names it had before: what is stored under them belongs to it."""

    def may_confirm_later(self) -> bool:
        """Tell whether the partner may take a message first and say later what became of it; channels refine."""
        return False

    def listeners(self) -> Mapping[str, str]:
        """Return the listeners at which it hands in what it fetches, by the key that names each; channels refine."""
        return {}

    def exposure(self) -> Exposure | None:
        """Return where it connects to, None when nothing leaves this machine through it."""
        return _exposure(getattr(self, self.type, None), self.tls)


class ConnectionConfig(Labelled):
    """A way out that several endpoints or tables share; the key that is a channel's type says which one."""

    type: ClassVar[str] = ""

    tls: Name | None = None
    """Name of the TLS profile under `tls:`."""

    plaintext: PlaintextException | None = None
    """Written exception to TLS off loopback."""

    def exposure(self) -> Exposure | None:
        """Return where it connects to, None when nothing leaves this machine through it."""
        return _exposure(getattr(self, self.type, None), self.tls)
