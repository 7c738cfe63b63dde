"""Read who a TLS peer is: issuer, SAN entries and fingerprint, never the common name."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from engine.errors import PasserelleError
from engine.model import Certificate


class UnusableCertificate(PasserelleError):
    """A certificate, key or folder of them cannot be used; the text names the file and the cause."""


def peer_certificate(ssl_object: ssl.SSLObject | ssl.SSLSocket | None) -> Certificate | None:
    """Return the identity that the peer of an established connection proved, None without a certificate.

    `issuer` is the RFC 4514 name of that authority of the connection's context whose key signed the certificate, ""
    when none did so directly: a trusted authority could otherwise name an intermediate after another one.
    Takes what `transport.get_extra_info("ssl_object")` gives.
    """
    if ssl_object is None:
        return None
    encoded = ssl_object.getpeercert(binary_form=True)
    if not encoded:
        return None
    return _identity(encoded, tuple(ssl_object.context.get_ca_certs(binary_form=True)))


def authority_name(path: Path) -> str:
    """Return the name that `peer_certificate` gives as issuer for an authority's PEM file.

    Raises:
        UnusableCertificate: there is no certificate in the file.
    """
    return load_certificate(path).subject.rfc4514_string()


def load_certificate(path: Path) -> x509.Certificate:
    """Read the first certificate of a PEM file.

    Raises:
        UnusableCertificate: the file cannot be read or holds none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise UnusableCertificate(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UnusableCertificate(f"{path} holds no certificate in PEM form") from error


def san_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the SAN entries as `dns:host`, `uri:urn:x` and `ip:address`; host names in lower case.

    Source: RFC 5280 4.2.1.6; what it calls otherName, e-mail and directory names identifies no machine here.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (
        *(f"dns:{name.lower()}" for name in names.get_values_for_type(x509.DNSName)),
        *(f"uri:{name}" for name in names.get_values_for_type(x509.UniformResourceIdentifier)),
        *(f"ip:{name}" for name in names.get_values_for_type(x509.IPAddress)),
    )


@lru_cache(maxsize=1024)  # a partner's connections come with the same certificate again and again
def _identity(encoded: bytes, authorities: tuple[bytes, ...]) -> Certificate:
    certificate = x509.load_der_x509_certificate(encoded)
    return Certificate(
        issuer=_issuer(certificate, authorities),
        names=san_names(certificate),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _issuer(certificate: x509.Certificate, authorities: tuple[bytes, ...]) -> str:
    for encoded in authorities:
        authority = x509.load_der_x509_certificate(encoded)
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return authority.subject.rfc4514_string()
    return ""
