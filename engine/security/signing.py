"""Sign and verify webhooks by Standard Webhooks 1.0.0: `v1` HMAC-SHA256 and `v1a` Ed25519, on raw bytes.

The signed content is `{id}.{timestamp}.{body}`; the body is what travels, never a document that was parsed and
written again. Several keys sign side by side while one is replaced by the next.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (version 1.0.0,
"Signature scheme", "Webhook headers", "Verifying signatures").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.errors import PasserelleError
from engine.security.secrets import Secret

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"
TOLERANCE_SECONDS = 300
MAX_SIGNATURES = 16  # a sender rotates two or three keys; more is an attempt to make us compute
_MIN_SHARED, _MAX_SHARED = 24, 64
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,256}")  # visible ASCII without the full stop, which separates


class UnusableKey(PasserelleError):
    """A webhook key cannot be read, or cannot do what is asked of it; the text never holds the key."""


class BadSignature(PasserelleError):
    """A webhook is not authentic. `code` is one of `missing`, `malformed`, `too_old`, `too_new`, `unmatched`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A secret that both sides hold; signs and verifies as `v1` (HMAC-SHA256)."""

    raw: bytes = field(repr=False)
    scheme: str = field(default="v1", init=False)

    @property
    def fingerprint(self) -> str:
        """Name the key in journals and messages without showing it: 12 hex digits of SHA-256."""
        return _fingerprint(self.raw)

    def sign(self, content: bytes) -> bytes:
        return hmac.digest(self.raw, content, "sha256")

    def accepts(self, signature: bytes, content: bytes) -> bool:
        return hmac.compare_digest(self.sign(content), signature)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half of an Ed25519 pair that a receiver holds; verifies `v1a`."""

    public: Ed25519PublicKey = field(repr=False)
    scheme: str = field(default="v1a", init=False)

    @property
    def fingerprint(self) -> str:
        """Name the key without showing more than is public: 12 hex digits of SHA-256."""
        return _fingerprint(self.public.public_bytes_raw())

    def accepts(self, signature: bytes, content: bytes) -> bool:
        try:
            self.public.verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The half of an Ed25519 pair that a sender holds; signs `v1a`."""

    private: Ed25519PrivateKey = field(repr=False)
    scheme: str = field(default="v1a", init=False)

    @property
    def fingerprint(self) -> str:
        """The same as that of the public half."""
        return self.public.fingerprint

    @property
    def public(self) -> PublicKey:
        """Give the half that the receiver needs."""
        return PublicKey(self.private.public_key())

    def sign(self, content: bytes) -> bytes:
        return self.private.sign(content)

    def accepts(self, signature: bytes, content: bytes) -> bool:
        return self.public.accepts(signature, content)


SigningKey = SharedKey | PrivateKey
WebhookKey = SharedKey | PrivateKey | PublicKey


@dataclass(frozen=True, slots=True)
class Verified:
    """What a good signature proves: the id, when it was signed (seconds since the epoch), and by which key."""

    message_id: str
    timestamp: int
    key: WebhookKey


def load_key(text: Secret) -> WebhookKey:
    """Read `whsec_` (shared), `whsk_` (Ed25519 private: seed, or seed and public key) or `whpk_` (public) + base64.

    Raises:
        UnusableKey: another prefix, no base64, or a length that the scheme does not allow.
    """
    prefix, _, encoded = text.reveal().strip().partition("_")
    readers: Mapping[str, Callable[[bytes], WebhookKey]] = {
        "whsec": _shared,
        "whsk": _private,
        "whpk": _public,
    }
    if prefix not in readers:
        raise UnusableKey("a webhook key begins with whsec_, whsk_ or whpk_")
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableKey(f"what follows {prefix}_ is not base64") from None
    return readers[prefix](raw)


def load_signing_key(text: Secret) -> SigningKey:
    """Read a key that can sign.

    Raises:
        UnusableKey: as `load_key`, and for a public key.
    """
    key = load_key(text)
    if isinstance(key, PublicKey):
        raise UnusableKey("a whpk_ key only verifies; sign with a whsk_ or whsec_ key")
    return key


def new_shared_secret() -> Secret:
    """Make a fresh `whsec_` secret of 256 bits."""
    return Secret("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii"))


def new_key_pair() -> tuple[Secret, str]:
    """Make a fresh Ed25519 pair: the `whsk_` secret (64 bytes: seed, then public key) and the `whpk_` text."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    secret = base64.b64encode(private.private_bytes_raw() + public).decode("ascii")
    return Secret("whsk_" + secret), "whpk_" + base64.b64encode(public).decode("ascii")


