"""The model of a route: where messages come from, what is done to them, and where they go."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from engine.config.models import (
    Bool,
    Dedupe,
    Duration,
    Expr,
    Labelled,
    Many,
    Name,
    Reading,
    Retry,
    StrictModel,
    Template,
    TemplateText,
    matching,
)
from engine.config.partner import Subscription
from engine.config.plugins import Finding, Picked, Plugins, SchemaOf, picked_step
from engine.config.reading import kind
from engine.steps import StepConfig

StepMapping: TypeAlias = dict[str, StepConfig]
"""One step: a mapping of its name to its validated configuration, as `engine.steps.build` takes it."""

Steps = Annotated[tuple[Annotated[StepMapping, picked_step()], ...], "steps"]

_ENDPOINT = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*|\{[^{}]+\})\.([A-Za-z0-9][A-Za-z0-9_-]*)", re.ASCII)


class EndpointText(Template):
    """An endpoint as a route names it: `labo.adt`, or `{partner}.emr` where the partner is known per message."""

    __slots__ = ()

    @property
    def partner(self) -> str | None:
        """The partner's name, None where an expression gives it."""
        name = self.rpartition(".")[0]
        return None if name.startswith("{") else name

    @property
    def short(self) -> str:
        """The endpoint's name below its partner."""
        return self.rpartition(".")[2]


def _read_endpoint(text: str) -> EndpointText:
    if not _ENDPOINT.fullmatch(text):
        raise ValueError
    return EndpointText.retell(text)


EndpointReference = Annotated[
    EndpointText,
    Reading(
        "an endpoint",
        'write partner.endpoint or "{partner}.endpoint"',
        EndpointText,
        _read_endpoint,
        {"type": "string"},
    ),
]


@dataclass(frozen=True, slots=True)
class Door:
    """A listener that a route takes messages from, and the channel's own door in it (`POST /v1/appointments`)."""

    listener: str
    selector: str = ""


def _read_doors(value: Any, plugins: Plugins) -> tuple[Door, ...]:
    doors: list[Door] = []
    many = isinstance(value, list | tuple)
    for index, item in enumerate(value if many else [value]):
        at: tuple[str | int, ...] = (index,) if many else ()
        if isinstance(item, Door):
            doors.append(item)
        elif isinstance(item, str) and item:
            doors.append(Door(item))
        elif isinstance(item, dict) and item:
            for listener, selector in item.items():
                if not isinstance(selector, str) or not selector:
                    raise Finding(f"expected text, found {kind(selector)}", at=(*at, listener))
                doors.append(Door(listener, selector))
        else:
            raise Finding(f"expected a listener's name, found {kind(item)}", at=at)
    if not doors:
        raise Finding("expected a listener's name, found none")
    return tuple(doors)


def _door_schemas(plugins: Plugins, schema_of: SchemaOf) -> list[dict[str, Any]]:
    one: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    ]
    return [*one, {"type": "array", "minItems": 1, "items": {"anyOf": one}}]


Doors = Annotated[
    tuple[Door, ...], Picked("listener, list of listeners, or listener: selector", _read_doors, _door_schemas)
]


class Accept(StrictModel):
    """Which messages a route takes from its listeners; what no route takes is the listener's `unmatched`."""

    events: Annotated[tuple[Name, ...], *Many] = ()
    """Types of domain events (CloudEvents `type`)."""

    types: Annotated[tuple[str, ...], *Many] = ()
    """Message types of other codecs."""


class Supersede(StrictModel):
    """A newer version of the same thing takes the place of an older one that is not delivered yet."""

    version: Expr
    """Expression that gives the version as a number."""

    kind: Literal["keep_first", "own"] = "own"
    """Whose kind the newer one goes out as: its own, or that of the first undelivered one (a change of something the
    partner never heard of goes out as new)."""


