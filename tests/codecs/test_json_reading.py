"""JSON in and out: nothing that two readers could understand in two ways gets in, and numbers keep their text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.json import read_json, write_json
from engine.codecs.json.bounds import MAX_DEPTH, is_too_deep
from engine.codecs.json.locating import MAX_WALKED
from engine.codecs.json.quick import UNREAD, read_quickly
from engine.errors import MalformedMessage, Rejected
from tests.codecs.values import json_values, spelled


def refusal(raw: bytes) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        read_json(raw)
    return caught.value


@pytest.mark.parametrize(
    "number",
    ["1.50", "1E5", "1e5", "1E+5", "0.0000001", "-0", "-0.0", "0.10", "1" * 40, "-" + "9" * 30, "0e-7", "7"],
)
def test_a_number_leaves_as_it_was_spelled(number: str) -> None:
    assert write_json(read_json(f"[{number}]".encode())) == f"[{number}]".encode()


@given(json_values())
def test_what_was_written_reads_as_the_same_value(value: Any) -> None:
    assert spelled(read_json(write_json(value))) == spelled(value)


@given(json_values())
def test_writing_twice_gives_the_same_bytes(value: Any) -> None:
    written = write_json(value)
    assert write_json(read_json(written)) == written


@given(json_values())
def test_other_writers_blanks_and_escapes_change_nothing(value: Any) -> None:
    loose = json.dumps(json.loads(write_json(value)), indent=1, ensure_ascii=True).encode()
    assert json.loads(write_json(read_json(loose))) == json.loads(loose)


@given(
    st.binary(max_size=60) | st.text(alphabet='{}[]",:\\ud8eE+-.019ntrfals \n', max_size=40).map(str.encode)
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = read_json(raw)
    except MalformedMessage as error:
        assert error.position is None or 0 <= error.position <= len(raw)
    else:
        assert spelled(read_json(write_json(value))) == spelled(value)


@given(json_values().map(write_json) | st.binary(max_size=30))
def test_the_quick_way_reads_what_the_careful_way_reads_or_nothing(raw: bytes) -> None:
    quickly = read_quickly(raw)
    if quickly is not UNREAD:
        careful = read_json(b"\xef\xbb\xbf" + raw)  # the mark keeps the quick way out
        assert spelled(quickly) == spelled(careful)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":1}',
        b"[1.5]",
        b"[1e16]",
        b"[-0]",
        b"[" + b"9" * 30 + b"]",
        b'["\\ud800"]',
        b"[1 ]",
        b"NaN",
        b"\xff",
    ],
)
def test_the_quick_way_leaves_what_it_cannot_keep(raw: bytes) -> None:
    assert read_quickly(raw) is UNREAD


def test_the_quick_way_is_taken_for_what_machines_send() -> None:
    assert read_quickly(b'{"a":[1,true,null,"\xc3\xa9"]}') == {"a": [1, True, None, "\u00e9"]}


def test_key_order_is_kept() -> None:
    assert write_json(read_json(b'{"z":1,"a":{"y":2,"b":3}}')) == b'{"z":1,"a":{"y":2,"b":3}}'


def test_a_duplicate_key_is_refused_with_its_path_and_offset() -> None:
    raw = '{"é":[{}, {"name":{"family":1, "given":2, "family":3}}]}'.encode()
    error = refusal(raw)
    assert error.faults[0].path == "é[1].name.family"
    assert error.position == raw.rindex(b'"family"')


def test_a_duplicate_key_behind_an_escape_is_refused() -> None:
    assert refusal(b'{"a":1,"\\u0061":2}').position == 7


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert read_json(b'[{"a":1},{"a":2},{"b":{"a":3},"a":4}]')[2]["a"] == 4


def test_a_syntax_error_names_path_line_and_column() -> None:
    error = refusal(b'{"a": {"b": [1,\n oops]}}')
    assert error.faults[0].path == "a.b[1]"
    assert error.position == 17
    assert "line 2, column 2" in str(error)
    assert "oops" not in str(error)


@pytest.mark.parametrize("raw", [b"NaN", b"[Infinity]", b'{"a":-Infinity}'])
def test_what_is_no_number_of_json_is_refused(raw: bytes) -> None:
    assert "NaN and Infinity" in str(refusal(raw))


@pytest.mark.parametrize(
    ("raw", "position"), [(b'["\\ud800"]', 2), (b'["x\\udc00"]', 3), (b'["\\uD83D x"]', 2)]
)
def test_half_of_a_surrogate_pair_is_refused(raw: bytes, position: int) -> None:
    error = refusal(raw)
    assert error.position == position
    assert error.faults[0].path == "[0]"


@pytest.mark.parametrize("raw", [b'["\\ud83d\\ude00"]', b'["\\\\ud800"]', b'["\\\\\\ud83d\\ude00"]'])
def test_whole_pairs_and_escaped_backslashes_pass(raw: bytes) -> None:
    assert read_json(write_json(read_json(raw))) == json.loads(raw)


def test_a_byte_order_mark_is_skipped_and_counted() -> None:
    assert read_json(b"\xef\xbb\xbf[1]") == [1]
    assert refusal(b"\xef\xbb\xbf[1,]").position == 6


def test_a_byte_that_is_no_utf_8_is_named() -> None:
    error = refusal('["é", "'.encode() + b'\xe9"]')
    assert error.position == 8
    assert "UTF-8" in str(error)


def test_utf_16_is_recognised() -> None:
    assert "UTF-16" in str(refusal("[1]".encode("utf-16")))


def test_the_deepest_permitted_document_passes_and_one_deeper_is_refused() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    error = refusal(b'{"a":' * 40 + b"[" * 25 + b"]" * 25 + b"}" * 40)
    assert "deeper than 64" in str(error)
    assert error.position == 40 * 5 + 24


def test_many_brackets_side_by_side_or_in_texts_are_not_deep() -> None:
    assert len(read_json(b"[" + b",".join([b'{"a":[[]],"[[[[{{{{\\"":1}'] * 300) + b"]")) == 300


def test_hostile_nesting_is_refused_before_it_is_read() -> None:
    assert "deeper than 64" in str(refusal(b"[" * 400_000))


def test_what_is_wrong_far_on_is_refused_without_its_path() -> None:
    start = b'{"a":[' + b"1," * MAX_WALKED
    late = refusal(start + b"x]}")
    assert (late.faults[0].path, late.position) == ("", len(start))
    twice = refusal(start + b'1],"b":1,"b":2}')
    assert (twice.faults[0].path, twice.position) == ("", None)
    assert "deeper than 64" in str(refusal(start + b"[" * 100 + b"]" * 100 + b"]}"))


@pytest.mark.parametrize(
    ("raw", "deep"),
    [
        (b"[" * 64, False),
        (b"[" * 65, True),
        (b"[]" * 100, False),
        (b'{"a":[' * 33, True),
        (b'"' + b"[" * 100, False),
        (b'["' + b'[\\"' * 100 + b'"]' + b"[]" * 70, False),
        (b"]" * 90 + b"[" * 100, False),
        (b"[" * 65 + b"]" * 65, True),
    ],
)
def test_depth_is_known_before_anything_recurses(raw: bytes, deep: bool) -> None:
    assert is_too_deep(raw) is deep


@pytest.mark.parametrize(
    "number", ["1E1001", "1E-1001", "1e99999999999999999999", "0." + "1" * 1000, "9" * 5000]
)
def test_a_number_out_of_range_is_refused(number: str) -> None:
    assert "out of range" in str(refusal(f"[{number}]".encode()))


@pytest.mark.parametrize("value", [{1: 2}, {"a": b"x"}, ["\ud800"], {"a": object()}, {"a": 2**70, "b": {3}}])
def test_what_is_no_json_value_is_not_written(value: Any) -> None:
    with pytest.raises(Rejected):
        write_json(value)
