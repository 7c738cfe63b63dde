"""The directory finds the right partner in one look-up, and nobody where it would have to guess."""

from __future__ import annotations

from time import perf_counter

import pytest

from engine.model import Certificate
from engine.partners.directory import Directory, Partner, Trust

ISSUER = "CN=Autorite locale,O=Exemple"
ABC = Partner(
    "clinique-abc",
    identifiers={"permit": "01234", "facility": ["CLINABC", "ABC"]},
    contact={"name": "Service informatique"},
    endpoints={"emr": "full", "mail": "none"},
    certificates=[
        Trust(issuer=ISSUER, name="dns:dme.clinique-abc.example"),
        Trust(sha256="AB:CD:" + "00" * 30),
    ],
    zone="America/Toronto",
    more={"region": "03"},
)
XYZ = Partner("clinique-xyz", identifiers={"permit": "05678", "facility": "XYZ"}, endpoints={"queue": "full"})


def certificate(*names: str, issuer: str = ISSUER, sha256: str = "ff" * 32) -> Certificate:
    return Certificate(issuer, names, sha256)


def name_of(entry: object) -> str:
    return str(entry)


def test_a_partner_is_found_by_each_of_its_identifiers() -> None:
    directory = Directory([ABC, XYZ])
    asked: list[dict[str, str]] = [{"permit": "01234"}, {"facility": "ABC"}, {"facility": "CLINABC"}]
    assert [name_of(directory.find(**where)) for where in asked] == ["clinique-abc"] * 3


def test_a_leading_zero_is_part_of_a_permit() -> None:
    assert Directory([ABC]).find(permit="1234") is None


def test_several_identifiers_must_all_agree() -> None:
    directory = Directory([ABC, XYZ])
    assert name_of(directory.find(permit="01234", facility="ABC")) == "clinique-abc"
    assert directory.find(permit="01234", facility="XYZ") is None


@pytest.mark.parametrize("where", [{}, {"permit": ""}, {"permit": "99999"}, {"colour": "01234"}])
def test_what_nobody_has_finds_nobody(where: dict[str, str]) -> None:
    assert Directory([ABC, XYZ]).find(**where) is None


def test_an_empty_identifier_is_not_indexed() -> None:
    assert Directory([Partner("a", identifiers={"permit": ""})]).find(permit="") is None


def test_a_partner_is_found_by_name() -> None:
    directory = Directory([ABC, XYZ])
    assert name_of(directory.find(name="clinique-xyz")) == "clinique-xyz"
    assert directory.entry("clinique-xyz") is directory.find(permit="05678")


def test_an_entry_reads_as_plain_mappings_and_as_its_name() -> None:
    entry = Directory([ABC]).entry("clinique-abc")
    assert entry is not None
    assert f"{entry}.emr" == "clinique-abc.emr"
    assert entry["contact"]["name"] == "Service informatique"
    assert entry["identifiers"]["permit"] == "01234"
    assert (entry["endpoints"], entry["zone"], entry["region"]) == (["emr", "mail"], "America/Toronto", "03")


def test_an_endpoint_says_what_it_may_carry() -> None:
    directory = Directory([ABC])
    assert directory.phi("clinique-abc.mail") == "none"
    assert directory.phi("clinique-abc.fax") is None


def test_an_identifier_of_two_partners_finds_neither_and_is_reported() -> None:
    other = Partner("clinique-def", identifiers={"permit": "01234"})
    third = Partner("clinique-ghi", identifiers={"permit": "01234"})
    directory = Directory([ABC, other, third])
    assert directory.find(permit="01234") is None
    assert [str(conflict) for conflict in directory.conflicts] == [
        "permit 01234 belongs to both clinique-abc and clinique-def: neither is found by it",
        "permit 01234 belongs to both clinique-abc and clinique-ghi: neither is found by it",
    ]
    assert name_of(directory.find(facility="ABC")) == "clinique-abc"


def test_a_value_repeated_by_one_partner_is_no_conflict() -> None:
    directory = Directory([Partner("a", identifiers={"facility": ["A", "A"]})])
    assert directory.conflicts == ()
    assert name_of(directory.find(facility="A")) == "a"


def test_a_name_used_twice_is_reported() -> None:
    assert [conflict.claim for conflict in Directory([XYZ, XYZ]).conflicts][:1] == ["name clinique-xyz"]


def test_issuer_and_san_prove_a_partner() -> None:
    directory = Directory([ABC, XYZ])
    assert directory.identify(certificate("dns:DME.clinique-abc.example")) == "clinique-abc"


def test_the_same_san_of_another_issuer_proves_nothing() -> None:
    directory = Directory([ABC, XYZ])
    assert directory.identify(certificate("dns:dme.clinique-abc.example", issuer="CN=Ailleurs")) is None


def test_the_digest_of_a_certificate_proves_a_partner() -> None:
    directory = Directory([ABC])
    assert directory.identify(certificate(issuer="CN=Ailleurs", sha256="abcd" + "00" * 30)) == "clinique-abc"


def test_a_uri_is_compared_exactly() -> None:
    directory = Directory([Partner("a", certificates=[Trust(issuer=ISSUER, name="uri:urn:Clinic:1")])])
    assert directory.identify(certificate("uri:urn:Clinic:1")) == "a"
    assert directory.identify(certificate("uri:urn:clinic:1")) is None


def test_a_certificate_that_names_two_partners_proves_none() -> None:
    second = Partner("b", certificates=[Trust(issuer=ISSUER, name="dns:b.example")])
    directory = Directory([ABC, second])
    both = certificate("dns:dme.clinique-abc.example", "dns:b.example")
    assert directory.identify(both) is None
    assert directory.identify(certificate("dns:b.example", "dns:elsewhere.example")) == "b"


def test_a_certificate_claimed_twice_proves_none_and_is_reported() -> None:
    trust = Trust(issuer=ISSUER, name="dns:shared.example")
    directory = Directory([Partner("a", certificates=[trust]), Partner("b", certificates=[trust])])
    assert directory.identify(certificate("dns:shared.example")) is None
    assert [conflict.claim for conflict in directory.conflicts] == ["certificate dns:shared.example"]


def test_the_time_of_a_look_up_does_not_grow_with_the_directory() -> None:
    small = Directory([Partner(f"clinic-{n}", identifiers={"permit": f"{n:05d}"}) for n in range(10)])
    large = Directory([Partner(f"clinic-{n}", identifiers={"permit": f"{n:05d}"}) for n in range(20_000)])

    def seconds(directory: Directory) -> float:
        """Best of five rounds of 1,000 look-ups, so that a busy machine does not decide."""
        rounds = []
        for _ in range(5):
            begin = perf_counter()
            for _ in range(1_000):
                directory.find(permit="00007")
            rounds.append(perf_counter() - begin)
        return min(rounds)

    assert seconds(large) < 50 * seconds(small)