class Way(StrictModel):
    """What a destination and a fallback have in common."""

    endpoint: EndpointReference
    """Where to: `partner.endpoint`, or `"{partner}.endpoint"` for the partner that the steps chose."""

    steps: Steps = ()
    """Steps on this destination's own copy."""

    use: Annotated[tuple[Name, ...], *Many] = ()
    """Profiles whose keys apply where they are not given here; the last one wins."""

    timeout: Duration | None = None
    """How long one attempt may take; the endpoint's own where it is not given."""

    retry: Retry | None = None
    """How long and how often to insist; the endpoint's own where it is not given, for a fallback 1 h."""


class FallbackWay(Way):
    """One further endpoint."""


def _pick_fallback(value: Any, plugins: Plugins) -> FallbackWay:
    if isinstance(value, FallbackWay):
        return value
    return FallbackWay.model_validate(
        {"endpoint": value} if isinstance(value, str) else value, context=plugins
    )


class Fallback(StrictModel):
    """Where a message goes when its endpoint does not take it: the same message, with the same id."""

    after: Duration | None = None
    """Take over after this time, too; without it, when the retry budget is spent, the endpoint is missing or
    refuses."""

    on: tuple[Annotated[str, matching("a code", "write 422 or unknown_recipient", "[A-Za-z0-9_]+")], ...] = ()
    """Answers of the endpoint that are a reason to fall back although they would otherwise end the delivery."""

    to: tuple[
        Annotated[
            FallbackWay,
            Picked(
                "[endpoint](#fallback-way)",
                _pick_fallback,
                lambda plugins, schema_of: [{"type": "string"}, schema_of(FallbackWay)],
            ),
        ],
        ...,
    ] = Field(min_length=1)
    """Endpoints in the order in which they are tried."""


_ONE_OF = "expected one of hold, dead and retry"


class OnReply(StrictModel):
    """What an answer leads to where it says something particular: one of `hold`, `dead` and `retry`."""

    when: Expr
    """Expression over the answer: `reply.ERR-3.1 == "204"`."""

    hold: Duration | None = None
    """The partner is not ready for this message: come again after this time. Nothing is spent meanwhile, and later
    messages of the same ordering key wait."""

    dead: Bool = False
    """The message is at fault: it becomes a dead letter, and no fallback is tried."""

    retry: Bool = False
    """Try again on schedule."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.hold is not None) + self.dead + self.retry != 1:
            raise PydanticCustomError("scalar", "{told}", {"told": _ONE_OF, "help": ""})
        return self


class Destination(Way):
    """An entry of `to:`; every one whose `when` holds is served."""

    id: Name | None = None
    """Its name in listings; needed only where a route names the same endpoint twice."""

    when: Expr | None = None
    """Serve it only where this holds."""

    otherwise: Bool = False
    """In `one_of`: serve it when nothing before it held."""

    supersede: Supersede | None = None
    """Let newer versions take the place of undelivered older ones."""

    recall: Expr | None = None
    """Where this holds, undelivered messages of the same ordering key are ended; this one is always sent."""

    expire: Expr | None = None
    """Time after which delivering it is of no use to anybody."""

    on_reply: Annotated[tuple[Annotated[OnReply, "on reply"], ...], *Many] = ()
    """What certain answers of its endpoint lead to, whatever their code; the first that holds decides."""

    remember: dict[Name, Expr] = Field(default_factory=dict)
    """Values of its endpoint's good answer (`reply.MSA-3`) that later messages of the same ordering key read as
    `memory.NAME`; kept as long as the payload."""

    body: Expr | None = None
    """What is sent instead of the document: what `extract` took out (`vars.pdf`), or a text. Fallbacks without steps of
    their own send it, too."""

    called: TemplateText | None = Field(None, alias="name")
    """What it is called where it becomes a file or an attachment: `"{msg.OBR-3.1}_{meta.id}.pdf"`."""

    priority: Literal["low", "medium", "high"] | None = None
    """How urgent a `dicom` endpoint tells its partner that these instances are; what the endpoint says where nothing
    stands here."""

    fallback: Fallback | None = None
    """Where it goes when the endpoint does not take it."""

    @property
    def name(self) -> str:
        """The destination's name: its `id`, else its endpoint."""
        return self.id or str(self.endpoint)


