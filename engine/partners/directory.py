"""The directory of partners: every one found in one look-up, by name, by any identifier, or by certificate.

A directory never changes: a reload builds a new one. What two partners claim belongs to neither, because a wrong
clinic is worse than none; `conflicts` says so, and the configuration check refuses to start with any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.model import Certificate


@dataclass(frozen=True, slots=True)
class Trust:
    """A certificate that proves to be this partner: issuer and one SAN entry, or the certificate's own SHA-256.

    `issuer` is the distinguished name as `Certificate.issuer` gives it; `name` is `dns:host` or `uri:urn:x`;
    `sha256` is hex, colons and case aside. The common name never counts (RFC 6125 6.4.4).
    """

    issuer: str = ""
    name: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Partner:
    """One partner as the directory needs it; `endpoints` maps an endpoint's short name to its `phi` (`full`, ...).

    `identifiers` maps a kind (`permit`, `facility`) to its value; several values of one kind are a sequence.
    `more` is whatever else expressions may read below `partner.`.
    """

    name: str
    identifiers: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    contact: Mapping[str, Any] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    certificates: Sequence[Trust] = ()
    zone: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)


class Entry(dict[str, Any]):
    """A partner as expressions see it: a plain mapping that reads as its name where text is wanted (`{partner}.emr`).

    Keys: `name`, `identifiers`, `contact`, `endpoints` (short names), `zone`, and what the partner has besides.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return str(self["name"])


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two partners claim the same thing: `claim` (`permit 01234`, `certificate dns:x`) of `first` and `second`."""

    claim: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.claim} belongs to both {self.first} and {self.second}: neither is found by it"


class Directory:
    """All partners of one configuration, indexed; every question is a dictionary read."""

    def __init__(self, partners: Iterable[Partner]) -> None:
        self._entries: dict[str, Entry] = {}
        self._endpoints: dict[str, str] = {}
        self._certified: set[str] = set()
        claims = _Claims()
        for partner in partners:
            if partner.certificates:
                self._certified.add(partner.name)
            claims.add(("name", partner.name), partner.name, "name " + partner.name)
            self._entries[partner.name] = _entry(partner)
            for short, phi in partner.endpoints.items():
                self._endpoints[f"{partner.name}.{short}"] = phi
            for kind, value in _identifiers(partner):
                claims.add(("id", kind, value), partner.name, f"{kind} {value}")
            for trust in partner.certificates:
                key = _trust_key(trust)
                claims.add(key, partner.name, f"certificate {key[-1]}")
        self._claims: Mapping[tuple[str, ...], str] = claims.owners
        self.conflicts: tuple[Conflict, ...] = tuple(claims.conflicts)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        """Give the names in the order in which they were written."""
        return iter(self._entries)

    def entry(self, name: str) -> Entry | None:
        """Return the partner of that name, None when there is none."""
        return self._entries.get(name)

    def find(self, /, **identifiers: str) -> Entry | None:
        """Return the one partner that has all these identifiers (kind to value); None when none or not one only.

        The kind `name` finds a partner by its name. An empty value finds nobody.
        """
        found = ""
        for kind, value in identifiers.items():
            key = ("name", value) if kind == "name" else ("id", kind, value)
            owner = self._claims.get(key)
            if owner is None or (found and owner != found):
                return None
            found = owner
        return self._entries.get(found)

    def identify(self, certificate: Certificate) -> str | None:
        """Return the name of the partner that a peer's certificate proves, None when none or more than one.

        The certificate's own digest decides before its issuer and SAN entries.
        """
        owner = self._claims.get(("sha256", _digest(certificate.sha256)))
        if owner is not None:
            return owner
        owners = {self._claims.get(("san", certificate.issuer, _san(name))) for name in certificate.names}
        owners.discard(None)
        return owners.pop() if len(owners) == 1 else None

    def certified(self, name: str) -> bool:
        """Say whether a partner has certificates that prove it: another one, however trusted, is not the partner's."""
        return name in self._certified

    def phi(self, endpoint: str) -> str | None:
        """Return what the endpoint `partner.endpoint` may carry (`none`, `minimal`, `full`), None when unknown."""
        return self._endpoints.get(endpoint)


class _Claims:
    """Who owns what; a thing that was claimed twice is nobody's, however many claim it afterwards."""

    def __init__(self) -> None:
        self.owners: dict[tuple[str, ...], str] = {}
        self.conflicts: list[Conflict] = []
        self._contested: dict[tuple[str, ...], str] = {}

    def add(self, key: tuple[str, ...], owner: str, claim: str) -> None:
        known = self._contested.get(key) or self.owners.get(key)
        if known is None:
            self.owners[key] = owner
        elif known != owner or key[0] == "name":
            self.conflicts.append(Conflict(claim, known, owner))
            self._contested[key] = known
            self.owners.pop(key, None)


def _entry(partner: Partner) -> Entry:
    return Entry(
        dict(partner.more),
        name=partner.name,
        identifiers={
            kind: value if isinstance(value, str) else list(value)
            for kind, value in partner.identifiers.items()
        },
        contact=dict(partner.contact),
        endpoints=list(partner.endpoints),
        zone=partner.zone,
    )


def _identifiers(partner: Partner) -> Iterable[tuple[str, str]]:
    for kind, value in partner.identifiers.items():
        for one in [value] if isinstance(value, str) else value:
            if one:
                yield kind, one


def _trust_key(trust: Trust) -> tuple[str, ...]:
    if trust.sha256:
        return ("sha256", _digest(trust.sha256))
    return ("san", trust.issuer, _san(trust.name))


def _digest(text: str) -> str:
    return text.replace(":", "").lower()


def _san(name: str) -> str:
    """Return a SAN entry as it is compared: host names without regard to case (RFC 4343), URIs exactly."""
    kind, _, value = name.partition(":")
    return f"dns:{value.lower().rstrip('.')}" if kind.lower() == "dns" else f"{kind.lower()}:{value}"
