"""What operators do: on a stopped store where rows are enough, on a running engine where it must act."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.api.problems import BadCall, NotRunning
from engine.errors import ConfigurationError, Conflict, NotFound
from tests.api.project import ROUTE, running_project
from tests.api.stored import ACTOR, stopped_store


async def test_a_released_dead_letter_is_due_again_on_a_stopped_store(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        _, delivery = await stopped.accept("1", reason="rejected")
        view = await stopped.post(f"dead/{delivery}/release", reason="exercise")
        rows = (await stopped.get("journal"))["rows"]
    assert (view["delivery"]["state"], view["delivery"]["generation"]) == ("pending", 1)
    assert (rows[-1]["action"], rows[-1]["actor"], rows[-1]["detail"]) == ("release", ACTOR, "exercise")


async def test_discarding_needs_a_reason(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        _, delivery = await stopped.accept("1", reason="rejected")
        with pytest.raises(BadCall, match="reason"):
            await stopped.post(f"dead/{delivery}/discard")


async def test_what_is_still_on_its_way_is_not_resent(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        identifier, _ = await stopped.accept("1")
        with pytest.raises(NotFound, match="still on its way"):
            await stopped.post("resend", id=identifier)


async def test_a_resend_must_say_what(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(BadCall, match="say what"):
            await stopped.post("resend")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("pause", {"name": "notes"}),
        ("resume", {"name": "notes"}),
        ("hold", {"partner": "clinic"}),
        ("unhold", {"partner": "clinic"}),
        ("enable", {"endpoint": "clinic.emr"}),
        ("reload", {}),
        ("inject", {"route": "notes", "content": ""}),
        ("probe", {"endpoint": "clinic.emr"}),
    ],
)
async def test_what_only_an_engine_can_do_says_so(tmp_path: Path, path: str, body: dict[str, str]) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(NotRunning):
            await stopped.post(path, **body)


async def test_a_backup_goes_into_a_new_folder(tmp_path: Path) -> None:
    async with stopped_store(tmp_path / "a") as stopped:
        await stopped.accept("1")
        await stopped.post("backup", folder=str(tmp_path / "copy"))
        with pytest.raises(Conflict, match="exists"):
            await stopped.post("backup", folder=str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "passerelle.db").is_file()


async def test_a_backup_names_its_folder_wholly(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        with pytest.raises(BadCall, match="absolute"):
            await stopped.post("backup", folder="copy")


async def test_a_purge_drops_content_of_what_has_ended_only(tmp_path: Path) -> None:
    async with stopped_store(tmp_path) as stopped:
        ended, _ = await stopped.accept("1", reason="rejected")
        waiting, _ = await stopped.accept("2")
        delivery = (await stopped.get("dead"))["dead"][0]["delivery"]
        await stopped.post(f"dead/{delivery}/discard", reason="exercise")
        view = await stopped.post("purge", before="2999-01-01")
        left = [
            (await stopped.get(f"messages/{each}", content="true", purpose="exercise"))["content"]
            for each in (ended, waiting)
        ]
    assert view["purged"] == 1
    assert (left[0], left[1]["raw"]) == ({}, "{}")


async def test_a_resend_delivers_the_same_id_again(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        identifier = await speaker.accept("1")
        again = await speaker.post("resend", id=identifier, reason="exercise")
        deliveries = (await speaker.get(f"messages/{identifier}"))["deliveries"]
    assert again["count"] == 1
    assert {row["message_id"] for row in deliveries} == {identifier}


async def test_a_resend_under_a_new_id_reaches_the_partner_as_another_message(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        identifier = await speaker.accept("1")
        await speaker.post("resend", id=identifier, new_id=True)
        await asyncio.wait_for(engine.dispatcher.wait_idle(), 30)
        inbox = (await speaker.get("inboxes"))["inboxes"][0]
    assert (inbox["inbox"], inbox["messages"]) == ("clinic", 2)


async def test_what_came_during_a_pause_goes_out_when_it_ends(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        await speaker.post("pause", subject="route", name="notes")
        identifier = await speaker.accept("1")
        paused = (await speaker.get(f"messages/{identifier}"))["deliveries"][0]
        closed = (await speaker.get("status"))["closed"]
        await speaker.post("resume", subject="route", name="notes")
        await asyncio.wait_for(engine.dispatcher.wait_idle(), 30)
        resumed = (await speaker.get(f"messages/{identifier}"))["deliveries"][0]
    assert (paused["state"], paused["attempts"], resumed["state"]) == ("pending", 0, "delivered")
    assert [(row["kind"], row["subject"]) for row in closed] == [("pause", "route:notes")]


async def test_repeats_are_allowed_shown_and_ended(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        allowed = await speaker.post("repeats", partner="clinic", until="30m", reason="lost a day")
        shown = (await speaker.get("status"))["repeats"]
        ended = await speaker.post("no-repeats", partner="clinic")
        after = (await speaker.get("status"))["repeats"]
    assert [(row["partner"], row["until"]) for row in shown] == [("clinic", allowed["until"])]
    assert (ended["was_allowed"], after) == (True, [])


async def test_repeats_need_an_end(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(BadCall, match="repeats need an end"):
            await speaker.post("repeats", partner="clinic")


async def test_a_held_partner_is_shown_with_its_end(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        held = await speaker.post("hold", partner="clinic", until="30m")
        released = await speaker.post("unhold", partner="clinic")
        again = await speaker.post("unhold", partner="clinic")
    assert held["held"]["until"] > held["held"]["since"]
    assert (released["was_held"], again["was_held"]) == (True, False)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("pause", {"name": "note"}, 'no route "note"; did you mean "notes"'),
        ("pause", {"subject": "endpoint", "name": "clinic.bx"}, 'did you mean "clinic.box"'),
        ("pause", {"subject": "destination", "name": "notes/clinic.bx"}, 'did you mean "notes/clinic.box"'),
        ("pause", {"subject": "destination", "name": "note/clinic.box"}, 'no route "note"'),
        ("resume", {"name": "note"}, 'no route "note"'),
        ("hold", {"partner": "clinc"}, 'no partner "clinc"; did you mean "clinic"'),
        ("unhold", {"partner": "clinc"}, 'no partner "clinc"'),
        ("repeats", {"partner": "clinc", "until": "30m"}, 'no partner "clinc"'),
        ("no-repeats", {"partner": "clinc"}, 'no partner "clinc"'),
        ("enable", {"endpoint": "clinic.bx"}, 'no endpoint "clinic.bx"'),
    ],
)
async def test_a_name_that_nothing_bears_is_not_kept_in_silence(
    tmp_path: Path, path: str, body: dict[str, str], told: str
) -> None:
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(NotFound, match=told):
            await speaker.post(path, **body)
        assert (await speaker.get("status"))["closed"] == []


async def test_one_destination_of_a_route_is_paused(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        view = await speaker.post("pause", subject="destination", name="notes/clinic.box")
    assert view["paused"]["subject"] == "destination:notes/clinic.box"


async def test_what_was_held_before_its_partner_was_removed_is_let_go(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        await engine.gates.hold("gone", None, actor="somebody")
        assert (await speaker.post("unhold", partner="gone"))["was_held"] is True


async def test_a_dead_letter_is_released_to_the_running_engine(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (engine, speaker):
        identifier = await speaker.accept("1", to="emr")
        dead = (await speaker.get("dead"))["dead"][0]
        await speaker.post(f"dead/{dead['delivery']}/release", reason="exercise")
        await asyncio.wait_for(engine.dispatcher.wait_idle(), 30)
        after = (await speaker.get(f"messages/{identifier}"))["deliveries"][0]
    assert (dead["message_id"], after["state"], after["generation"]) == (identifier, "dead", 1)


async def test_a_refused_injection_names_the_path(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        view = await speaker.put("")
    assert view["disposition"] == "refused"
    assert [fault["path"] for fault in view["faults"]] == ["id"]


async def test_an_injection_is_journalled_with_who_and_where(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("1")
        rows = (await speaker.get("journal"))["rows"]
    injected = next(row for row in rows if row["action"] == "inject")
    assert injected["actor"].startswith("uid:")
    assert injected["detail"].startswith("notes ")


async def test_content_that_is_no_base64_is_refused(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(BadCall, match="base64"):
            await speaker.post("inject", route="notes", content="é")


async def test_a_probe_says_where_the_way_ends(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        absent, present = [await speaker.post("probe", endpoint=f"clinic.{name}") for name in ("emr", "box")]
    assert (absent["well"], present["well"]) == (False, True)
    assert [row["stage"] for row in absent["stages"] if not row["well"]] == ["tcp"]


async def test_every_endpoint_is_listed_with_how_it_stands(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        await speaker.accept("1")
        found = {row["endpoint"]: row for row in (await speaker.get("endpoints"))["endpoints"]}
    assert {name: row["type"] for name, row in found.items()} == {
        "clinic.away": "webhook",
        "clinic.box": "inbox",
        "clinic.emr": "webhook",
    }
    assert found["clinic.box"]["breaker"] == "closed"


async def test_a_reload_takes_a_changed_route_in(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        (tmp_path / "routes" / "notes.yaml").write_text(ROUTE.replace("has no id", "needs an id"))
        view = await speaker.post("reload", route="notes", reason="exercise")
        refused = await speaker.put("")
        versions = (await speaker.get("versions", route="notes"))["versions"]
        changed = await speaker.get("versions/notes/diff")
    assert view["routes"]["changed"] == ["notes"]
    assert refused["faults"][0]["text"] == "needs an id"
    assert [row["running"] for row in versions] == [True, False]
    assert "needs an id" in changed["diff"]


async def test_a_broken_reload_keeps_what_runs_and_says_where(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        (tmp_path / "routes" / "notes.yaml").write_text(ROUTE.replace("require:", "reqire:"))
        with pytest.raises(ConfigurationError) as caught:
            await speaker.post("reload")
        assert await speaker.accept("1")
    assert (caught.value.problems[0].line, "reqire" in str(caught.value)) == (5, True)


async def test_a_rollback_runs_the_version_before(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        (tmp_path / "routes" / "notes.yaml").write_text(ROUTE.replace("has no id", "needs an id"))
        await speaker.post("reload")
        await speaker.post("rollback", route="notes", reason="exercise")
        refused = await speaker.put("")
    assert refused["faults"][0]["text"] == "has no id"
    assert (tmp_path / "routes" / "notes.yaml").read_text() == ROUTE


async def test_the_picture_is_of_what_runs(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        view = await speaker.get("graph")
    assert "clinic.box" in view["text"]
