"""What is read of an instance so that it is found: its UIDs and some attributes, within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.codecs.dicom.searching import instance_of, text_of
from engine.errors import MalformedMessage
from engine.model import Gathering
from tests.instances import CT, SERIES, STUDY, part10


def test_an_instance_says_where_it_belongs(tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(part10("2.25.1"))

    for content in (path, path.read_bytes()):
        said = instance_of(content, gathering=Gathering("study", 1_000))
        assert said is not None
        assert (said.study, said.series, said.instance, said.sop_class) == (STUDY, SERIES, "2.25.1", CT)
        assert (said.modality, text_of(said.attributes, "00100010")) == ("CT", "Essai^Zoé^Marie")
        assert text_of(said.attributes, "00083002") == "1.2.840.10008.1.2.1"
        assert said.gathering == Gathering("study", 1_000)


def test_the_uid_under_which_it_was_sent_counts() -> None:
    said = instance_of(part10("2.25.1"), uid="2.25.5")

    assert said is not None and said.instance == text_of(said.attributes, "00080018") == "2.25.5"


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1." + "1" * 64, "1..2"])
def test_what_belongs_to_no_study_says_nothing(uid: str) -> None:
    assert instance_of(part10("2.25.1", StudyInstanceUID=uid)) is None


def test_long_values_and_endless_lists_are_cut() -> None:
    said = instance_of(part10("2.25.1", StudyDescription="x" * 9_000, PatientName=["A^B"] * 500))

    assert said is not None
    assert len(text_of(said.attributes, "00081030")) == 1024
    assert len(said.attributes["00100010"]["Value"]) == 64  # type: ignore[index]  # the JSON model


def test_what_is_no_instance_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        instance_of(b"no instance")
