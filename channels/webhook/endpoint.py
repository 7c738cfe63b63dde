"""What an endpoint of type `webhook` can be told."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from channels._http.requesting import HeaderName, HeaderValue, plain_url
from channels.webhook.keys import Signing
from engine.config.models import EndpointConfig, HttpUrl, Network, Url


class WebhookEndpoint(EndpointConfig):
    """Posts each message to a URL; the partner's answer decides what happens next."""

    type: ClassVar[str] = "webhook"

    webhook: HttpUrl
    """Where to post: `https://dme.example/hooks/appointments`. Redirects are never followed."""

    sign: Signing | None = None
    """Keys to sign with, by Standard Webhooks; without them only the id is sent."""

    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Further headers of every request, such as `x-api-key: ${cred:clinic}`; shown nowhere."""

    acknowledged: Literal["status", "hl7"] = "status"
    """What says that a message was taken: the HTTP status, or the HL7 acknowledgement in the answer's body (HL7 over
    HTTP), matched by MSA-2 and judged as over MLLP."""

    acks: Literal["auto", "original", "enhanced"] = "auto"
    """Which HL7 acknowledgements are waited for. `auto`: a commit acknowledgement (CA) is the last word unless MSH-16
    asks for an application's, which then comes as a message to one of our doors; `original`: it always is;
    `enhanced`: it never is. Needs `acknowledged: hl7`."""

    allow_addresses: tuple[Network, ...] = ()
    """Networks that may be connected to although they are loopback, link-local or metadata addresses.

    Loopback needs no mention where the URL itself names it.
    """

    def may_confirm_later(self) -> bool:
        """A commit acknowledgement may not be the last word."""
        return self.acknowledged == "hl7" and self.acks != "original"

    @field_validator("webhook")
    @classmethod
    def _plain_url(cls, value: Url) -> Url:
        return plain_url(value)

    @model_validator(mode="after")
    def _acks_are_hl7(self) -> Self:
        if self.acks != "auto" and self.acknowledged != "hl7":
            raise ValueError("`acks` is about HL7 acknowledgements: it needs `acknowledged: hl7`")
        return self

    @model_validator(mode="after")
    def _tls_agrees(self) -> Self:
        if self.tls is not None and self.webhook.scheme == "http":
            raise ValueError("an endpoint with a TLS profile has an https:// URL")
        return self
