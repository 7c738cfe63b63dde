"""The model of config.yaml: the engine itself, its doors, and what routes and partners share."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny

from engine.config.models import (
    Address,
    Breaker,
    ConnectionConfig,
    Dedupe,
    Duration,
    EndpointLimits,
    FilePath,
    ListenerConfig,
    Locale,
    Many,
    Name,
    Reading,
    Retry,
    RetryPolicy,
    Secret,
    Size,
    StrictModel,
    ZoneName,
    matching,
)
from engine.config.partner import OrDirectory, PartnerConfig
from engine.config.plugins import picked_channel
from engine.config.route import Steps
from engine.config.text import Text

Listener = Annotated[SerializeAsAny[ListenerConfig], picked_channel("listener")]
Connection = Annotated[SerializeAsAny[ConnectionConfig], picked_channel("connection")]
Patterns = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], *Many]


class EngineSettings(StrictModel):
    """The engine itself."""

    name: Name = "passerelle"
    """Its name in logs, metrics and alerts."""

    locale: Locale = "fr-CA"
    """Language of alerts and of texts for people."""

    zone: ZoneName = "America/Toronto"
    """Time zone of times that bear none."""

    env: Name | None = None
    """The environment it runs in; the name of the overlay (`--env`) where it is not given. Endpoints of another one are
    refused."""

    var: FilePath = Path("var")
    """Folder for its own files."""

    in_flight: Size = 64 * 2**20
    """Bytes of messages that may be in memory at once; above it, senders are asked to come back."""

    drain: Duration = timedelta(seconds=25)
    """How long it finishes what was begun when it is asked to stop."""


class StoreUrl(Text):
    """Where the store is: `sqlite:` and a path."""

    __slots__ = ()

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.partition(":")[2])


def _read_store(text: str) -> StoreUrl:
    scheme, colon, path = text.partition(":")
    if scheme != "sqlite" or not colon or not path:
        raise ValueError
    return StoreUrl.retell(text)


class TlsProfile(StrictModel):
    """Certificate, key and trusted authority of one end; TLS 1.3. Files are loaded anew when they change."""

    cert: FilePath | None = None
    """PEM file of the certificate with its intermediates."""

    key: FilePath | None = None
    """PEM file of the private key."""

    ca: FilePath | None = None
    """PEM file of the authorities that the other end's certificate must come from; else the system's."""

    clients: Literal["required", "optional", "none"] = "required"
    """Whether a listener asks its clients for a certificate; off loopback it must."""


class Table(StrictModel):
    """A table of codes, for `table(name, key)` in an expression."""

    csv: FilePath
    """CSV file with a header line."""

    key: Annotated[str, Field(min_length=1)]
    """Column that is looked up."""

    value: Annotated[str, Field(min_length=1)]
    """Column that is the answer."""


class Profile(StrictModel):
    """Keys under a name, for `use:` at endpoints and destinations."""

    timeout: Duration | None = None
    """How long one attempt may take."""

    retry: Retry | None = None
    """How long and how often to insist."""

    limits: EndpointLimits | None = None
    """How much an endpoint is given at once; for endpoints only."""

    breaker: Breaker | None = None
    """When an endpoint is left alone; for endpoints only."""


ImageKind = Annotated[
    str,
    matching(
        "a SOP Class UID or a modality",
        "write CT or 1.2.840.10008.5.1.4.1.1.2",
        r"[0-9.]{3,64}|[A-Z0-9_]{2,16}",
    ),
]


class Retention(StrictModel):
    """How long content is kept; the journal, which holds none, is kept for good."""

    payload: Duration = timedelta(days=30)
    """Content of messages, from the end of their last delivery."""

    images: dict[ImageKind, Duration] = Field(default_factory=dict)
    """Content of DICOM instances by SOP Class UID or by modality, `{CT: 90d, SR: 3650d}`, where it differs; the class
    comes first."""


class Defaults(StrictModel):
    """What applies where neither endpoint nor destination nor profile says otherwise."""

    timeout: Duration = timedelta(seconds=30)
    """How long one attempt may take."""

    retry: Retry = RetryPolicy()
    """How long and how often to insist."""

    limits: EndpointLimits = EndpointLimits()
    """How much an endpoint is given at once."""

    breaker: Breaker = Breaker()
    """When an endpoint is left alone."""

    dedupe: Dedupe = Dedupe(window=timedelta(days=7))
    """How long copies are recognised."""

    retention: Retention = Retention()
    """How long what is stored is kept."""


class Alert(StrictModel):
    """Somebody who is told when something needs a human: once when it opens, once when it clears."""

    to: Annotated[
        str,
        matching(
            "a recipient",
            "write mailto:ops@example.org or partner.endpoint",
            r"mailto:[^\s@]+@[^\s@]+|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
        ),
    ]
    """`mailto:` and an address, or an endpoint `partner.endpoint`."""

    connection: Name | None = None
    """For mail: the connection that carries it; the only `smtp` one where it is not given."""

    settle: Duration = timedelta(minutes=5)
    """How long a condition must be gone before the alert clears."""

    repeat: Duration | None = None
    """Reminder while it stays open; none where it is not given."""


class ApiToken(StrictModel):
    """A caller of the API over TCP."""

    secret: Secret
    """The token itself, by reference."""

    role: Literal[
        "viewer", "operator", "phi-reader", "editor", "security-admin", "auditor", "privacy-officer"
    ] = "viewer"
    """What it may do."""


class Api(StrictModel):
    """The engine's own interface, which the command line uses."""

    socket: FilePath = Path("var/passerelle.sock")
    """Unix socket; whoever may open it is an operator, known by the user id."""

    tcp: Address | None = None
    """TCP address, beside the socket; callers need a token."""

    tls: Name | None = None
    """Name of the TLS profile of the TCP address; required off loopback."""

    tokens: dict[Name, ApiToken] = Field(default_factory=dict)
    """Callers over TCP, by name."""


