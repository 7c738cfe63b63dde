"""`dicom find`, `move` and `get` with DCMTK's archive."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from engine.cli.exits import Exit
from tests.channels.dicom_query.asked import written
from tests.cli.dicom.test_network import ran
from tests.cli.invoking import Shell
from tests.peers.dcmqrscp import dcmqrscp
from tests.peers.ports import free_port
from tests.peers.storescp import storescp

STUDY = "StudyInstanceUID=2.25.100"


async def test_what_is_found_is_shown_masked(shell: Shell) -> None:
    async with dcmqrscp(shell.folder) as archive:
        await archive.store(*written(shell.folder, 2))
        target = (f"127.0.0.1:{archive.port}", "--ae", "ARCHIVE")
        ended = await ran(shell, "find", *target, "PatientName=ESSAI*", "StudyInstanceUID")
        clear = await ran(
            shell, "find", *target, "PatientName=ESSAI*", "StudyInstanceUID", "--clear", "--json"
        )
        none = await ran(shell, "find", *target, "PatientID=NOBODY")
    assert ended.code == Exit.OK
    assert "StudyInstanceUID  2.25.100" in ended.out and "PatientName  xxxxx^xxxxxxxx" in ended.out
    assert "ESSAI" not in ended.out
    assert clear.json["results"][0]["PatientName"] == "ESSAI^IMAGERIE"
    assert none.code == Exit.NOTHING


async def test_a_study_is_fetched_into_a_folder(shell: Shell) -> None:
    into = shell.folder / "came" / "today"
    async with dcmqrscp(shell.folder) as archive:
        await archive.store(*written(shell.folder, 3))
        ended = await ran(
            shell, "get", f"127.0.0.1:{archive.port}", STUDY, "--ae", "ARCHIVE", "--into", str(into), "--json"
        )
    assert (ended.code, ended.json["completed"], ended.json["failed"]) == (Exit.OK, 3, 0)
    assert sorted(path.name for path in into.iterdir()) == [f"2.25.100.{number}.dcm" for number in (1, 2, 3)]
    assert str(dcmread(into / "2.25.100.1.dcm").PatientID) == "TEST0001"


async def test_a_study_is_moved_to_a_title(shell: Shell) -> None:
    async with storescp(shell.folder) as sink, dcmqrscp(shell.folder, movers={"STORE": sink.port}) as archive:
        await archive.store(*written(shell.folder, 2))
        target = (f"127.0.0.1:{archive.port}", "--ae", "ARCHIVE")
        ended = await ran(shell, "move", *target, STUDY, "--to", "STORE", "--json")
        nowhere = await ran(shell, "move", *target, STUDY, "--to", "NOWHERE")
        assert len(sink.files()) == 2
    assert (ended.code, ended.json["completed"]) == (Exit.OK, 2)
    assert nowhere.code != Exit.OK and "does not know the AE title" in nowhere.err


async def test_an_endpoint_of_the_project_is_asked(shell: Shell) -> None:
    async with dcmqrscp(shell.folder) as archive:
        await archive.store(*written(shell.folder, 1))
        (shell.folder / "config.yaml").write_text(
            "engine: {name: here, env: test}\npartners:\n  pacs:\n    endpoints:\n"
            f"      archive: {{dicom_query: 127.0.0.1:{archive.port}, ae_title: ARCHIVE, phi: full}}\n"
        )
        ended = await ran(shell, "find", "pacs.archive", "PatientID=TEST0001", "--json")
    assert (ended.code, len(ended.json["results"])) == (Exit.OK, 1)


@pytest.mark.parametrize("verb", [("find", "PatientID=1"), ("move", STUDY, "--to", "X")])
async def test_an_archive_that_is_away_is_told_as_such(shell: Shell, verb: tuple[str, ...]) -> None:
    ended = await ran(shell, verb[0], f"127.0.0.1:{free_port()}", *verb[1:])
    assert ended.code != Exit.OK and "nobody listens" in ended.err


async def test_a_folder_is_made_only_for_what_comes(shell: Shell) -> None:
    into = shell.folder / "not-there"
    await ran(shell, "get", f"127.0.0.1:{free_port()}", STUDY, "--into", str(into))
    assert not into.exists()
