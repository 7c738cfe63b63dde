"""A question from the command line, the endpoint that asks it, and where what is brought becomes files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from engine.cli.dicom.questioning import asker, bringing_options, into, question_of, tell_brought
from engine.cli.exits import Exit
from engine.clock import SystemClock
from engine.ids import IdSource
from engine.model import Body, Disposition, Message, Reply, Verdict
from engine.testing.channels import channel_context
from tests.cli.dicom.desks import NOTHING_SAID, desk_in


@pytest.mark.parametrize(
    ("keys", "limit", "expected"),
    [
        (["PatientID=1"], 0, {"level": "study", "match": {"PatientID": "1"}}),
        (["PatientID="], 0, {"level": "study", "match": {"PatientID": ""}}),
        (["StudyDescription=A=B"], 3, {"level": "study", "match": {"StudyDescription": "A=B"}, "limit": 3}),
        (
            ["PatientID=1", "StudyDescription"],
            0,
            {"level": "study", "match": {"PatientID": "1"}, "return": ["StudyDescription", "PatientID"]},
        ),
    ],
)
def test_keys_become_the_message_that_asks(keys: list[str], limit: int, expected: dict[str, Any]) -> None:
    assert json.loads(question_of(keys, level="study", limit=limit)) == expected


def test_a_key_that_is_said_twice_is_refused() -> None:
    with pytest.raises(click.UsageError, match="twice"):
        question_of(["PatientID=1", "PatientID=2"], level="study")


PROJECT = """
listen: {images: {dicom: 127.0.0.1:0}}
partners:
  pacs:
    endpoints:
      archive: {dicom: 127.0.0.1:104, ae_title: PACS, calling: US, phi: full}
      fetch: {dicom_query: 127.0.0.1:104, ae_title: PACS, ask: get, into: images, phi: full}
"""


@pytest.mark.parametrize(("name", "calling"), [("pacs.archive", "US"), ("pacs.fetch", "PASSERELLE")])
def test_an_endpoint_of_the_project_asks_what_the_command_asks(
    tmp_path: Path, name: str, calling: str
) -> None:
    (tmp_path / "config.yaml").write_text(PROJECT)
    config, context = asker(desk_in(tmp_path), name, ask="move", how=NOTHING_SAID, move_to="OTHER")
    assert (config.type, config.ask, config.move_to, config.into) == ("dicom_query", "move", "OTHER", None)
    assert (config.ae_title, config.calling, context.name) == ("PACS", calling, name)


async def test_what_is_brought_becomes_a_file_of_its_uid(tmp_path: Path) -> None:
    context = into(channel_context(tmp_path), tmp_path)
    clock = SystemClock()
    message = Message(
        id=IdSource(clock).next(),
        listener="",
        body=Body.of(b"an instance"),
        codec="dicom",
        received_ms=clock.now_ms(),
        control_id="1.2.3",
    )
    told: list[Verdict] = []

    class Told:
        def reply(self, verdict: Verdict) -> bytes:
            told.append(verdict)
            return b"0000"

    intake = context.intake("anywhere")
    with intake.admit(None, 11):
        receipt = await intake(message, Told())
    assert (tmp_path / "1.2.3.dcm").read_bytes() == b"an instance"
    assert (receipt.reply, told[0].disposition) == (b"0000", Disposition.ACCEPTED)


@pytest.mark.parametrize(("failed", "code"), [(0, Exit.OK), (2, Exit.FAILED)])
def test_what_failed_ends_the_command_badly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failed: int, code: Exit
) -> None:
    reply = Reply("0000", json.dumps({"completed": 3, "warning": 1, "failed": failed}).encode())
    assert tell_brought(desk_in(tmp_path), reply, "folder") == code
    assert capsys.readouterr().out.strip() == f"3 -> folder, 1 !, {failed} x: 0000"


def test_get_and_move_are_told_level_keys_and_time() -> None:
    said: dict[str, object] = {}

    @click.command()
    @bringing_options
    def command(**given: object) -> None:
        said.update(given)

    runner = CliRunner()
    assert runner.invoke(command, ["PatientID=1", "--level", "series"]).exit_code == 0
    assert said == {"keys": ("PatientID=1",), "level": "series", "timeout": 3600.0}
    assert runner.invoke(command, ["PatientID=1", "--timeout", "0"]).exit_code == Exit.USAGE
