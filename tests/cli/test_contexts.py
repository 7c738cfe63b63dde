"""Engines elsewhere: a named context says where, who calls, and whom to trust."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.project import write_project
from tests.cli.invoking import Ended, Shell, Supervised, supervised

API = """
api:
  tcp: 127.0.0.1:0
  tls: api
  tokens:
    duty: {secret: "${file:duty.token}", role: operator}
    watch: {secret: "${file:watch.token}", role: viewer}
tls:
  api: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem, clients: none}
"""


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory, dev_certs: Path) -> Iterator[Supervised]:
    """An engine whose API listens on TCP with TLS."""
    folder = tmp_path_factory.mktemp("remote")
    shutil.copytree(dev_certs, folder / "certs")
    for name in ("duty", "watch"):
        (folder / f"{name}.token").write_text(f"{name}-token\n")
    port = free_port()
    write_project(folder, extra=API.replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    contexts = folder / "contexts.yaml"
    lines = [
        f'{name}: {{url: "{scheme}://localhost:{port}", token: "${{file:{token}.token}}", ca: certs/ca.pem}}'
        for name, scheme, token in (
            ("duty", "https", "duty"), ("watch", "https", "watch"),
            ("clear", "http", "duty"), ("wrong", "https", "other"),
        )
    ]  # fmt: skip
    (folder / "other.token").write_text("guessed\n")
    contexts.write_text(
        "\n".join(lines) + '\noutside: {url: "http://192.0.2.1:80", token: "${file:duty.token}"}\n'
    )
    with supervised(folder) as engine:
        yield engine


@pytest.fixture
def far(remote: Supervised, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in an empty folder that knows the contexts."""
    monkeypatch.setenv("PASSERELLE_CONTEXTS", str(remote.folder / "contexts.yaml"))
    return shell


def free_port() -> int:
    """Return a port that nobody holds now."""
    from tests.peers.ports import free_port as peers_free_port

    return peers_free_port()


def call(shell: Shell, context: str, *verb: str) -> Ended:
    return shell(*verb, "--context", context)


def test_a_remote_engine_answers(far: Shell) -> None:
    assert call(far, "duty", "status").code == 0


def test_who_acted_is_the_token(far: Shell) -> None:
    call(far, "duty", "pause", "notes", "--reason", "exercise")
    closed = call(far, "watch", "status", "--json").json["closed"]
    call(far, "duty", "resume", "notes")
    assert [row["actor"] for row in closed] == ["token:duty"]


def test_a_role_that_may_not_ends_with_4(far: Shell) -> None:
    ended = call(far, "watch", "pause", "notes")
    assert (ended.code, ended.err) == (4, 'this needs the role "operator"\n')


def test_a_wrong_token_ends_with_4(far: Shell) -> None:
    ended = call(far, "wrong", "status")
    assert (ended.code, "token" in ended.err) == (4, True)
    assert "guessed" not in ended.err


def test_speaking_in_clear_to_a_tls_port_ends_with_4(far: Shell) -> None:
    assert call(far, "clear", "status").code == 4


def test_a_token_is_not_sent_in_clear_off_this_machine(far: Shell) -> None:
    ended = call(far, "outside", "status")
    assert (ended.code, "must not travel in clear" in ended.err) == (2, True)


def test_an_unknown_context_ends_with_3_and_names_those_that_exist(far: Shell) -> None:
    ended = call(far, "prod", "status")
    assert (ended.code, "there are duty, watch" in ended.err) == (3, True)


def test_a_misspelt_key_is_told_where_it_stands(far: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    (far.folder / "contexts.yaml").write_text('prod: {ulr: "https://localhost:1"}\n')
    monkeypatch.setenv("PASSERELLE_CONTEXTS", str(far.folder / "contexts.yaml"))
    ended = call(far, "prod", "status")
    assert (ended.code, "contexts.yaml:1:8" in ended.err) == (2, True)


def test_an_authority_that_nobody_trusts_is_refused(
    far: Shell, remote: Supervised, stranger_certs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (remote.folder / "contexts.yaml").read_text()
    ca = stranger_certs / "ca.pem"
    (remote.folder / "strangers.yaml").write_text(text.replace("certs/ca.pem", str(ca)))
    monkeypatch.setenv("PASSERELLE_CONTEXTS", str(remote.folder / "strangers.yaml"))
    ended = call(far, "duty", "status")
    assert (ended.code, "certificate verify failed" in ended.err.lower()) == (4, True)
