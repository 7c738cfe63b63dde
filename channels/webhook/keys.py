"""Webhook keys as configuration refers to them: `{standard_webhooks: "${file:...}"}`, one or several in rotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from engine.config.models import Many, Secret, StrictModel
from engine.security.secrets import Secret as SecretText
from engine.security.signing import SigningKey, UnusableKey, WebhookKey, load_key, load_signing_key


def _usable(load: Callable[[SecretText], object]) -> AfterValidator:
    """Refuse a key that cannot be used where it stands in the file, not at the first message."""

    def check(secret: SecretText) -> SecretText:
        try:
            load(secret)
        except UnusableKey as error:
            raise ValueError(str(error)) from None
        return secret

    return AfterValidator(check)


class Signing(StrictModel):
    """How messages are signed."""

    standard_webhooks: Annotated[
        tuple[Annotated[Secret, _usable(load_signing_key)], ...], *Many, Field(min_length=1, max_length=4)
    ]
    """Key to sign with, `whsec_` (HMAC-SHA256, v1) or `whsk_` (Ed25519, v1a); in rotation several, newest first."""

    def keys(self) -> tuple[SigningKey, ...]:
        """Return the keys, ready to sign."""
        return tuple(load_signing_key(secret) for secret in self.standard_webhooks)


class Verifying(StrictModel):
    """How signatures are checked."""

    standard_webhooks: Annotated[
        tuple[Annotated[Secret, _usable(load_key)], ...], *Many, Field(min_length=1, max_length=4)
    ]
    """Key to check with, `whsec_` (shared) or `whpk_` (the sender's public half); in rotation several."""

    def keys(self) -> tuple[WebhookKey, ...]:
        """Return the keys, ready to verify."""
        return tuple(load_key(secret) for secret in self.standard_webhooks)
