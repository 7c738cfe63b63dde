"""Keyed digests: what identifies a patient is never stored, only BLAKE2b-128 under the store's own secret."""

from __future__ import annotations

import hashlib

SECRET_BYTES = 32
DIGEST_BYTES = 16


class Digests:
    """Digests of lane keys and business keys; equal text gives equal digests within one store, and in no other.

    Source: RFC 7693 2.5 (keyed hashing), 2.8 (personalisation keeps the uses apart).
    """

    def __init__(self, secret: bytes) -> None:
        self._lane = hashlib.blake2b(digest_size=DIGEST_BYTES, key=secret, person=b"passerelle.lane")
        self._key = hashlib.blake2b(digest_size=DIGEST_BYTES, key=secret, person=b"passerelle.key")
        self._uid = hashlib.blake2b(digest_size=DIGEST_BYTES, key=secret, person=b"passerelle.uid")

    def lane(self, endpoint: int, key: str) -> bytes:
        """Return the lane of an ordering key at a primary endpoint."""
        digest = self._lane.copy()
        digest.update(b"%d:" % endpoint + key.encode())
        return digest.digest()

    def owner(self, key: str) -> bytes:
        """Return what stands for an ordering key wherever its messages go: no endpoint has the number 0."""
        return self.lane(0, key)

    def uid(self, value: str) -> bytes:
        """Return the digest under which a DICOM instance, its series and its study are found."""
        digest = self._uid.copy()
        digest.update(value.encode())
        return digest.digest()

    def key(self, name: int, value: str) -> bytes:
        """Return the digest under which a business key is searched."""
        digest = self._key.copy()
        digest.update(b"%d:" % name + value.encode())
        return digest.digest()