def sign(keys: Sequence[SigningKey], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers for one attempt; `timestamp` is that of the attempt, in seconds since the epoch.

    One signature per key, newest key first, so that a receiver with either key of a rotation accepts.

    Raises:
        UnusableKey: there is no key.
        ValueError: the id is empty, longer than 256, or holds a full stop or anything but visible ASCII.
    """
    if not keys:
        raise UnusableKey("a webhook needs at least one key to sign with")
    if not _ID.fullmatch(message_id):
        raise ValueError("a webhook id is 1 to 256 visible ASCII characters without a full stop")
    content = _content(message_id, str(timestamp), body)
    signatures = [f"{key.scheme},{base64.b64encode(key.sign(content)).decode('ascii')}" for key in keys]
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(signatures),
    }


def verify(
    keys: Sequence[WebhookKey],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: float = TOLERANCE_SECONDS,
) -> Verified:
    """Check a webhook against every key we hold; `now` and `tolerance` are in seconds, header names in any case.

    Signatures of schemes that we do not know are passed over, as the standard asks.

    Raises:
        BadSignature: a header is missing or malformed, the timestamp is out of tolerance, or no key matches.
        UnusableKey: there is no key to check with.
    """
    if not keys:
        raise UnusableKey("there is no key to verify a webhook with")
    lowered = {name.lower(): value for name, value in headers.items()}
    message_id = _header(lowered, ID_HEADER)
    stamp = _header(lowered, TIMESTAMP_HEADER)
    given = _header(lowered, SIGNATURE_HEADER)
    if not _ID.fullmatch(message_id):
        raise BadSignature(
            "malformed", f"{ID_HEADER} is not 1 to 256 visible ASCII characters without a full stop"
        )
    timestamp = _timely(stamp, now=now, tolerance=tolerance)
    signatures = _signatures(given)
    content = _content(message_id, stamp, body)
    for key in keys:
        offered = [signature for scheme, signature in signatures if scheme == key.scheme]
        if offered and _matches(key, offered, content):
            return Verified(message_id, timestamp, key)
    schemes = sorted({scheme for scheme, _ in signatures})
    raise BadSignature(
        "unmatched", f"no signature matches a known key (offered: {', '.join(schemes) or 'none'})"
    )


def _matches(key: WebhookKey, offered: Sequence[bytes], content: bytes) -> bool:
    """Say whether one of the signatures is this key's; a shared key reads the content once, however many they are."""
    if isinstance(key, SharedKey):
        expected = key.sign(content)
        return any(hmac.compare_digest(expected, signature) for signature in offered)
    return any(key.accepts(signature, content) for signature in offered)


def _content(message_id: str, stamp: str, body: bytes) -> bytes:
    return f"{message_id}.{stamp}.".encode("ascii") + body


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "")
    if not value:
        raise BadSignature("missing", f"the header {name} is missing")
    return value


def _timely(stamp: str, *, now: float, tolerance: float) -> int:
    if not _TIMESTAMP.fullmatch(stamp):
        raise BadSignature("malformed", f"{TIMESTAMP_HEADER} is not a number of seconds since the epoch")
    timestamp = int(stamp)
    if timestamp < now - tolerance:
        raise BadSignature("too_old", f"signed {now - timestamp:.0f} s ago, tolerated are {tolerance:.0f} s")
    if timestamp > now + tolerance:
        raise BadSignature(
            "too_new", f"signed {timestamp - now:.0f} s ahead, tolerated are {tolerance:.0f} s"
        )
    return timestamp


def _signatures(header: str) -> list[tuple[str, bytes]]:
    """Split `v1,<base64> v1a,<base64>`; entries of schemes that we do not know are left out."""
    parts = header.split(" ")
    if len(parts) > MAX_SIGNATURES:
        raise BadSignature("malformed", f"{SIGNATURE_HEADER} holds more than {MAX_SIGNATURES} signatures")
    found = []
    for part in parts:
        scheme, comma, encoded = part.partition(",")
        if not comma or scheme not in ("v1", "v1a"):
            continue
        try:
            found.append((scheme, base64.b64decode(encoded, validate=True)))
        except (binascii.Error, ValueError):
            raise BadSignature("malformed", f"a {scheme} signature is not base64") from None
    return found


def _shared(raw: bytes) -> SharedKey:
    if not _MIN_SHARED <= len(raw) <= _MAX_SHARED:
        raise UnusableKey(f"a whsec_ secret holds {_MIN_SHARED} to {_MAX_SHARED} bytes, not {len(raw)}")
    return SharedKey(raw)


def _private(raw: bytes) -> PrivateKey:
    if len(raw) not in (32, 64):
        raise UnusableKey(f"a whsk_ key holds 32 bytes (seed) or 64 (seed and public key), not {len(raw)}")
    key = Ed25519PrivateKey.from_private_bytes(raw[:32])
    if len(raw) == 64 and key.public_key().public_bytes_raw() != raw[32:]:
        raise UnusableKey("the two halves of the whsk_ key do not belong together")
    return PrivateKey(key)


def _public(raw: bytes) -> PublicKey:
    if len(raw) != 32:
        raise UnusableKey(f"a whpk_ key holds 32 bytes, not {len(raw)}")
    return PublicKey(Ed25519PublicKey.from_public_bytes(raw))


def _fingerprint(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12]