class Logs(StrictModel):
    """Structured logs on standard error; they never hold content."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""

    format: Literal["json", "text"] = "json"
    """One JSON object per line, or text for a terminal."""


class AppConfig(StrictModel):
    """The whole configuration but the routes, as config.yaml, its includes and its overlay say."""

    engine: EngineSettings = EngineSettings()
    """The engine itself."""

    store: Annotated[
        StoreUrl,
        Reading("a store", "write sqlite:var/passerelle.db", StoreUrl, _read_store, {"type": "string"}),
    ] = StoreUrl("sqlite:var/passerelle.db")
    """Where messages and their states are kept."""

    include: Patterns = ()
    """Further files that hold some of these keys, or one partner each; patterns such as `partners/*.yaml`."""

    routes: Patterns = ("routes/*.yaml",)
    """Route files; `*.test.yaml` beside them are their tests."""

    listen: dict[Name, Listener] = Field(default_factory=dict)
    """Named doors; a route says `from: NAME`."""

    tls: dict[Name, TlsProfile] = Field(default_factory=dict)
    """TLS profiles, for `tls: NAME`."""

    connections: dict[Name, Connection] = Field(default_factory=dict)
    """Ways out that several endpoints share."""

    tables: dict[Name, Table] = Field(default_factory=dict)
    """Tables of codes."""

    profiles: dict[Name, Profile] = Field(default_factory=dict)
    """Keys under a name, for `use: [NAME]`."""

    step_lists: dict[Name, Steps] = Field(default_factory=dict)
    """Steps under a name, for `do: NAME`."""

    defaults: Defaults = Defaults()
    """What applies where nothing else is said."""

    alerts: dict[Name, Alert] = Field(default_factory=dict)
    """Whom to tell, for `alert: NAME`."""

    partners: Annotated[dict[Name, PartnerConfig], OrDirectory()] = Field(default_factory=dict)
    """Partners by name; or `{csv: clinics.csv, template: clinic}` for a directory of many."""

    templates: dict[Name, Any] = Field(default_factory=dict)
    """Partners with `{column}` in their texts, for a directory of many."""

    api: Api = Api()
    """The engine's own interface."""

    logs: Logs = Logs()
    """Logs."""

    metrics: Address | None = None
    """Where `/metrics`, `/livez` and `/readyz` answer; nowhere where it is not given."""
