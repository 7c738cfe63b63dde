"""Over mutual TLS 1.3 a certificate says who stores and who reads; who shows none does not get in."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from engine.model import Certificate
from engine.security.tls import TlsFiles, client_context, server_context
from tests.channels.dicomweb.fetching import ONE
from tests.channels.dicomweb.instances import get, instance, related, stow
from tests.channels.dicomweb.serving import Held, listening
from tests.channels.http.wire import wire

PARTNERS = {"clinique-abc": "radiology", "clinique-def": "cardiology"}


def context(certs: Path, name: str) -> ssl.SSLContext:
    return client_context(TlsFiles(certs / f"{name}.pem", certs / f"{name}.key", certs / "ca.pem"))


def door(certs: Path) -> ssl.SSLContext:
    return server_context(TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem"))


def identify(certificate: Certificate) -> str | None:
    return next(
        (PARTNERS[name] for name in PARTNERS if any(name in each for each in certificate.names)), None
    )


async def asked(address: str, tls: ssl.SSLContext, request: bytes) -> int:
    async with wire(address, tls) as client:
        await client.write(request)
        return (await client.read()).status


async def test_a_certificate_says_who_stores_and_who_reads(dev_certs: Path) -> None:
    served = listening(
        images=Held(instance("2.25.1")),
        tls_context=door(dev_certs),
        identify=identify,
        partner=None,
        read=["radiology"],
    )
    async with served as images:
        radiology, cardiology = context(dev_certs, "clinique-abc"), context(dev_certs, "clinique-def")
        stored = stow(related(instance("2.25.2")))
        assert await asked(images.address, cardiology, stored) == 200
        assert images.intake.messages[0].partner == "cardiology"
        assert await asked(images.address, radiology, get(ONE)) == 200
        assert await asked(images.address, cardiology, get(ONE)) == 403
        assert [each.actor for each in images.accesses] == ["partner:radiology"]


async def test_a_certificate_of_nobody_does_not_get_in(dev_certs: Path) -> None:
    async with listening(tls_context=door(dev_certs), identify=identify, partner=None) as images:
        stored = stow(related(instance("2.25.2")))
        assert await asked(images.address, context(dev_certs, "clinique-ghi"), stored) == 403
        assert not images.intake.messages


async def test_without_a_certificate_of_the_authority_nobody_is_heard(
    dev_certs: Path, stranger_certs: Path
) -> None:
    stranger = context(stranger_certs, "clinique-abc")
    stranger.load_verify_locations(dev_certs / "ca.pem")
    async with listening(tls_context=door(dev_certs), identify=identify, partner=None) as images:
        with pytest.raises((OSError, EOFError)):
            await asked(images.address, stranger, stow(related(instance("2.25.2"))))
        assert not images.intake.messages
