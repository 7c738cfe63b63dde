"""What users write for mail: the relay, under `connections:`, and the address that a notice goes to."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from engine.config.models import (
    Address,
    ConnectionConfig,
    EndpointConfig,
    Exposure,
    MailAddress,
    Name,
    Secret,
)


def _refuse(told: str, help: str) -> PydanticCustomError:
    return PydanticCustomError("scalar", "{told}", {"told": told, "help": help})


class SmtpConnection(ConnectionConfig):
    """A mail relay that endpoints of type `smtp` send through."""

    type: ClassVar[str] = "smtp"

    smtp: Address
    """The relay and its port: 587 (submission, STARTTLS) or 465 (TLS from the first byte)."""

    starttls: Literal["required", "implicit", "none"] = "required"
    """`required`: change to TLS before anything else, or send nothing; `implicit`: TLS from the first byte (RFC 8314);
    `none`: plaintext, for a relay on this machine."""

    user: str = ""
    """Name to log in with; without one, nobody logs in."""

    password: Secret | None = None
    """Password to log in with."""

    sender: MailAddress | None = Field(None, alias="from")
    """Address that mails come from; `user` where that is an address, else `passerelle@` the relay's name."""

    def exposure(self) -> Exposure | None:
        """Both kinds of TLS protect what is sent: without it nothing is."""
        return Exposure(self.smtp.host, encrypted=self.starttls != "none")

    @property
    def envelope_sender(self) -> str:
        """The address that mails come from."""
        if self.sender is not None:
            return self.sender
        return self.user if "@" in self.user else f"passerelle@{self.smtp.host}"

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.user) != (self.password is not None):
            raise _refuse("only one of user and password", "write both, or none of them")
        return self


class SmtpEndpoint(EndpointConfig):
    """Mail a notice that holds no content: "a message awaits you".

    A body of type `application/json` is `{"subject": text, "text": text}`; any other is the text itself.
    """

    type: ClassVar[str] = "smtp"

    smtp: MailAddress
    """The address to write to."""

    connection: Name | None = None
    """The relay, by its name under `connections:`; the only `smtp` one where it is not given."""

    sender: MailAddress | None = Field(None, alias="from")
    """Address that these mails come from; the relay's where it is not given."""

    subject: str = Field("Un message vous attend / A message awaits you", min_length=1, max_length=200)
    """Subject of notices that do not bring one."""

    def exposure(self) -> Exposure | None:
        """What leaves this machine does so through the relay, which is checked itself."""
        return None

    @field_validator("phi")
    @classmethod
    def _no_content(cls, phi: str) -> str:
        if phi == "full":
            raise _refuse("mail never carries full health information", "write none, or minimal")
        return phi

    @field_validator("smtp", "sender")
    @classmethod
    def _ascii(cls, address: str | None) -> str | None:
        if address is not None and not address.isascii():
            raise _refuse(
                "an address with letters that many relays refuse", "write it in ASCII (xn-- for a domain)"
            )
        return address