class OneOf(StrictModel):
    """The first destination that holds is served, and no other."""

    one_of: tuple[Annotated[Destination, "destination"], ...] = Field(min_length=1)
    """Destinations in the order in which they are asked; `otherwise: true` stands last."""


class ToRoute(StrictModel):
    """Hand the document, as it is now, to another route."""

    route: Name
    """The other route."""

    when: Expr | None = None
    """Only where this holds."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An endpoint of a partner that wants events, and what it wants: one of its subscriptions that holds is enough."""

    partner: str
    destination: Destination
    subscriptions: tuple[Subscription, ...]


class ToSubscribers(StrictModel):
    """Everybody who subscribed to the event (`partners: {NAME: {subscriptions}}`), each by a delivery of their own.

    The document is the event here; whoever wants another form of it gets what `steps` make.
    """

    subscribers: Name
    """The form that they want (`as` of a subscription): `event` for the CloudEvent itself."""

    id: Name | None = None
    """Its name in listings; needed where a route has two entries for one form."""

    when: Expr | None = None
    """Only where this holds."""

    steps: Steps = ()
    """What is made of the event for this form, once for all who want it."""

    use: Annotated[tuple[Name, ...], *Many] = ()
    """Profiles whose keys apply where they are not given here; the last one wins."""

    timeout: Duration | None = None
    """How long one attempt may take; the endpoint's own where it is not given."""

    retry: Retry | None = None
    """How long and how often to insist; the endpoint's own where it is not given."""

    supersede: Supersede | None = None
    """Let newer versions take the place of undelivered older ones."""

    recall: Expr | None = None
    """Where this holds, undelivered events of the same ordering key are ended; this one is always sent."""

    expire: Expr | None = None
    """Time after which delivering it is of no use to anybody."""

    _found: tuple[Subscriber, ...] = PrivateAttr(default=())

    @property
    def found(self) -> tuple[Subscriber, ...]:
        """Those who subscribed to this form (`engine.config.subscribers`)."""
        return self._found

    def finding(self, found: Sequence[Subscriber]) -> Self:
        """Return the entry with what a configuration's partners subscribed to."""
        made = self.model_copy()
        made._found = tuple(found)
        return made


Entry: TypeAlias = Destination | OneOf | ToRoute | ToSubscribers
_BY_KEY: dict[str, type[OneOf | ToRoute | ToSubscribers]] = {
    "one_of": OneOf,
    "route": ToRoute,
    "subscribers": ToSubscribers,
}


def _pick_entry(value: Any, plugins: Plugins) -> Entry:
    if isinstance(value, Destination | OneOf | ToRoute | ToSubscribers):
        return value
    if isinstance(value, str):
        return Destination.model_validate({"endpoint": value}, context=plugins)
    model: type[Entry] = Destination
    if isinstance(value, dict) and "endpoint" not in value:
        model = next((model for key, model in _BY_KEY.items() if key in value), Destination)
    return model.model_validate(value, context=plugins)


def _entry_schemas(plugins: Plugins, schema_of: SchemaOf) -> list[dict[str, Any]]:
    return [{"type": "string"}, schema_of(Destination), *(schema_of(model) for model in _BY_KEY.values())]


class OnReject(StrictModel):
    """What happens when the content of a message is at fault."""

    alert: Name | None = None
    """Who is told, once per path at fault."""

    reply: Literal["AA", "AE", "AR"] | None = None
    """`AA`: answer the sender positively all the same, since the fault is ours to solve; the message waits as a dead
    letter of this route. `AE`, `AR`: refuse it with that code of HL7 v2. Without it, HL7 v2 gets `AA`, everything else
    a refusal."""

    lane: Literal["park", "skip"] | None = None
    """Where the sender was answered positively: hold later messages of the same ordering key, or let them pass.
    Without it, they are held where the route says `order_by`."""


