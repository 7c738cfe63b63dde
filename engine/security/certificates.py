"""Make a local certificate authority for development, and list what certificates a folder holds.

The authority, its key and everything it issues are for one machine: EC P-256, one year, renewed when a month is left.
The common name only labels a certificate for people; identity is in the SAN (RFC 9525 2).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from engine.clock import Clock, SystemClock
from engine.security.identity import UnusableCertificate, load_certificate, san_names
from engine.security.signing import new_shared_secret

AUTHORITY_LIFE = timedelta(days=3650)
LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
ENGINE = "engine"
URN = "urn:passerelle:dev:"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_BACKDATED = timedelta(minutes=5)  # a peer's clock may run a little behind


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate file: `names` as in `engine.model.Certificate`, times aware and UTC, `sha256` in hex.

    `days_left` is negative once it has expired. `key` is the private key's file beside it, if there is one.
    """

    path: Path
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_after: datetime
    days_left: int
    sha256: str
    authority: bool
    key: Path | None


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_dev_certificates(
    folder: Path, names: Sequence[str], *, clock: Clock | None = None
) -> tuple[Path, ...]:
    """Make `ca`, `engine` and one pair per name as `.pem` and `.key`, and `<name>.whsec`; return what was written.

    What is there and still good for a month is left alone, so a second call writes nothing. Each pair serves as
    server and client on loopback and carries `dns:<name>.localhost` and `uri:urn:passerelle:dev:<name>`. Keys and
    secrets are readable by their owner only.

    Raises:
        UnusableCertificate: a name is no lower-case DNS label, or the folder holds an authority without its key.
    """
    for name in names:
        if not _NAME.fullmatch(name) or name in ("ca", ENGINE):
            raise UnusableCertificate(
                f"{name!r} cannot name a certificate: use a-z, 0-9 and -, not ca or {ENGINE}"
            )
    now = _now(clock or SystemClock())
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    authority = _authority(folder, now=now, written=written)
    for name in (ENGINE, *names):
        if not _is_good(folder, name, authority=authority, now=now):
            written += _issue(folder, name, authority=authority, now=now)
    for name in names:
        secret = folder / f"{name}.whsec"
        if not secret.exists():
            _write(secret, new_shared_secret().reveal().encode() + b"\n", mode=0o600)
            written.append(secret)
    return tuple(written)


def list_certificates(folder: Path, *, clock: Clock | None = None) -> tuple[CertificateEntry, ...]:
    """Describe the first certificate of every `*.pem` and `*.crt` of a folder, the one that ends first in front.

    Raises:
        UnusableCertificate: a file holds no certificate, or cannot be read.
    """
    now = _now(clock or SystemClock())
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".pem", ".crt") and path.is_file()]
    entries = [_entry(path, now=now) for path in paths]
    return tuple(sorted(entries, key=lambda entry: (entry.not_after, entry.path)))


def _entry(path: Path, *, now: datetime) -> CertificateEntry:
    certificate = load_certificate(path)
    key = path.with_suffix(".key")
    return CertificateEntry(
        path=path,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=san_names(certificate),
        not_after=certificate.not_valid_after_utc,
        days_left=(certificate.not_valid_after_utc - now).days,
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        authority=_is_authority(certificate),
        key=key if key.is_file() else None,
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise UnusableCertificate(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise UnusableCertificate(f"{path} holds no unencrypted private key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise UnusableCertificate(f"{path} is no EC key; an authority of this program is")
    return key


def _authority(folder: Path, *, now: datetime, written: list[Path]) -> _Authority:
    certificate_path, key_path = folder / "ca.pem", folder / "ca.key"
    if certificate_path.exists():
        if not key_path.exists():
            raise UnusableCertificate(
                f"{certificate_path} has no {key_path.name} beside it: it is not an authority of this program, "
                "so issue the certificates where its key is, or use another folder"
            )
        authority = _Authority(load_certificate(certificate_path), _load_key(key_path))
        if authority.certificate.not_valid_after_utc - now > LIFE:  # what it issues must not outlive it
            return authority
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject("Passerelle development authority", f"made {now:%Y-%m-%d}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, "ca", certificate=certificate, key=key)
    written += [key_path, certificate_path]
    return _Authority(certificate, key)


def _is_good(folder: Path, name: str, *, authority: _Authority, now: datetime) -> bool:
    """Say whether the pair is there, belongs together, is of this authority and lasts another month."""
    certificate_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    if not (certificate_path.exists() and key_path.exists()):
        return False
    certificate = load_certificate(certificate_path)
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    belongs = certificate.public_key() == _load_key(key_path).public_key()
    return belongs and certificate.not_valid_after_utc - now > RENEW_BEFORE


def _issue(folder: Path, name: str, *, authority: _Authority, now: datetime) -> list[Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(name, "issued for one machine"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(_alternatives(name), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    _write_pair(folder, name, certificate=certificate, key=key)
    return [folder / f"{name}.key", folder / f"{name}.pem"]


def _alternatives(name: str) -> x509.SubjectAlternativeName:
    loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.DNSName(f"{name}.localhost"),
        x509.UniformResourceIdentifier(URN + name),
        *loopback,
    ]
    return x509.SubjectAlternativeName(names)


def _subject(label: str, note: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Passerelle development"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, note),
            x509.NameAttribute(NameOID.COMMON_NAME, label),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(
    folder: Path, name: str, *, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    """Write the key first: a watcher that sees the new certificate finds its key in place."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(folder / f"{name}.key", pem, mode=0o600)
    _write(folder / f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Put a whole file in place at once, never readable by others for a moment where `mode` forbids it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC).replace(microsecond=0)
