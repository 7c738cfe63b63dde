"""Checks config.yaml as a whole: every name leads somewhere, files exist, partners are not mistaken for each other."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from engine.codecs import codec_names
from engine.config import check_exposure
from engine.config.findings import Findings
from engine.config.loaded import Loaded
from engine.config.models import EndpointConfig, is_loopback
from engine.config.nodes import Location
from engine.config.partner import CertificateTrust, PartnerConfig
from engine.config.settings import Table, TlsProfile

_MAIL = frozenset({"smtp"})
"""Channels whose content others can read on its way and at rest: they never carry `phi: full`."""
_HOME = "CA-QC"


def check_app(loaded: Loaded, findings: Findings, today: date) -> None:
    """Check all but the routes."""
    app = loaded.app
    for name, profile in app.tls.items():
        _check_tls(findings, ("tls", name), profile, loaded.root)
    for name, table in app.tables.items():
        _check_table(findings, ("tables", name), table, loaded.root)
    _check_listeners(loaded, findings, today)
    for name, connection in app.connections.items():
        findings.reference(("connections", name, "tls"), connection.tls, app.tls, "TLS profile")
        check_exposure.check_way_out(findings, ("connections", name), connection, today)
    for name, partner in app.partners.items():
        _check_partner(loaded, findings, ("partners", name), partner, today)
    findings.clashes(
        ("partners",), [(name, partner.formerly) for name, partner in app.partners.items()], "partner"
    )
    _check_identities(loaded, findings)
    _check_alerts(loaded, findings)
    _check_api(loaded, findings)


def endpoint_names(loaded: Loaded) -> set[str]:
    """Return every endpoint as `partner.endpoint`."""
    return {f"{name}.{short}" for name, partner in loaded.partners.items() for short in partner.endpoints}


def _check_listeners(loaded: Loaded, findings: Findings, today: date) -> None:
    app = loaded.app
    addresses: dict[str, str] = {}
    for name, listener in app.listen.items():
        at: Location = ("listen", name)
        findings.reference((*at, "partner"), listener.partner, loaded.partners, "partner")
        findings.reference((*at, "codec"), listener.codec, codec_names(), "codec")
        if findings.reference((*at, "tls"), listener.tls, app.tls, "TLS profile"):
            profile = app.tls[listener.tls or ""]
            if profile.cert is None or profile.key is None:
                findings.error(
                    (*at, "tls"), f'the TLS profile "{listener.tls}" has no certificate and key of its own'
                )
        for key, endpoint in listener.endpoints().items():
            place = (*at, *key.split(".", 2))  # an AE title, which comes third, may hold a dot
            findings.reference(place, endpoint, endpoint_names(loaded), "endpoint")
        check_exposure.check_listener(findings, at, listener, app, today)
        address = str(getattr(listener, listener.type, ""))
        first = addresses.setdefault(f"{listener.type} {address}", name)
        if first != name and not address.endswith(":0") and listener.exposure() is not None:
            findings.error((*at, listener.type), f'"{first}" listens there already')
    findings.clashes(("listen",), [(name, item.formerly) for name, item in app.listen.items()], "listener")


def _check_tls(findings: Findings, at: Location, profile: TlsProfile, root: Path) -> None:
    if (profile.cert is None) != (profile.key is None):
        findings.error_of_key(at, "a certificate and its key go together", "give both `cert` and `key`")
    for key in ("cert", "key", "ca"):
        path = getattr(profile, key)
        if path is not None and not (root / path).is_file():
            findings.error(
                (*at, key), f'there is no file "{path}"', "`passerelle certs dev` makes local ones"
            )


def _check_table(findings: Findings, at: Location, table: Table, root: Path) -> None:
    try:
        with (root / table.csv).open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        findings.error((*at, "csv"), f'"{table.csv}" cannot be read as CSV in UTF-8')
        return
    findings.reference((*at, "key"), table.key, header, "column")
    findings.reference((*at, "value"), table.value, header, "column")


# --------------------------------------------------------------------------- partners


def _check_partner(
    loaded: Loaded, findings: Findings, at: Location, partner: PartnerConfig, today: date
) -> None:
    for index, trust in enumerate(partner.certificates):
        _check_trust(findings, (*at, "certificates", index), trust, loaded.root)
    for name, endpoint in partner.endpoints.items():
        _check_endpoint(loaded, findings, (*at, "endpoints", name), endpoint, today)
    former = [(name, endpoint.formerly) for name, endpoint in partner.endpoints.items()]
    findings.clashes((*at, "endpoints"), former, "endpoint")


def _check_trust(findings: Findings, at: Location, trust: CertificateTrust, root: Path) -> None:
    if trust.sha256 is None and (trust.issuer is None or trust.san is None):
        findings.error(at, "this proves nobody", "give `issuer` and `san`, or `sha256`")
    if trust.sha256 is not None and (trust.issuer is not None or trust.san is not None):
        findings.error(
            (*at, "sha256"), "a digest stands alone", "leave `issuer` and `san` out, or make two entries"
        )
    if trust.issuer is not None and not (root / trust.issuer).is_file():
        findings.error((*at, "issuer"), f'there is no file "{trust.issuer}"')


def _check_endpoint(
    loaded: Loaded, findings: Findings, at: Location, endpoint: EndpointConfig, today: date
) -> None:
    app = loaded.app
    findings.reference((*at, "tls"), endpoint.tls, app.tls, "TLS profile")
    for index, name in enumerate(endpoint.use):
        findings.reference((*at, "use", index), name, app.profiles, "profile")
    for key, listener in endpoint.listeners().items():
        findings.reference((*at, key), listener, app.listen, "listener")
    check_exposure.check_way_out(findings, at, endpoint, today)
    _check_connection(loaded, findings, at, endpoint)
    if endpoint.complement == "send" and endpoint.phi != "full":
        told = "a complement holds all of a message, and `phi` of this endpoint forbids that"
        findings.error((*at, "complement"), told, "say `phi: full`, or leave it out")
    if endpoint.type in _MAIL and endpoint.phi == "full":
        findings.error(
            (*at, "phi"), "mail never carries full personal health information", "write none or minimal"
        )
    running = app.engine.env or loaded.env
    if endpoint.env is not None and endpoint.env != running:
        findings.error(
            (*at, "env"),
            f'this endpoint belongs to "{endpoint.env}", the engine runs as "{running or "no environment"}"',
            "leave it to the overlay of its environment",
        )
    place = endpoint.jurisdiction
    if place is not None and place.place != _HOME and not place.assessment:
        findings.error(
            (*at, "jurisdiction", "place"),
            "outside of Quebec an assessment is needed",
            "give `assessment`, its id",
        )


def _check_connection(loaded: Loaded, findings: Findings, at: Location, endpoint: EndpointConfig) -> None:
    """Check which connection an endpoint goes through, for channels that have connections."""
    if "connection" not in type(endpoint).model_fields:
        return
    able = [name for name, connection in loaded.app.connections.items() if connection.type == endpoint.type]
    name = getattr(endpoint, "connection", None)
    if name is not None:
        findings.reference((*at, "connection"), name, able, f"{endpoint.type} connection")
    elif len(able) != 1:
        findings.error(
            (*at, endpoint.type),
            f"there are {'several' if able else 'no'} {endpoint.type} connections",
            f"say `connection: {able[0]}`" if able else "add one under `connections:`",
        )


def _check_identities(loaded: Loaded, findings: Findings) -> None:
    """Refuse what two partners claim: it would find neither."""
    owners: dict[tuple[str, ...], str] = {}
    for name, partner in loaded.partners.items():
        for claim, told, at in _claims(name, partner):
            first = owners.setdefault(claim, name)
            if first != name:
                findings.error(at, f'{told} belongs to "{first}", too')


def _claims(name: str, partner: PartnerConfig) -> Iterator[tuple[tuple[str, ...], str, Location]]:
    at: Location = ("partners", name)
    for kind, values in partner.identifiers.items():
        for index, value in enumerate(values):
            yield (kind, value), f'{kind} "{value}"', (*at, "identifiers", kind, index)
    for index, trust in enumerate(partner.certificates):
        place: Location = (*at, "certificates", index)
        if trust.sha256:
            yield ("sha256", trust.sha256.lower()), "this certificate", (*place, "sha256")
        elif trust.san:
            yield ("san", str(trust.issuer), trust.san.lower()), f'"{trust.san}"', (*place, "san")


# --------------------------------------------------------------------------- alerts and the engine's own interface


def _check_alerts(loaded: Loaded, findings: Findings) -> None:
    app = loaded.app
    mail = [name for name, connection in app.connections.items() if connection.type in _MAIL]
    for name, alert in app.alerts.items():
        at: Location = ("alerts", name)
        if not alert.to.startswith("mailto:"):
            findings.reference((*at, "to"), alert.to, endpoint_names(loaded), "endpoint")
        elif alert.connection is not None:
            findings.reference((*at, "connection"), alert.connection, mail, "smtp connection")
        elif len(mail) != 1:
            findings.error(
                (*at, "to"),
                "there are several smtp connections" if mail else "there is no smtp connection to send it by",
                f"say `connection: {mail[0]}`" if mail else "add one under `connections:`",
            )


def _check_api(loaded: Loaded, findings: Findings) -> None:
    api = loaded.app.api
    findings.reference(("api", "tls"), api.tls, loaded.app.tls, "TLS profile")
    if api.tcp is None:
        return
    if not is_loopback(api.tcp.host) and api.tls is None:
        findings.error(
            ("api", "tcp"), f"{api.tcp.host} can be reached from outside without TLS", "name a TLS profile"
        )
    if not api.tokens:
        findings.error(("api", "tcp"), "nobody could call it: there are no tokens", "add one under `tokens:`")
