"""A reload puts in place what compiles, whole, and leaves everything else as it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.config.load import load_route
from engine.config.loaded import Loaded
from engine.errors import ConfigurationError, Conflict, NotFound
from engine.model import Disposition
from engine.runtime.compiling.assembling import assemble
from engine.runtime.compiling.versions import Versions
from engine.runtime.reload import Changes, Reloader, changes_between
from tests.runtime.receiving.house import House, house
from tests.runtime.receiving.project import CONFIG, load, project

ANY = "POST /v1/any"
PLAIN = """
route: plain
from: {public: POST /v1/any}
steps: [{set: {version: one}}]
to: [clinique-abc.emr]
"""
OTHER = """
route: other
from: {public: POST /v1/other}
to: [clinique-abc.queue]
"""


@dataclass
class Running:
    """A house with the reloader of its project."""

    folder: Path
    house: House
    reloader: Reloader
    versions: Versions
    applied: list[Changes] = field(default_factory=list)

    def write(self, *routes: str, config: str = CONFIG) -> None:
        project(self.folder, *routes, config=config)

    async def version_of(self, **how: Any) -> Any:
        """Post a message and return what the route wrote into it."""
        await self.house.post({"n": self.house.ids.next()}, selector=ANY, **how)
        return (await self.house.body((await self.house.rows())[-1].delivery)).get("version")


@asynccontextmanager
async def running(folder: Path, *routes: str) -> AsyncIterator[Running]:
    path = project(folder, *routes)
    assembled = assemble(load(path))
    async with house(folder, assembled) as opened:
        versions = Versions(opened.store.records, opened.clock, folder)
        applied: list[Changes] = []

        async def apply(loaded: Loaded, changes: Changes) -> None:
            applied.append(changes)

        reloader = Reloader(
            assembled,
            current=opened.reception.current,
            versions=versions,
            roster=opened.store.roster,
            read=lambda: load(path),
            read_route=lambda file, loaded: load_route(file, loaded, environ={}),
            applied=apply,
        )
        await reloader.begin(author="start")
        yield Running(folder, opened, reloader, versions, applied)


async def test_a_changed_route_runs_after_a_reload_and_not_before(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(PLAIN.replace("one", "two"))
        before = await engine.version_of()
        await engine.reloader.reload(author="ana")
        assert (before, await engine.version_of()) == ("one", "two")


async def test_a_reload_that_fails_keeps_what_runs_and_says_why(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(PLAIN.replace("steps", "stebs"))
        with pytest.raises(ConfigurationError, match=r"plain.yaml:4:1: error: unknown key \"stebs\""):
            await engine.reloader.reload(author="ana")
        assert await engine.version_of() == "one"
        assert engine.applied == []


async def test_one_route_is_reloaded_although_another_file_is_broken(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN, OTHER) as engine:
        engine.write(PLAIN.replace("one", "two"), OTHER.replace("to:", "tow:"))
        await engine.reloader.reload_route("plain", author="ana")
        assert await engine.version_of() == "two"
        receipt = await engine.house.post({}, selector="POST /v1/other")
        assert receipt.disposition is Disposition.ACCEPTED


async def test_other_routes_never_notice_the_reload_of_one(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN, OTHER) as engine:
        before = engine.house.reception.current.board.routes["other"]
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload_route("plain", author="ana")
        assert engine.house.reception.current.board.routes["other"] is before


async def test_a_route_that_hands_on_follows_the_other_one(tmp_path: Path) -> None:
    outer = OTHER.replace("[clinique-abc.queue]", "[{route: plain}]")
    async with running(tmp_path, PLAIN, outer) as engine:
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload_route("plain", author="ana")
        await engine.house.post({"n": 1}, selector="POST /v1/other")
        assert (await engine.house.body((await engine.house.rows())[-1].delivery))["version"] == "two"


async def test_an_unknown_route_is_not_reloaded(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        with pytest.raises(NotFound):
            await engine.reloader.reload_route("nobody", author="ana")


async def test_a_new_route_is_added_from_its_file(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(OTHER)
        changes = await engine.reloader.reload_route(
            "other", author="ana", path=tmp_path / "routes/other.yaml"
        )
        assert (changes.routes.added, changes.selectors) == (("other",), ("public",))
        receipt = await engine.house.post({}, selector="POST /v1/other")
        assert receipt.disposition is Disposition.ACCEPTED


async def test_a_file_that_became_another_route_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        (tmp_path / "routes/plain.yaml").write_text(OTHER, encoding="utf-8")
        with pytest.raises(ConfigurationError, match='this file is the route "other" now'):
            await engine.reloader.reload_route("plain", author="ana")


async def test_what_follows_a_reload_hears_what_changed(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN, OTHER) as engine:
        config = CONFIG.replace("inbox: abc-emr", "inbox: abc-new").replace(
            "mail: {inbox: abc-mail, phi: none}", ""
        )
        config = config.replace("  counted: {rest", "  fresh: {rest").replace(
            'match: "*.json"', 'match: "*.txt"'
        )
        (tmp_path / "routes/other.yaml").unlink()
        engine.write(PLAIN, config=config)
        changes = await engine.reloader.reload(author="ana")
        assert engine.applied == [changes]
        assert changes.listeners.added == ("fresh",)
        assert changes.listeners.removed == ("counted",)
        assert changes.listeners.changed == ("folder",)
        assert changes.endpoints.changed == ("clinique-abc.emr",)
        assert changes.endpoints.removed == ("clinique-abc.mail",)
        assert changes.routes.removed == ("other",)


def test_the_same_configuration_differs_in_nothing(tmp_path: Path) -> None:
    path = project(tmp_path, PLAIN)
    changes = changes_between(load(path), load(path))
    assert not (changes.listeners or changes.endpoints or changes.routes or changes.selectors)


def test_comments_are_no_change(tmp_path: Path) -> None:
    before = load(project(tmp_path, PLAIN))
    after = load(project(tmp_path, PLAIN + "# a remark\n", config="# another\n" + CONFIG))
    changes = changes_between(before, after)
    assert not (changes.listeners or changes.endpoints or changes.routes)


# --------------------------------------------------------------------------- versions


async def test_each_deployed_version_is_kept_with_author_and_time(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.house.clock.advance_to(engine.house.clock.now_ms() + 60_000)
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        second, first = await engine.versions.list("plain")
        assert [(each.author, each.running) for each in (second, first)] == [("ana", True), ("start", False)]
        assert second.deployed_ms - first.deployed_ms == 60_000
        assert "version: two" in second.text
        assert engine.reloader.loaded.routes[0].version == second.version


async def test_what_did_not_change_makes_no_new_version(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN, OTHER) as engine:
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        await engine.reloader.reload(author="ana")
        assert [len(await engine.versions.list(name)) for name in ("plain", "other")] == [2, 1]


async def test_the_journal_says_who_deployed_a_route(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        rows = [row for row in await engine.house.store.journal.rows() if row.action == "route-deployed"]
        assert [row.actor for row in rows] == ["start", "ana"]


async def test_two_versions_are_compared_line_by_line(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        second, first = await engine.versions.list("plain")
        lines = (await engine.versions.diff("plain", first.version, second.version)).splitlines()
        assert [line for line in lines if line.startswith(("+steps", "-steps"))] == [
            "-steps: [{set: {version: one}}]",
            "+steps: [{set: {version: two}}]",
        ]


async def test_a_roll_back_puts_the_text_back_and_runs_it(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        original = (tmp_path / "routes/plain.yaml").read_text(encoding="utf-8")
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        engine.house.clock.advance_to(engine.house.clock.now_ms() + 60_000)
        await engine.reloader.roll_back("plain", author="bo")
        assert await engine.version_of() == "one"
        assert (tmp_path / "routes/plain.yaml").read_text(encoding="utf-8") == original
        latest = (await engine.versions.list("plain"))[0]
        assert (latest.author, latest.running) == ("bo", True)


async def test_a_roll_back_to_what_cannot_run_changes_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        second = PLAIN.replace("clinique-abc.emr", "clinique-abc.queue")
        config = CONFIG.replace("emr: {inbox: abc-emr, phi: full}", "")
        engine.write(second, config=config)
        await engine.reloader.reload(author="ana")
        with pytest.raises(ConfigurationError):
            await engine.reloader.roll_back("plain", author="bo")
        assert (tmp_path / "routes/plain.yaml").read_text(encoding="utf-8") == second
        await engine.version_of()
        assert (await engine.house.rows())[-1].delivery.chain[0].endpoint == "clinique-abc.queue"


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        (tmp_path / "routes/.plain.yaml.new").mkdir()
        with pytest.raises(Conflict, match=r"plain\.yaml cannot be written"):
            await engine.reloader.roll_back("plain", author="bo")


@pytest.mark.parametrize("version", ["", "no-such"])
async def test_a_version_that_never_ran_is_not_found(tmp_path: Path, version: str) -> None:
    async with running(tmp_path, PLAIN) as engine:
        with pytest.raises(NotFound):
            await engine.versions.find("plain", version)
        with pytest.raises(NotFound):
            await engine.versions.list("nobody")


async def test_the_projects_revision_is_kept_with_a_version(tmp_path: Path) -> None:
    (tmp_path / ".git/refs/heads").mkdir(parents=True)
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (tmp_path / ".git/packed-refs").write_text(
        "# pack-refs\n" + "a" * 40 + " refs/heads/main\n", encoding="utf-8"
    )
    async with running(tmp_path, PLAIN) as engine:
        (tmp_path / ".git/refs/heads/main").write_text("b" * 40 + "\n", encoding="utf-8")
        engine.write(PLAIN.replace("one", "two"))
        await engine.reloader.reload(author="ana")
        assert {each.revision for each in await engine.versions.list("plain")} == {"a" * 40, "b" * 40}


async def test_a_renamed_route_keeps_what_is_stored_under_its_old_name(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        await engine.house.post({"n": 1}, selector=ANY)
        (tmp_path / "routes/plain.yaml").unlink()
        engine.write(PLAIN.replace("route: plain", "route: better\nformerly: [plain]"))
        await engine.reloader.reload(author="ana")
        (row,) = await engine.house.rows()
        assert row.delivery.route == "better"
        assert engine.house.reception.current.board.policies.destination(row.delivery) is not None


async def test_a_removed_destination_has_no_policy_so_that_its_rows_are_parked(tmp_path: Path) -> None:
    async with running(tmp_path, PLAIN) as engine:
        await engine.house.post({"n": 1}, selector=ANY)
        engine.write(PLAIN.replace("clinique-abc.emr", "clinique-abc.queue"))
        await engine.reloader.reload(author="ana")
        (row,) = await engine.house.rows()
        assert engine.house.reception.current.board.policies.destination(row.delivery) is None
