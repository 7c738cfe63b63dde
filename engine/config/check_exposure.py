"""Refuses bytes that would leave this machine without mutual TLS, unless a dated exception says why.

Source: GUARANTEES.md, Security: TLS 1.3, mutual, for every listener and client off loopback.
"""

from __future__ import annotations

from datetime import date, timedelta
from ipaddress import ip_address

from engine.config.findings import Findings
from engine.config.models import (
    ConnectionConfig,
    EndpointConfig,
    Exposure,
    ListenerConfig,
    PlaintextException,
    is_loopback,
)
from engine.config.nodes import Location
from engine.config.settings import AppConfig

_NOTICE = timedelta(days=30)
_WAY_OUT = "add a TLS profile, or `plaintext: {allow: [...], reason: ..., until: ...}`"


def check_listener(
    findings: Findings, at: Location, listener: ListenerConfig, app: AppConfig, today: date
) -> None:
    """Check one listener: off loopback it asks its clients for a certificate."""
    exposure = listener.exposure()
    if _check_exception(findings, at, listener.plaintext, exposure, today):
        return
    if exposure is None or is_loopback(exposure.host):
        return
    address: Location = (*at, listener.type)
    if not exposure.encrypted:
        findings.error(address, f"{exposure.host} can be reached from outside without TLS", _WAY_OUT)
        return
    profile = app.tls.get(listener.tls or "")
    if profile is not None and profile.clients != "required":
        findings.error(
            (*at, "tls"),
            f'off loopback every client shows a certificate, but "{listener.tls}" says `clients: {profile.clients}`',
            "use a profile with `clients: required`",
        )


def check_way_out(
    findings: Findings, at: Location, config: EndpointConfig | ConnectionConfig, today: date
) -> None:
    """Check one endpoint or connection: nothing leaves this machine in clear."""
    exposure = config.exposure()
    if _check_exception(findings, at, config.plaintext, exposure, today):
        if exposure and config.plaintext and not _allows(config.plaintext, exposure.host):
            findings.error((*at, "plaintext", "allow"), f"{exposure.host} is not among these addresses")
        return
    if exposure is not None and not exposure.encrypted and not is_loopback(exposure.host):
        findings.error((*at, config.type), f"bytes travel to {exposure.host} without TLS", _WAY_OUT)


def _check_exception(
    findings: Findings,
    at: Location,
    exception: PlaintextException | None,
    exposure: Exposure | None,
    today: date,
) -> bool:
    """Check the exception itself; tells whether there is one, so that nothing else need be said."""
    if exception is None:
        return False
    place: Location = (*at, "plaintext")
    if not exception.allow:
        findings.error((*place, "allow"), "no address is allowed", "name the networks that it is for")
    if exception.until < today:
        findings.error(
            (*place, "until"),
            f"the exception ended on {exception.until}",
            "use TLS, or have the exception renewed",
        )
    elif exception.until - today <= _NOTICE:
        findings.warning((*place, "until"), f"the exception ends in {(exception.until - today).days} days")
    if exposure is None or exposure.encrypted or is_loopback(exposure.host):
        findings.warning(place, "nothing here needs this exception")
    return True


def _allows(exception: PlaintextException, host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return True  # a name: only the connection itself will know its address
    return address.is_unspecified or any(address in network for network in exception.allow)
