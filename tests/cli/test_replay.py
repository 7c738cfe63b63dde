"""`passerelle resend --study --to`: what it refuses before it asks the engine."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from engine.cli.resend import resend


@pytest.mark.parametrize(
    "words",
    [
        ["--study", "2.25.1"],
        ["--to", "second.pacs"],
        ["--study", "2.25.1", "--to", "second.pacs", "--partner", "clinic"],
        ["06GSS3TF0001", "--study", "2.25.1", "--to", "second.pacs"],
    ],
)
def test_a_study_is_sent_as_a_whole_to_an_endpoint(words: list[str]) -> None:
    done = CliRunner().invoke(resend, words)

    assert done.exit_code == 2
    assert "--study" in done.output
