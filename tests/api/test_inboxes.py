"""Inboxes through the API: what is kept there, page by page, and nothing outside of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.errors import NotFound
from tests.api.project import running_project

IDS = [f"01JD{number:016}" for number in range(1, 6)]


def kept(folder: Path, *names: str) -> Path:
    """Make an inbox that keeps files of these names."""
    inbox = folder / "var" / "inbox" / "clinic"
    inbox.mkdir(parents=True)
    for name in names:
        (inbox / name).write_bytes(b"{}")
    return inbox


async def test_a_kept_message_is_listed_with_id_file_size_and_time(tmp_path: Path) -> None:
    async with running_project(tmp_path) as (_, speaker):
        identifier = await speaker.accept("1")
        page = await speaker.get("inboxes/clinic")
    file = tmp_path / "var" / "inbox" / "clinic" / f"{identifier}.json"
    assert [(row["message_id"], row["file"]) for row in page["kept"]] == [(identifier, str(file))]
    assert page["kept"][0]["size"] == file.stat().st_size
    assert page["kept"][0]["kept"].startswith("20")


async def test_pages_follow_one_another_by_id(tmp_path: Path) -> None:
    kept(tmp_path, *(f"{IDS[at]}.json" for at in (3, 1, 4, 0, 2)))
    async with running_project(tmp_path) as (_, speaker):
        first = (await speaker.get("inboxes/clinic", limit=2))["kept"]
        second = (await speaker.get("inboxes/clinic", limit=2, after_id=first[-1]["message_id"]))["kept"]
    assert [row["message_id"] for row in (*first, *second)] == IDS[:4]


async def test_a_page_is_bounded_whatever_is_asked_for(tmp_path: Path) -> None:
    kept(tmp_path, *(f"01JD{number:016}.json" for number in range(1001)))
    async with running_project(tmp_path) as (_, speaker):
        page = (await speaker.get("inboxes/clinic", limit=5000))["kept"]
        listed = (await speaker.get("inboxes"))["inboxes"]
    assert len(page) == 1000
    assert [(row["messages"], row["newest"]) for row in listed] == [(1001, f"01JD{1000:016}.json")]


async def test_an_id_that_is_no_file_name_is_listed_as_it_was(tmp_path: Path) -> None:
    kept(tmp_path, "MSG%2F0001.A.json")
    async with running_project(tmp_path) as (_, speaker):
        page = (await speaker.get("inboxes/clinic"))["kept"]
    assert [row["message_id"] for row in page] == ["MSG/0001.A"]


async def test_half_written_files_folders_and_links_are_not_listed(tmp_path: Path) -> None:
    inbox = kept(tmp_path, ".01JD.json.0a0a0a0a.tmp")
    (inbox / "folder.json").mkdir()
    os.symlink("/etc/hostname", inbox / "link.json")
    async with running_project(tmp_path) as (_, speaker):
        assert (await speaker.get("inboxes/clinic"))["kept"] == []
        assert (await speaker.get("inboxes"))["inboxes"][0]["messages"] == 0


@pytest.mark.parametrize("name", ["nowhere", "..", "%2e%2e"])
async def test_what_is_no_inbox_is_not_found(tmp_path: Path, name: str) -> None:
    kept(tmp_path)
    async with running_project(tmp_path) as (_, speaker):
        with pytest.raises(NotFound):
            await speaker.get(f"inboxes/{name}")