class OnDead(StrictModel):
    """What happens when a delivery has failed for good."""

    lane: Literal["park", "skip"] | None = None
    """Hold later messages of the same ordering key, or let them pass; without it, they are held where the route says
    `order_by`."""

    alert: Name | None = None
    """Who is told."""


class Delivered(StrictModel):
    """The sender waits for its destination's answer, and gets that."""

    delivered: Duration = timedelta(seconds=30)
    """How long it waits; afterwards the delivery goes on as its `retry` says, and a later copy is given the answer."""

    timeout: Literal["AE", "AR"] = "AE"
    """What a sender of HL7 v2 is told where there is no answer; one of HTTP gets 504, or 502 where none will come."""

    steps: Steps = ()
    """What is done to the answer before the sender gets it; `msg` is the answer."""


Acknowledge: TypeAlias = Literal["routed", "stored"] | Delivered


def _pick_acknowledge(value: Any, plugins: Plugins) -> Acknowledge:
    if value in ("routed", "stored") or isinstance(value, Delivered):
        return value  # type: ignore[no-any-return]  # one of the literals, or the model
    if value == "delivered":
        return Delivered()
    if isinstance(value, dict):
        return Delivered.model_validate(value, context=plugins)
    told = f"expected routed, stored, delivered or a mapping, found {kind(value)}"
    raise Finding(told if not isinstance(value, str) else f'"{value}" is none of routed, stored, delivered')


def _acknowledge_schemas(plugins: Plugins, schema_of: SchemaOf) -> list[dict[str, Any]]:
    return [{"enum": ["routed", "stored", "delivered"]}, schema_of(Delivered)]


class RouteConfig(Labelled):
    """A route; every route whose `from` and `accept` match a message runs, all in one commit with one reply."""

    route: Name
    """Its name."""

    formerly: tuple[Name, ...] = ()
    """Names it had before: what is stored under them belongs to it."""

    doors: Doors = Field((), alias="from")
    """Listener, list of listeners, or `{listener: selector}` where the channel has doors of its own. Without it, only
    other routes hand on to this one (`to: [{route: NAME}]`)."""

    accept: Accept = Accept()
    """Which messages it takes; all, where it is not given."""

    order_by: Annotated[tuple[Expr, ...], *Many] = ()
    """Ordering key, read from the message as received: messages of one key are delivered in order. Several keys: all
    of them are held."""

    keys: dict[Name, Expr] = Field(default_factory=dict)
    """Business keys that messages are found by."""

    acknowledge: Annotated[
        Acknowledge,
        Picked(
            "`routed`, `stored`, `delivered` or [delivered](#delivered)",
            _pick_acknowledge,
            _acknowledge_schemas,
        ),
    ] = "routed"
    """When the sender is answered: once routed and stored, as soon as the raw message is stored, or once its one
    destination answered, with that answer."""

    dedupe: Dedupe | None = None
    """How long copies are recognised; the listener's where it is not given."""

    steps: Steps = ()
    """What is done to the message, in order, before its destinations."""

    to: tuple[
        Annotated[
            Entry,
            Picked(
                "[destination](#destination), [one of](#one-of), [route](#to-route) "
                "or [subscribers](#to-subscribers)",
                _pick_entry,
                _entry_schemas,
            ),
        ],
        ...,
    ] = Field(min_length=1)
    """Where it goes."""

    on_reject: OnReject = OnReject()
    """What happens when its content is at fault."""

    on_dead: OnDead = OnDead()
    """What happens when a delivery has failed for good."""

    def destinations(self) -> Sequence[Destination]:
        """Return all destinations, those within `one_of` and subscribers too, in the order of the file."""
        found: list[Destination] = []
        for entry in self.to:
            if isinstance(entry, Destination):
                found.append(entry)
            elif isinstance(entry, OneOf):
                found.extend(entry.one_of)
            elif isinstance(entry, ToSubscribers):
                found.extend(each.destination for each in entry.found)
        return found
