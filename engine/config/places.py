"""Scalars that say where: addresses, URLs, paths and networks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from engine.config.reading import Reading
from engine.config.text import Text, shown


@dataclass(frozen=True, slots=True)
class HostPort:
    """A TCP address; `host` is a name or an IP address without brackets, `port` may be 0 where one is to be chosen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    """Tell whether `host` can only be this machine: 127.0.0.0/8, ::1 or `localhost`."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in ("localhost", "localhost.")


_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"


def read_address(text: str) -> HostPort:
    """Read `127.0.0.1:8443`, `mail.example.org:587` or `[::1]:1`; ValueError otherwise."""
    match = re.fullmatch(rf"({_HOST}):([0-9]{{1,5}})", text, re.ASCII)
    if not match:
        if re.fullmatch(_HOST, text, re.ASCII):
            raise ValueError(f'"{shown(text)}" has no port')
        raise ValueError
    if int(match[2]) > 65535:
        raise ValueError(f'"{shown(text)}" has a port above 65535')
    host = match[1]
    if host.startswith("[") or re.fullmatch(r"[0-9.]+", host, re.ASCII):
        try:
            host = str(ip_address(host.strip("[]")))
        except ValueError:
            raise ValueError from None
    return HostPort(host, int(match[2]))


Address = Annotated[
    HostPort,
    Reading(
        "an address",
        "write 127.0.0.1:8443 or [::1]:8443",
        HostPort,
        read_address,
        {"type": "string", "pattern": ":[0-9]+$"},
    ),
]


class Url(Text):
    """An absolute URL. `str(url)` may hold a password: print `masked`."""

    __slots__ = ()

    @property
    def scheme(self) -> str:
        return urlsplit(self).scheme

    @property
    def host(self) -> str:
        return urlsplit(self).hostname or ""

    @property
    def port(self) -> int | None:
        return urlsplit(self).port

    @property
    def masked(self) -> str:
        """The URL with its password, where it has one, as `***`."""
        parts = urlsplit(self)
        if parts.password is None:
            return str(self)
        name, _, place = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{name.partition(':')[0]}:***@{place}").geturl()


def url(*schemes: str) -> Reading:
    """Return how to read an absolute URL of one of `schemes`."""
    choices = " or ".join(f"{scheme}://" for scheme in schemes)

    def read(text: str) -> Url:
        if re.search(r"[\s<>\"\\^`|]", text):
            raise ValueError
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError
        try:
            parts.port  # noqa: B018  reading it is what checks it
        except ValueError:
            raise ValueError(f'"{shown(text)}" has no valid port') from None
        return Url.retell(text)

    pattern = f"^({'|'.join(schemes)})://"
    return Reading("a URL", f"write {choices}...", Url, read, {"type": "string", "pattern": pattern})


HttpUrl = Annotated[Url, url("https", "http")]
AmqpUrl = Annotated[Url, url("amqps", "amqp")]

FilePath = Annotated[
    Path,
    Reading(
        "a path",
        "write a path, relative to the folder of config.yaml",
        Path,
        lambda text: _path(text),
        {"type": "string"},
    ),
]


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError
    return Path(text)


def read_network(text: str) -> IPv4Network | IPv6Network:
    """Read `10.12.8.0/24` or one address; ValueError otherwise."""
    try:
        return ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            raise ValueError(f'"{shown(text)}" is an address inside a network, not a network') from None
        raise ValueError from None


Network = Annotated[
    IPv4Network | IPv6Network,
    Reading(
        "a network",
        "write 10.12.8.0/24 or 10.12.4.7",
        (IPv4Network, IPv6Network),
        read_network,
        {"type": "string"},
    ),
]
