"""A directory of clinics: one template, one CSV file, many partners."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.loaded import Loaded
from engine.config.models import EndpointConfig
from tests.config.project import load, problems_of, write
from tests.config.sample_plugins import WebhookEndpoint

CONFIG = """
routes: []
connections: {relay: {smtp: "mail.example.org:587"}}
templates:
  clinic:
    identifiers: {permit: "{permit}"}
    contact: {phone: "{phone}"}
    endpoints:
      emr: {webhook: "{emr}", sign: {standard_webhooks: "${file:certs/{name}.whsec}"}, phi: full}
      mail: {smtp: "{mail}"}
partners:
  csv: clinics.csv
  template: clinic
  hospital: {identifiers: {permit: H1}}
"""
ROWS = """name,permit,phone,emr,mail
clinique-un,01001,"418 555-0101, poste 2",https://un.example/hooks,rdv@un.example
clinique-deux,01002,,,rdv@deux.example
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the certificates' secrets, as the working one."""
    monkeypatch.chdir(tmp_path)
    for name in ("clinique-un", "clinique-deux"):
        write(tmp_path, f"certs/{name}.whsec", f"secret of {name}\n")
    return tmp_path


def directory(rows: str = ROWS, config: str = CONFIG) -> Loaded:
    write(Path(), "clinics.csv", rows)
    return load(write(Path(), "config.yaml", config), env=None)


def wrong(rows: str = ROWS, config: str = CONFIG) -> list[tuple[str, int, int, str]]:
    write(Path(), "clinics.csv", rows)
    found = problems_of(write(Path(), "config.yaml", config), env=None)
    return [(problem.file, problem.line, problem.column, problem.message) for problem in found]


def test_each_line_is_a_partner_beside_those_that_are_written_out() -> None:
    partners = directory().partners

    assert list(partners) == ["hospital", "clinique-un", "clinique-deux"]
    assert partners["clinique-un"].identifiers == {"permit": ("01001",)}
    assert partners["clinique-un"].contact.phone == "418 555-0101, poste 2"


def test_a_secret_may_be_one_file_per_partner() -> None:
    loaded = directory()

    emr = loaded.partners["clinique-un"].endpoints["emr"]
    assert isinstance(emr, WebhookEndpoint) and emr.sign is not None
    assert emr.sign.standard_webhooks.reveal() == "secret of clinique-un"
    assert loaded.secrets == {"secret of clinique-un", "secret of clinique-deux"}


def test_an_empty_cell_leaves_its_key_out_and_an_address_its_endpoint() -> None:
    partner = directory().partners["clinique-deux"]

    assert partner.contact.phone == ""
    assert list(partner.endpoints) == ["mail"]
    assert isinstance(partner.endpoints["mail"], EndpointConfig)


def test_semicolons_and_a_byte_order_mark_are_read_as_spreadsheets_write_them() -> None:
    rows = "\ufeffname;permit;phone;emr;mail\nclinique-un;01001;;;rdv@un.example\n"

    assert directory(rows).partners["clinique-un"].identifiers == {"permit": ("01001",)}


def test_what_is_wrong_with_a_cell_is_told_at_the_cell() -> None:
    rows = ROWS.replace("https://un.example/hooks", "un.example/hooks")

    assert wrong(rows) == [("clinics.csv", 2, 43, '"un.example/hooks" is not a URL')]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("permit,phone\n1,2\n", ("clinics.csv", 1, 1, 'there is no column "name"')),
        ("name,permit,phone,emr\nx,1,2,3\n", ("config.yaml", 10, 21, 'there is no column "mail"')),
        (ROWS + "clinique-trois,1\n", ("clinics.csv", 4, 1, "2 cells under 5 columns")),
        (ROWS + ",1,2,,\n", ("clinics.csv", 4, 1, 'the column "name" is empty')),
        (ROWS + "clinique-un,9,,,\n", ("clinics.csv", 4, 1, 'the partner "clinique-un" is given twice')),
        (ROWS + 'clinique-x,"9\n', ("clinics.csv", 4, 1, "not CSV: unexpected end of data")),
        (
            ROWS.replace("01002", "01001"),
            ("clinics.csv", 3, 15, 'permit "01001" belongs to "clinique-un", too'),
        ),
    ],
)
def test_a_wrong_file_is_refused(rows: str, told: tuple[str, int, int, str]) -> None:
    assert wrong(rows) == [told]


def test_a_template_or_a_file_that_is_not_there_is_named() -> None:
    no_template = CONFIG.replace("template: clinic", "template: clinik")
    no_file = CONFIG.replace("csv: clinics.csv", "csv: clinic.csv")

    assert wrong(config=no_template) == [
        ("config.yaml", 13, 13, 'there is no template "clinik" under `templates:`')
    ]
    assert wrong(config=no_file) == [("config.yaml", 12, 8, 'there is no file "clinic.csv"')]


def test_a_directory_of_1400_clinics_loads() -> None:
    lines = [f"clinique-{n},{n:05},,https://c{n}.example/hooks,rdv@c{n}.example" for n in range(1400)]
    config = CONFIG.replace(', sign: {standard_webhooks: "${file:certs/{name}.whsec}"}', "")

    loaded = directory("name,permit,phone,emr,mail\n" + "\n".join(lines) + "\n", config)

    assert len(loaded.partners) == 1401
    assert loaded.partners["clinique-1399"].identifiers == {"permit": ("01399",)}
