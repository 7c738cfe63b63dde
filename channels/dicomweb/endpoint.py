"""What an endpoint of type `dicomweb` can be told."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from channels._http.requesting import HeaderName, HeaderValue, plain_url
from engine.config.models import EndpointConfig, HttpUrl, Network, Url


class DicomWebEndpoint(EndpointConfig):
    """Stores each instance at a partner's DICOMweb service by STOW-RS, as it is; what the answer says of the instance
    decides what happens next."""

    type: ClassVar[str] = "dicomweb"

    dicomweb: HttpUrl
    """The partner's service, without `/studies`: `https://pacs.example/dicom-web`."""

    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Further headers of every request, such as `authorization: ${cred:pacs}`; shown nowhere."""

    allow_addresses: tuple[Network, ...] = ()
    """Networks that may be connected to although they are loopback, link-local or metadata addresses.

    Loopback needs no mention where the URL itself names it.
    """

    @field_validator("dicomweb")
    @classmethod
    def _plain_url(cls, value: Url) -> Url:
        if "?" in value:
            raise ValueError("the URL of a DICOMweb service has no query")
        return plain_url(value)

    @model_validator(mode="after")
    def _tls_agrees(self) -> Self:
        if self.tls is not None and self.dicomweb.scheme == "http":
            raise ValueError("an endpoint with a TLS profile has an https:// URL")
        return self
