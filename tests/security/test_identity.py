"""An issuer is proven by its key, not by a name that another authority can write."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.security.certificates import make_dev_certificates
from engine.security.identity import authority_name, load_certificate, san_names
from engine.security.tls import TlsFiles, client_context, server_context
from tests.security.fixed_clock import NOW
from tests.security.handshakes import GREETING, door, files_of, knock


def issued(
    subject: x509.Name,
    issuer: x509.Name,
    *,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    ca: bool,
) -> x509.Certificate:
    names = x509.SubjectAlternativeName(
        [x509.DNSName("Clinique-ABC.localhost"), x509.RFC822Name("a@example.org")]
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(names, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


@pytest.fixture
def forger(tmp_path: Path) -> TlsFiles:
    """A client of a trusted authority `Other` that issued itself an intermediate named after ours.

    Its `ca` is what the listener trusts: our authority and `Other`.
    """
    make_dev_certificates(tmp_path, [])
    ours = load_certificate(tmp_path / "ca.pem").subject
    other = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Other")])
    other_key, middle_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    root = issued(other, other, key=other_key, signer=other_key, ca=True)
    middle = issued(ours, other, key=middle_key, signer=other_key, ca=True)
    leaf = issued(other, ours, key=key, signer=middle_key, ca=False)
    (tmp_path / "leaf.pem").write_bytes(pem(leaf, middle))
    (tmp_path / "leaf.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "both.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + pem(root))
    return TlsFiles(tmp_path / "leaf.pem", tmp_path / "leaf.key", tmp_path / "both.pem")


async def test_a_trusted_authority_cannot_speak_for_another(tmp_path: Path, forger: TlsFiles) -> None:
    async with door(server_context(files_of(tmp_path, "engine", ca=forger.ca))) as opened:
        answer, _ = await knock(opened.port, client_context(forger))
    caller = opened.callers[0]
    assert answer == GREETING  # the chain is valid: only the identity tells them apart
    assert caller is not None
    assert caller.issuer == "" != authority_name(tmp_path / "ca.pem")


def test_names_are_lower_case_and_a_mail_address_is_none(forger: TlsFiles) -> None:
    assert forger.cert is not None
    assert san_names(load_certificate(forger.cert)) == ("dns:clinique-abc.localhost",)
