"""The head of a Part 10 file says which instance it holds, wherever it is cut and whatever stands in it."""

from __future__ import annotations

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels._dicom.part10 import META_BYTES, InstanceHead, head_of, read_head
from engine.errors import Rejected
from engine.model import Body
from tests.channels.dicom.instances import CT, JPEG_2000, data_set, part10
from tests.channels.dicom.test_inbound_dcmtk import OBJECTS, shipped

WHOLE = part10("2.25.1", sop_class=CT, syntax=JPEG_2000)
START = len(WHOLE) - len(data_set("2.25.1", sop_class=CT))


def test_the_data_set_begins_behind_the_meta_information() -> None:
    assert read_head(WHOLE) == InstanceHead(CT, "2.25.1", JPEG_2000, START)


@pytest.mark.parametrize("name", OBJECTS)
def test_files_of_other_writers_are_read(name: str) -> None:
    whole = shipped(name).read_bytes()
    head = read_head(whole)
    assert head.offset == 144 + int.from_bytes(whole[140:144], "little")
    assert head_of(Body(len(whole), b"", None, shipped(name))) == head


@given(st.integers(0, START - 1))
def test_a_file_that_is_cut_in_its_head_is_none(at: int) -> None:
    with pytest.raises(Rejected):
        read_head(WHOLE[:at])


@given(st.integers(132, START - 1), st.binary(min_size=1, max_size=12))
def test_bytes_that_mean_something_else_are_refused_or_read(at: int, instead: bytes) -> None:
    with suppress(Rejected):
        assert read_head(WHOLE[:at] + instead + WHOLE[at + len(instead) :]).offset <= len(WHOLE)


def test_private_information_may_be_long_and_not_endless() -> None:
    private = pack("<HH2sxxL", 2, 0x0102, b"OB", META_BYTES // 2) + bytes(META_BYTES // 2)
    assert read_head(WHOLE[:START] + private + WHOLE[START:]).offset == START + len(private)
    endless = pack("<HH2sxxL", 2, 0x0102, b"OB", 2**31) + bytes(1000)
    with pytest.raises(Rejected):
        read_head(WHOLE[:START] + endless)
