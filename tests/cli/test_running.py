"""Verbs beside a running engine, over its socket."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from engine.cli.wire import LocalSocket, Wire
from tests.cli.invoking import Shell, Supervised, environment


def note(call: Shell, identifier: str, to: str = "box") -> str:
    """Inject a note and return its message id."""
    file = call.folder / f"{identifier}.json"
    file.write_text(json.dumps({"id": identifier, "to": to}))
    return str(call("inject", "notes", file.name, "--json").json["injected"][0]["id"])


def settled_note(call: Shell, identifier: str, to: str, state: str) -> tuple[str, str]:
    """Inject a note and wait until it has come to a state; return its message id and its delivery."""
    message = note(call, identifier, to)
    for row in follow(call):
        if row["action"] == "settle" and row["detail"].startswith(state):
            delivery = call("show", message, "--json").json["deliveries"][0]
            if delivery["state"] == state:
                return message, str(delivery["delivery"])
    raise AssertionError("the engine ended")


def dead_note(call: Shell, identifier: str) -> tuple[str, str]:
    """Inject a note that dies; return its message id and its delivery."""
    return settled_note(call, identifier, "emr", "dead")


def follow(call: Shell) -> Iterator[dict[str, Any]]:
    """Give the rows of the journal, those to come too."""
    return Wire(LocalSocket(call.folder / "var" / "passerelle.sock")).stream("tail", {"all": True})


def test_status_shows_what_runs(call: Shell) -> None:
    ended = call("status")
    assert ended.code == 0
    assert "running since" in ended.out
    assert "door" in ended.out


def test_status_speaks_french(call: Shell) -> None:
    assert "en service depuis" in call("status", "--lang", "fr").out


def test_status_follows_the_language_of_the_machine(call: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "fr_CA.UTF-8")
    assert "prêt" in call("status").out


def test_json_is_the_answer_of_the_api(call: Shell) -> None:
    view = call("status", "--json").json
    assert (view["running"], view["ready"]) == (True, True)


def test_the_engine_is_found_from_another_folder(engine: Supervised, shell: Shell) -> None:
    by_config = shell("status", "--config", str(engine.folder / "config.yaml"))
    by_socket = shell("status", "--socket", str(engine.folder / "var" / "passerelle.sock"))
    assert (by_config.code, by_socket.code) == (0, 0)


def test_an_injected_file_is_found_shown_and_traced(call: Shell) -> None:
    identifier = note(call, "found")
    found = call("messages", "--key", "note=found")
    shown = call("show", identifier.lower())
    traced = call("trace", identifier)
    assert identifier in found.out
    assert "clinic.box" in shown.out
    assert "message accepted" in traced.out


def test_a_refused_file_ends_with_1_and_names_the_path(call: Shell) -> None:
    (call.folder / "refused.json").write_text('{"id": "", "to": "box"}')
    ended = call("inject", "notes", "refused.json")
    assert ended.code == 1
    assert "id: has no id" in ended.out


def test_nothing_that_matches_ends_with_3(call: Shell) -> None:
    ended = call("messages", "--key", "note=never-sent")
    assert (ended.code, ended.out, ended.err) == (3, "", "nothing matches\n")


def test_content_is_shown_for_a_purpose_only(call: Shell) -> None:
    identifier = note(call, "content")
    without = call("show", identifier, "--content")
    given = call("show", identifier, "--content", "--purpose", "exercise")
    assert (without.code, given.code) == (2, 0)
    assert '"id": "content"' in given.out


def test_content_is_shown_line_by_line(call: Shell) -> None:
    (call.folder / "lines.json").write_bytes(b'{"id": "lines",\r"to": "box"}')
    identifier = call("inject", "notes", "lines.json", "--json").json["injected"][0]["id"]
    shown = call("show", identifier, "--content", "--purpose", "exercise")
    assert '{"id": "lines",\n"to": "box"}' in shown.out


def test_a_worklist_that_the_engine_does_not_have_is_told(call: Shell) -> None:
    ended = call("worklist", "list", "nobody")
    assert (ended.code, ended.err) == (3, 'no endpoint feeds a worklist "nobody"\n')


def test_a_dead_letter_is_listed_released_and_discarded(call: Shell) -> None:
    message, delivery = dead_note(call, "dead-1")
    listed = call("dead", "list", "--endpoint", "clinic.emr")
    shown = call("dead", "show", message)
    released = call("dead", "release", delivery, "--reason", "exercise")
    assert message in listed.out
    assert "nobody listens" in shown.out
    assert (released.code, f"delivery {delivery}" in released.out) == (0, True)


def test_dead_letters_of_an_endpoint_are_discarded_together(call: Shell) -> None:
    dead_note(call, "dead-2")
    dead_note(call, "dead-3")
    without = call("dead", "discard", "--endpoint", "clinic.emr")
    call("dead", "discard", "--endpoint", "clinic.emr", "--reason", "exercise")
    left = call("dead", "list", "--key", "note=dead-3")
    assert (without.code, left.code) == (2, 3)


def test_dead_letters_that_changed_meanwhile_do_not_stop_the_others(call: Shell) -> None:
    _, first = dead_note(call, "dead-4")
    _, second = dead_note(call, "dead-5")
    call("dead", "discard", first, "--reason", "exercise")
    again = call("dead", "discard", first, "--reason", "exercise")
    both = call("dead", "discard", first, second, "--reason", "exercise")
    assert (again.code, again.out) == (4, "")
    assert (both.code, both.out) == (1, f"discarded: delivery {second}\n")
    assert first in both.err


def test_what_waits_for_another_attempt_is_due_now(call: Shell) -> None:
    message, delivery = settled_note(call, "retry", "away", "retrying")
    retried = call("retry", delivery, "--reason", "exercise")
    assert (retried.code, retried.out) == (0, f"due now: delivery {delivery}\n")
    rows = follow(call)
    assert next(row for row in rows if row["action"] == "retry" and row["detail"] == "exercise")
    assert next(row for row in rows if row["action"] == "settle" and row["delivery"] == int(delivery))
    assert call("show", message, "--json").json["deliveries"][0]["attempts"] == 2


def test_all_that_wait_at_an_endpoint_are_due_now(call: Shell) -> None:
    _, delivery = settled_note(call, "retry-all", "away", "retrying")
    retried = call("retry", "--endpoint", "clinic.away", "--json")
    nothing = call("retry", "--endpoint", "clinic.box")
    unsaid = call("retry")
    assert int(delivery) in [row["delivery"] for row in retried.json["retried"]]
    assert (nothing.code, unsaid.code) == (3, 2)


def test_one_delivery_is_held_and_let_go(call: Shell) -> None:
    message, delivery = settled_note(call, "held", "away", "retrying")
    held = call("hold", "--delivery", delivery, "--reason", "exercise")
    shown = call("show", message, "--json").json["deliveries"][0]["state"]
    released = call("hold", "--delivery", delivery, "--release")
    assert (held.code, held.out, shown) == (0, f"delivery {delivery} is held\n", "held")
    assert (released.code, released.out) == (0, f"delivery {delivery} is pending\n")


@pytest.mark.parametrize(
    "verb", ["hold", "hold clinic --delivery 1", "hold --delivery 1 --until 30m", "purge --before 30d"]
)
def test_what_is_not_said_wholly_ends_with_2(call: Shell, verb: str) -> None:
    assert call(*verb.split()).code == 2


def test_old_content_is_purged_for_good(call: Shell) -> None:
    identifier, _ = settled_note(call, "purged", "box", "delivered")
    early = call("purge", "--before", "30d", "--reason", "exercise")
    purged = call("purge", "--before", "0s", "--reason", "exercise", "--json")
    shown = call("show", identifier, "--content", "--purpose", "exercise", "--json")
    assert (early.code, early.err) == (0, "nothing to purge\n")
    assert purged.json["purged"] >= 1
    assert (shown.json["deliveries"][0]["state"], shown.json["content"]) == ("delivered", {})


def test_an_inbox_is_listed_with_what_it_keeps(call: Shell) -> None:
    identifier, _ = settled_note(call, "kept", "box", "delivered")
    listed, page = call("inbox"), call("inbox", "clinic", "--limit", "1")
    last = call("inbox", "clinic", "--after", identifier)
    assert "clinic" in listed.out
    assert page.err.startswith("more with --after ")
    assert (last.code, last.out, call("inbox", "nowhere").code) == (3, "", 3)


def test_a_pause_is_shown_and_ended(call: Shell) -> None:
    paused = call("pause", "clinic.box", "--reason", "exercise")
    shown = call("status")
    resumed = call("resume", "clinic.box")
    again = call("resume", "clinic.box")
    assert paused.out == "paused: clinic.box\n"
    assert "endpoint:clinic.box" in shown.out
    assert (resumed.out, again.out) == ("resumed: clinic.box\n", "clinic.box was not paused\n")


def test_a_partner_is_held_and_let_go(call: Shell) -> None:
    held = call("hold", "clinic", "--until", "30m")
    released = call("hold", "clinic", "--release")
    both = call("hold", "clinic", "--release", "--until", "30m")
    assert held.out.startswith("held: clinic until ")
    assert released.out == "let go: clinic\n"
    assert both.code == 2


def test_a_partner_may_repeat_until_a_moment(call: Shell) -> None:
    allowed = call("repeats", "clinic", "--until", "30m", "--reason", "exercise")
    ended = call("repeats", "clinic", "--end")
    again = call("repeats", "clinic", "--end")
    neither = call("repeats", "clinic")
    assert allowed.out.startswith("repeats from clinic until ")
    assert ended.out == "copies from clinic are recognised again\n"
    assert again.out == "copies from clinic were recognised\n"
    assert neither.code == 2


def test_a_message_is_sent_again_with_its_end_time(call: Shell) -> None:
    identifier, _ = settled_note(call, "again", "box", "delivered")
    ended = call("resend", identifier, "--rate", "50", "--reason", "exercise")
    assert ended.code == 0
    assert "1 to send again at 50/s, done at" in ended.err
    assert "1 sent again" in ended.err


def test_what_is_not_there_is_not_sent_again(call: Shell) -> None:
    assert call("resend", "NOSUCHID").code == 3


def test_a_probe_that_fails_ends_with_1(call: Shell) -> None:
    everything, present = call("probe"), call("probe", "clinic.box")
    assert (everything.code, present.code) == (1, 0)
    assert "nobody listens" in everything.out


def test_what_changed_in_a_file_is_shown_before_a_reload(call: Shell) -> None:
    file = call.folder / "routes" / "notes.yaml"
    before = file.read_text()
    same = call("diff", "notes", "--file")
    file.write_text(before.replace("has no id", "lacks an id"))
    changed = call("diff", "notes", "--file")
    file.write_text(before)
    assert (same.out, same.err) == ("", "no difference\n")
    assert "lacks an id" in changed.out


def test_a_changed_route_is_reloaded_and_rolled_back(call: Shell) -> None:
    file = call.folder / "routes" / "notes.yaml"
    before = file.read_text()
    file.write_text(before.replace("has no id", "misses an id"))
    reloaded = call("reload", "notes")
    difference = call("diff", "notes")
    rolled_back = call("rollback", "notes")
    assert reloaded.out == "reloaded: routes ~notes\n"
    assert "+  - require" in difference.out
    assert rolled_back.out == "rolled back: routes ~notes\n"
    assert file.read_text() == before


def test_a_broken_file_is_not_reloaded_and_ends_with_2(call: Shell) -> None:
    file = call.folder / "routes" / "notes.yaml"
    before = file.read_text()
    file.write_text(before.replace("require:", "reqire:"))
    ended = call("reload")
    file.write_text(before)
    assert ended.code == 2
    assert "notes.yaml:5:" in ended.err
    assert "did you mean" in ended.err


def test_counts_add_up(call: Shell) -> None:
    ended = call("reconcile")
    assert ended.code == 0
    assert ended.out.startswith("conserved: ")


def test_the_chain_is_intact_and_exported_whole(call: Shell) -> None:
    verified = call("audit", "verify")
    exported = call("audit", "export", "--out", "journal.jsonl")
    again = call("audit", "export", "--out", "journal.jsonl")
    lines = (call.folder / "journal.jsonl").read_bytes().splitlines()
    assert verified.out.startswith("chain intact: ")
    assert (exported.code, json.loads(lines[-1])["rows"]) == (0, len(lines) - 2)
    assert (again.code, "File exists" in again.err) == (2, True)


def test_alerts_are_listed(call: Shell) -> None:
    assert call("alerts").code in (0, 3)


def test_following_prints_a_line_for_what_happens(call: Shell) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "tail", "--all", "--json"],
        cwd=call.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as following:  # fmt: skip
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        following.terminate()
    assert first["sequence"] == 1


@pytest.mark.parametrize("verb", ["status", "pause x", "inject notes config.yaml"])
def test_a_socket_where_nobody_answers_ends_with_4(call: Shell, verb: str) -> None:
    ended = call(*verb.split(), "--socket", "nobody.sock")
    assert ended.code == 4
    assert "no engine answers at nobody.sock" in ended.err
