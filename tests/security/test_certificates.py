"""The development authority: made once, renewed in time, never readable by others."""

import ssl
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from engine.security.certificates import list_certificates, make_dev_certificates
from engine.security.identity import UnusableCertificate, authority_name
from engine.security.secrets import load_secret
from engine.security.signing import SharedKey, load_key
from tests.security.fixed_clock import FixedClock

CLINICS = ("clinique-abc", "clinique-def")


def test_it_makes_an_authority_the_engine_and_one_pair_and_secret_per_clinic(tmp_path: Path) -> None:
    written = make_dev_certificates(tmp_path, CLINICS)
    expected = {"ca.key", "ca.pem", "engine.key", "engine.pem"}
    expected |= {f"{name}.{kind}" for name in CLINICS for kind in ("key", "pem", "whsec")}
    assert {path.name for path in written} == expected
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_keys_and_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {mode for name, mode in modes.items() if name.endswith((".key", ".whsec"))} == {0o600}
    assert {mode for name, mode in modes.items() if name.endswith(".pem")} == {0o644}


def test_a_second_call_writes_nothing(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert make_dev_certificates(tmp_path, CLINICS) == ()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_new_clinic_is_added_to_the_same_authority(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS[:1])
    written = make_dev_certificates(tmp_path, CLINICS)
    assert {path.name for path in written} == {"clinique-def.key", "clinique-def.pem", "clinique-def.whsec"}


def test_a_pair_is_renewed_when_a_month_is_left_and_its_secret_stays(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS)
    secret = load_secret(tmp_path / "clinique-abc.whsec")
    written = make_dev_certificates(tmp_path, CLINICS, clock=FixedClock(timedelta(days=336)))
    pairs = {f"{name}.{kind}" for name in ("engine", *CLINICS) for kind in ("key", "pem")}
    assert {path.name for path in written} == pairs
    assert load_secret(tmp_path / "clinique-abc.whsec") == secret


def test_an_authority_near_its_end_is_replaced_with_all_that_it_issued(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, ())
    written = make_dev_certificates(tmp_path, (), clock=FixedClock(timedelta(days=3300)))
    assert {path.name for path in written} == {"ca.key", "ca.pem", "engine.key", "engine.pem"}


def test_a_key_of_another_pair_is_replaced(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS)
    (tmp_path / "engine.key").write_bytes((tmp_path / "clinique-abc.key").read_bytes())
    written = make_dev_certificates(tmp_path, CLINICS)
    assert {path.name for path in written} == {"engine.key", "engine.pem"}
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "engine.pem", tmp_path / "engine.key")


def test_an_authority_without_its_key_is_left_alone(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, ())
    (tmp_path / "ca.key").unlink()
    with pytest.raises(UnusableCertificate, match=r"ca\.pem has no ca\.key"):
        make_dev_certificates(tmp_path, CLINICS)


@pytest.mark.parametrize("name", ["ca", "engine", "../up", "Clinique", "a.b", "", "-a"])
def test_a_name_that_is_no_plain_label_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableCertificate, match="cannot name a certificate"):
        make_dev_certificates(tmp_path, [name])
    assert list(tmp_path.iterdir()) == []


def test_the_list_says_names_and_days_left_soonest_end_first(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS[:1], clock=FixedClock(timedelta(days=-300)))
    make_dev_certificates(tmp_path, CLINICS[1:2], clock=FixedClock(timedelta(days=-100)))
    entries = list_certificates(tmp_path, clock=FixedClock())
    assert [(entry.path.name, entry.days_left) for entry in entries] == [
        ("clinique-abc.pem", 65),
        ("engine.pem", 65),
        ("clinique-def.pem", 265),
        ("ca.pem", 3350),
    ]
    clinic, authority = entries[0], entries[-1]
    assert clinic.names == (
        "dns:localhost",
        "dns:clinique-abc.localhost",
        "uri:urn:passerelle:dev:clinique-abc",
        "ip:127.0.0.1",
        "ip:::1",
    )
    assert (clinic.authority, authority.authority) == (False, True)
    assert clinic.key == tmp_path / "clinique-abc.key"
    assert clinic.issuer == authority.subject == authority_name(tmp_path / "ca.pem")
    assert len(clinic.sha256) == 64


def test_an_expired_certificate_has_negative_days_left(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, (), clock=FixedClock(timedelta(days=-400)))
    assert list_certificates(tmp_path, clock=FixedClock())[0].days_left < 0


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.pem").write_text("hello")
    with pytest.raises(UnusableCertificate, match=r"odd\.pem holds no certificate"):
        list_certificates(tmp_path)


def test_the_secret_of_a_clinic_signs_webhooks(tmp_path: Path) -> None:
    make_dev_certificates(tmp_path, CLINICS)
    assert isinstance(load_key(load_secret(tmp_path / "clinique-abc.whsec")), SharedKey)
