"""Addresses that a person types, and which TLS files stand behind the options of `hl7 send` and `hl7 listen`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import click
import pytest

from engine.cli.calling import Where
from engine.cli.desk import Desk
from engine.cli.hl7.connecting import HostPort, client_tls, server_tls, tls_files
from engine.cli.terminal import Terminal
from engine.cli.words import chosen_language
from engine.errors import ConfigurationError, NotFound
from engine.security.certificates import make_dev_certificates
from engine.security.tls import TlsFiles

PROJECT = """\
engine: {name: test}
tls:
  here: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk in a project that has the TLS profile `here`."""
    make_dev_certificates(tmp_path / "certs", [])
    (tmp_path / "config.yaml").write_text(PROJECT, encoding="utf-8")
    where = Where(tmp_path / "config.yaml", None, None, None)
    return Desk(where, Terminal(as_json=True, language=chosen_language("en")))


def files(desk: Desk, **said: Any) -> TlsFiles | None:
    options = {"tls": False, "tls_profile": None, "ca": None, "cert": None, "key": None, **said}
    return tls_files(desk, **options)


# --------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.1.2.3:2575", ("10.1.2.3", 2575)),
        ("lab.example:1", ("lab.example", 1)),
        ("[::1]:2575", ("::1", 2575)),
        ("2575", ("127.0.0.1", 2575)),
        (":2575", ("127.0.0.1", 2575)),
        ("0", ("127.0.0.1", 0)),
        ("lab:65535", ("lab", 65535)),
    ],
)
def test_an_address_is_read(text: str, address: tuple[str, int]) -> None:
    assert HostPort().convert(text, None, None) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "lab",
        "lab:",
        "lab:x",
        "lab:-1",
        "lab:65536",
        "lab: 1",
        "lab:²",
        "::1",
        "fe80::1:2575",
        "[::1",
        "[::1]",
    ],
)
def test_what_is_no_address_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(click.BadParameter, match="HOST:PORT"):
        HostPort().convert(text, None, None)


# --------------------------------------------------------------------------- files


def test_without_an_option_it_is_plaintext(desk: Desk) -> None:
    assert files(desk) is None
    assert (client_tls(None), server_tls(None)) == (None, None)


def test_tls_alone_trusts_what_the_machine_trusts(desk: Desk) -> None:
    assert files(desk, tls=True) == TlsFiles()


@pytest.mark.parametrize("one", ["cert", "key"])
@pytest.mark.parametrize("profile", [None, "here"])
def test_half_an_identity_is_none(desk: Desk, one: str, profile: str | None) -> None:
    with pytest.raises(click.UsageError, match="--cert and --key go together"):
        files(desk, tls_profile=profile, **{one: Path("half.pem")})


@pytest.mark.parametrize("more", [{"ca": Path("a")}, {"cert": Path("a"), "key": Path("b")}])
def test_a_profile_and_files_at_once_are_refused(desk: Desk, more: dict[str, Path]) -> None:
    with pytest.raises(click.UsageError, match="--tls-profile, or the files"):
        files(desk, tls_profile="here", **more)


def test_a_profile_is_found_beside_its_project_wherever_one_stands(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    root = desk.where.config.parent
    found = files(desk, tls_profile="here")
    assert found == TlsFiles(
        cert=root / "certs/engine.pem", key=root / "certs/engine.key", ca=root / "certs/ca.pem"
    )


def test_a_profile_that_is_not_there_is_named(desk: Desk) -> None:
    with pytest.raises(NotFound, match='no TLS profile "there"; did you mean "here"'):
        files(desk, tls_profile="there")


def test_a_project_that_cannot_be_read_is_told_with_its_line(desk: Desk) -> None:
    desk.where.config.write_text("engine: {name: test", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"config\.yaml:1:9"):
        files(desk, tls_profile="here")


# --------------------------------------------------------------------------- contexts


def test_a_listener_asks_for_a_certificate_where_it_can_check_one(desk: Desk) -> None:
    found = files(desk, tls_profile="here")
    assert found is not None
    with_authority = server_tls(found)
    without = server_tls(TlsFiles(cert=found.cert, key=found.key))
    assert with_authority is not None and without is not None
    assert (with_authority.verify_mode, without.verify_mode) == (ssl.CERT_REQUIRED, ssl.CERT_NONE)


def test_a_sender_checks_whom_it_speaks_to(desk: Desk) -> None:
    context = client_tls(files(desk, tls=True))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
