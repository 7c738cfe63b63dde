"""Broken files: each is refused with exactly these problems, at exactly these places, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.load import load_configuration
from engine.errors import ConfigurationError
from tests.config.project import ENV, NOW_MS, make_project, problems_of, write
from tests.config.sample_plugins import plugins

FOLDER = Path(__file__).parent / "broken"
PLACES = {
    "route": "routes/broken.yaml",
    "config": "config.yaml",
    "partner": "partners/broken.yaml",
    "mapper": "mappings/notification.yaml",
}
"""Where a broken file stands in the sample project, by the first word of its name."""

BROKEN: dict[str, list[tuple[int, int, str]]] = {
    "config-alerts": [
        (3, 13, "there is no smtp connection to send it by"),
        (4, 14, 'there is no endpoint "nobody.inbox"'),
    ],
    "config-api": [
        (2, 12, "0.0.0.0 can be reached from outside without TLS"),
        (2, 12, "nobody could call it: there are no tokens"),
    ],
    "config-clients-not-required": [
        (3, 37, 'off loopback every client shows a certificate, but "server" says `clients: optional`'),
    ],
    "config-environment": [
        (5, 50, 'this endpoint belongs to "prod", the engine runs as "no environment"'),
        (6, 69, "outside of Quebec an assessment is needed"),
        (7, 20, "this proves nobody"),
        (7, 53, "a digest stands alone"),
    ],
    "config-exception-over": [
        (3, 86, "the exception ended on 2026-06-30"),
        (5, 72, "10.0.1.1 is not among these addresses"),
    ],
    "config-exception-wrong": [
        (3, 52, '"10.0.0.1/24" is an address inside a network, not a network'),
        (3, 74, "nothing is given here"),
        (3, 85, 'there is no day "2026-02-30"'),
    ],
    "config-mail-with-content": [
        (4, 54, "mail never carries full personal health information"),
    ],
    "config-many-mistakes": [
        (2, 10, 'unknown key "nam"'),
        (4, 9, "expected a mapping, found a list"),
    ],
    "config-not-a-mapping": [
        (1, 1, "expected a mapping"),
    ],
    "config-plaintext": [
        (3, 18, "0.0.0.0 can be reached from outside without TLS"),
        (5, 34, "bytes travel to dme.example without TLS"),
    ],
    "config-scalars": [
        (2, 16, '"my engine" is not a name'),
        (2, 35, '"french" is not a locale'),
        (2, 49, '"America/Montreal2" is not a time zone'),
        (2, 79, '"64" has no unit'),
        (4, 18, '"127.0.0.1" has no port'),
        (4, 51, '"none" is not a whole number'),
        (4, 63, '"1QB" is not a size'),
        (5, 31, '"5 per s" is not a rate'),
        (6, 10, '"127.0.0.1:99999" has a port above 65535'),
        (7, 8, '"mysql://x" is not a store'),
    ],
    "config-secret-in-clear": [
        (3, 47, "a secret stands here in clear"),
    ],
    "config-tables": [
        (3, 39, 'there is no column "locl"'),
        (4, 15, '"tables/absent.csv" cannot be read as CSV in UTF-8'),
    ],
    "config-tls-names": [
        (3, 36, 'there is no TLS profile "sever"'),
        (3, 52, 'there is no partner "nobody"'),
        (3, 67, 'there is no codec "jsn"'),
        (5, 18, 'there is no file "certs/absent.pem"'),
        (6, 3, "a certificate and its key go together"),
    ],
    "config-two-partners-one-permit": [
        (4, 29, 'permit "01234" belongs to "a", too'),
        (5, 18, '"a" is the name of another partner, or was'),
    ],
    "config-unknown-channel": [
        (3, 12, 'unknown key "rst"'),
        (4, 10, "no key here names a channel"),
        (5, 29, 'a second channel beside "rest"'),
        (6, 10, '"smtp" cannot be a listener'),
    ],
    "config-unset-insertions": [
        (2, 15, "the variable NO_SUCH_VARIABLE is not set"),
        (4, 48, 'the credential "absent" cannot be read: No such file or directory'),
        (5, 48, '"${vault:x}" cannot be inserted'),
        (5, 68, '"absent.txt" cannot be read: No such file or directory'),
    ],
    "mapper-unknown-key": [
        (3, 1, 'unknown key "documnt"'),
    ],
    "mapper-wrong": [
        (1, 9, 'this file is the mapper "notification"'),
        (4, 21, "the expression ends too early"),
        (5, 18, 'there is no table "titel"'),
    ],
    "mapper-wrong-shape": [
        (1, 1, 'the key "version" is missing'),
        (3, 12, "expected text, found a list"),
        (4, 11, "expected a mapping, found a list"),
    ],
    "partner-twice": [
        (1, 10, '"clinique-abc" is given twice'),
    ],
    "partner-unknown-key": [
        (2, 1, 'unknown key "identifers"'),
        (3, 23, '"tues 22:00-02:00" names no day of the week'),
        (4, 18, '"8-17" is not hours'),
        (5, 22, '"cn:x" is not a subject alternative name'),
    ],
    "route-alias": [
        (3, 8, "aliases are refused"),
    ],
    "route-anchor": [
        (3, 5, "anchors are refused"),
    ],
    "route-bad-duration": [
        (3, 18, '"5 days" is not a duration'),
        (5, 45, '"30" has no unit'),
        (5, 66, '"5m..2s" does not grow: the first delay is above zero and at most the second'),
        (5, 79, '"-1h" is not a duration'),
    ],
    "route-bad-expressions": [
        (3, 12, 'unknown name "mesg"'),
        (5, 30, "the expression ends too early"),
        (6, 25, 'there is no table "unit"'),
        (11, 19, 'unexpected "="'),
        (12, 21, "this text is never closed"),
    ],
    "route-bad-path-text": [
        (4, 20, "this [ is never closed"),
    ],
    "route-bad-path": [
        (3, 24, "this breaks inside {} and []"),
    ],
    "route-duplicate-key": [
        (5, 1, 'duplicate key "owner"'),
    ],
    "route-fallback-to-itself": [
        (5, 52, '"clinique-def.queue" was tried before: a fallback is another one'),
    ],
    "route-priority-of-a-queue": [
        (3, 47, "only `dicom` endpoints tell their partner of it"),
    ],
    "route-loop": [
        (3, 14, "this leads back to the route itself"),
    ],
    "route-merge-key": [
        (3, 1, "merge keys are refused"),
    ],
    "route-missing-key": [
        (4, 5, 'the key "endpoint" is missing'),
    ],
    "route-never-reached": [
        (7, 9, "never reached: the destination before it always holds"),
    ],
    "route-no-door": [
        (1, 8, "nothing ever reaches this route"),
        (2, 26, 'a second destination "clinique-def.queue"'),
    ],
    "route-not-a-choice": [
        (3, 14, '"router" is none of routed, stored, delivered'),
        (5, 17, '"hold" is not a value of "lane"'),
    ],
    "route-profile-for-endpoints": [
        (3, 42, 'the profile "careful" sets `breaker`'),
        (3, 42, 'the profile "careful" sets `limits`'),
    ],
    "route-second-colon": [
        (3, 19, "a second colon on this line"),
    ],
    "route-second-route": [
        (1, 8, 'a second route "archive"'),
    ],
    "route-split-expression": [
        (4, 42, 'the value of "when" was split at a comma'),
    ],
    "route-step-key": [
        (4, 35, 'unknown key "att"'),
        (5, 33, '"many" is not a whole number'),
    ],
    "route-supersede-without-order": [
        (4, 36, "versions are compared within one ordering key, and this route has none"),
    ],
    "route-tab": [
        (4, 1, "a tab cannot indent"),
    ],
    "route-tag": [
        (3, 6, "tags are refused"),
    ],
    "route-template-as-mapping": [
        (4, 17, 'text that begins with "{" is read as a mapping'),
    ],
    "route-text-after-quote": [
        (4, 11, "text goes on after its closing quote"),
    ],
    "route-too-much-content": [
        (7, 21, '"clinique-abc.mail" gets the whole message, and its `phi` forbids it'),
    ],
    "route-two-documents": [
        (4, 1, "a second document begins here"),
    ],
    "route-unclosed-quote": [
        (3, 8, "this quote is never closed"),
    ],
    "route-unknown-door": [
        (2, 16, "write POST and a path"),
    ],
    "route-unknown-endpoint": [
        (4, 5, 'there is no partner "clinique-deff"'),
        (5, 18, '"clinique-def" has no endpoint "queu"'),
        (6, 6, "no step before this chooses a partner"),
    ],
    "route-unknown-key": [
        (7, 7, 'unknown key "atempts"'),
    ],
    "route-unknown-listener": [
        (3, 5, 'there is no listener "nigth"'),
        (4, 6, 'there is no listener "pubic"'),
    ],
    "route-unknown-names": [
        (3, 14, 'there is no step list "coherant"'),
        (3, 31, 'there is no mapper "notificaton"'),
        (3, 56, 'there is no schema "schemas/absent.json"'),
        (4, 43, 'there is no profile "patient-hook"'),
        (5, 20, 'there is no alert "op"'),
    ],
    "route-unknown-step": [
        (4, 5, 'unknown step "kepp"'),
        (6, 5, "a step is one key"),
    ],
    "route-unquoted-brackets": [
        (4, 51, "this breaks inside {} and []"),
    ],
    "route-unquoted-insertion": [
        (4, 45, '"${" breaks inside {} and []'),
    ],
    "route-unquoted-template": [
        (4, 15, "text goes on after its closing bracket"),
    ],
    "route-wrong-kind": [
        (3, 9, 'expected a mapping, found "appointment-booked"'),
        (4, 8, "expected a list, found a mapping"),
    ],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample project as the working folder."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_file_is_refused_at_the_very_characters(project: Path, name: str) -> None:
    kind = name.partition("-")[0]
    write(project, PLACES[kind], (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))

    problems = problems_of(Path("config.yaml"), env=None if kind == "config" else "test")

    assert [(problem.line, problem.column, problem.message) for problem in problems] == BROKEN[name]
    assert {problem.file for problem in problems} == {PLACES[kind]}


def test_every_broken_file_stands_in_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(BROKEN)
    assert len(BROKEN) >= 30


def test_the_sample_project_is_not_broken(project: Path) -> None:
    assert problems_of(Path("config.yaml")) == ()


def test_an_error_is_rendered_with_its_line_a_caret_and_what_was_meant(project: Path) -> None:
    text = (FOLDER / "route-unknown-key.yaml").read_text(encoding="utf-8")
    write(project, "routes/broken.yaml", text)

    with pytest.raises(ConfigurationError) as refused:
        load_configuration(Path("config.yaml"), env="test", environ=ENV, plugins=plugins(), now_ms=NOW_MS)

    assert str(refused.value).splitlines() == [
        'routes/broken.yaml:7:7: error: unknown key "atempts"',
        "    7 |       atempts: 8",
        '      |       ^^^^^^^ help: did you mean "attempts"?',
    ]


def test_problems_of_several_files_are_told_together(project: Path) -> None:
    for name in ("route-tab", "route-not-a-choice"):
        write(project, f"routes/{name}.yaml", (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    write(project, "partners/broken.yaml", (FOLDER / "partner-twice.yaml").read_text(encoding="utf-8"))

    files = [problem.file for problem in problems_of(Path("config.yaml"))]

    assert files == [
        "partners/broken.yaml",
        "routes/route-not-a-choice.yaml",
        "routes/route-not-a-choice.yaml",
        "routes/route-tab.yaml",
    ]
