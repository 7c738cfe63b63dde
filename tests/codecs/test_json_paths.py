"""Paths into JSON documents: read, set and remove what they say, and name the offset of what is wrong in them."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.json import CODEC, compile_path, dotted, path_extent, pointer
from engine.errors import ExpressionError, Rejected
from tests.codecs.values import LEAVES, TEXTS, json_values

ROOT: dict[str, Any] = {
    "appointment": {"start": "2026-11-02T09:00:00-05:00", "version": 3, "note": None, "x-room": "12"},
    "participant": [{"actor": "A", "codes": [1, 2]}, {"actor": "B", "codes": [3]}, {"role": "C"}],
    "items": [
        {"code": "X", "use": "old", "value": "first"},
        {"code": "X", "use": "usual", "value": "second"},
        {"code": 'Y"]', "on": True, "rate": Decimal("1.50")},
    ],
    "odd key": {"a.b": 1},
    "name": "text",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "text"),
        ("appointment.start", "2026-11-02T09:00:00-05:00"),
        ("appointment.x-room", "12"),
        ("appointment.note", None),
        ("participant[0].actor", "A"),
        ("participant[*].actor", ["A", "B"]),
        ("participant[*].codes[*]", [1, 2, 3]),
        ("participant[*].codes[0]", [1, 3]),
        ('items[.code == "X"].value', "first"),
        ("items[code == 'X' and use == 'usual'].value", "second"),
        ('items[.use != "old"].value', "second"),
        ('items[.code == "Y\\"]"].rate', Decimal("1.5")),
        ("items[.rate == 1.50].code", 'Y"]'),
        ("items[.on == True].code", 'Y"]'),
        ("items[ .on == true ].code", 'Y"]'),
        ('["odd key"]["a.b"]', 1),
    ],
)
def test_a_path_reads_what_it_says(path: str, value: Any) -> None:
    assert compile_path(path).get(ROOT) == value


@pytest.mark.parametrize(
    "path",
    [
        "none",
        "none.deeper.still.and.more",
        "name.deeper",
        "name[0]",
        "appointment.note.deeper",
        "appointment[0]",
        "participant[9].actor",
        "participant.actor",
        'items[.code == "Z"].value',
        "items[.on == 1].code",
        "appointment.version.x",
    ],
)
def test_what_is_not_there_is_an_empty_text(path: str) -> None:
    assert compile_path(path).get(ROOT) == ""


@pytest.mark.parametrize("path", ["none[*]", "name[*]", "none.x[*].y", "participant[*].none"])
def test_all_of_nothing_is_an_empty_list(path: str) -> None:
    assert compile_path(path).get(ROOT) == []


@pytest.mark.parametrize("root", [None, "text", 3, [1], Decimal(1), True])
def test_a_root_without_names_has_nothing(root: Any) -> None:
    for path in ("a", "a.b", "a.b.c", "a.b.c.d", "a.b.c.d.e"):
        assert compile_path(path).get(root) == ""


@pytest.mark.parametrize(
    ("path", "offset"),
    [
        ("", 0),
        (".a", 0),
        ("a..b", 2),
        ("a.", 2),
        ("a[0]b", 4),
        ("a[", 1),
        ("a[x]", 2),
        ("a[.x = 1]", 2),
        ("a[.x == ]", 8),
        ("a[.x == 1 or .y == 2]", 9),
        ("a b", 1),
        ("a[-1]", 2),
        ("a[1234567890]", 2),
        ('a["\\x"]', 2),
        (".".join("a" * 33), 0),
    ],
)
def test_a_wrong_path_is_refused_at_its_offset(path: str, offset: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_path(path)
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("appointment.start < x", 17),
        ("a.b, c", 3),
        ("a-b - c", 3),
        ("a -b", 1),
        ("a- b", 1),
        ("a.b.}", 3),
        ('items[.code == "a]\'}"].value)', 28),
        ("[0].x + 1", 5),
        (" a", 0),
        ("é.ç)", 3),
    ],
)
def test_the_extent_of_a_path_ends_where_the_expression_goes_on(text: str, end: int) -> None:
    assert path_extent("msg." + text, 4) == 4 + end


def test_a_bracket_that_never_closes_is_named() -> None:
    with pytest.raises(ExpressionError) as caught:
        path_extent('msg.a[.b == "]', 4)
    assert caught.value.offset == 5


@given(st.lists(TEXTS.filter(bool) | st.integers(0, 99), min_size=1, max_size=6))
def test_a_trail_written_as_a_path_leads_along_the_trail(trail: list[str | int]) -> None:
    text = dotted(trail)
    assert path_extent(text, 0) == len(text)
    assert str(compile_path(text)) == text
    built: Any = "there"
    for part in reversed(trail):
        built = [None] * part + [built] if isinstance(part, int) else {part: built}
    assert compile_path(text).get(built) == "there"


@given(st.text(alphabet="ab.[]*0=!\"' -\\{}", max_size=12))
def test_any_text_is_a_path_or_is_refused(text: str) -> None:
    try:
        path = compile_path(text)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text)
    else:
        path.get(ROOT)
        assert compile_path(str(path)).steps == path.steps


def test_a_path_as_pointer() -> None:
    assert pointer('appointment["a/b~c"].end[0]') == "/appointment/a~1b~0c/end/0"
    assert pointer("") == ""
    with pytest.raises(ExpressionError):
        pointer("a[*]")


@given(json_values(), st.lists(st.sampled_from("abc"), min_size=1, max_size=5), LEAVES)
def test_what_was_set_is_read_again(root: Any, names: list[str], value: Any) -> None:
    path = compile_path(".".join(names))
    document = CODEC.document(root if isinstance(root, dict) else {})
    try:
        path.set(document.root, value)
    except Rejected:
        return
    assert path.get(document.root) == value
    path.remove(document.root)
    assert path.get(document.root) == ""


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("a.b.c", 1, {"list": [{"k": "x"}], "a": {"b": {"c": 1}}}),
        ("new[0].x", 1, {"list": [{"k": "x"}], "new": [{"x": 1}]}),
        ("list[1].k", "y", {"list": [{"k": "x"}, {"k": "y"}]}),
        ("list[*].n", {"q": 1}, {"list": [{"k": "x", "n": {"q": 1}}]}),
        ('list[.k == "x"].k', "z", {"list": [{"k": "z"}]}),
        ("list", ("a", ["b"]), {"list": ["a", ["b"]]}),
    ],
)
def test_setting_makes_what_is_missing(path: str, value: Any, expected: Any) -> None:
    root: Any = {"list": [{"k": "x"}]}
    compile_path(path).set(root, value)
    assert root == expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("text.a", 1),
        ("text[0]", 1),
        ("list[5]", 1),
        ('list[.k == "q"].v', 1),
        ("text[*]", 1),
        ("list.k", 1),
        ("a", 1.5),
        ("a", {"b": object()}),
        ("a", {1: 2}),
        ("a", b"x"),
    ],
)
def test_what_cannot_be_set_is_refused_with_its_path_and_changes_nothing(path: str, value: Any) -> None:
    root: Any = {"text": "x", "list": [{"k": "x"}]}
    before = copy.deepcopy(root)
    with pytest.raises(Rejected) as caught:
        compile_path(path).set(root, value)
    assert caught.value.faults[0].path == path
    assert root == before


def test_items_set_in_a_list_are_independent_copies() -> None:
    root: Any = {"list": [{}, {}]}
    value = {"inner": [1]}
    compile_path("list[*].n").set(root, value)
    root["list"][0]["n"]["inner"].append(2)
    assert root["list"][1]["n"] == {"inner": [1]} == value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", {"a": {}, "list": [{"k": 1}, {"k": 2}]}),
        ("a", {"list": [{"k": 1}, {"k": 2}]}),
        ("list[0]", {"a": {"b": 1}, "list": [{"k": 2}]}),
        ("list[*]", {"a": {"b": 1}, "list": []}),
        ("list[*].k", {"a": {"b": 1}, "list": [{}, {}]}),
        ("list[.k == 2]", {"a": {"b": 1}, "list": [{"k": 1}]}),
        ("none.at.all", {"a": {"b": 1}, "list": [{"k": 1}, {"k": 2}]}),
        ("list[7]", {"a": {"b": 1}, "list": [{"k": 1}, {"k": 2}]}),
        ("a.b.c", {"a": {"b": 1}, "list": [{"k": 1}, {"k": 2}]}),
    ],
)
def test_removing_takes_out_what_is_there(path: str, expected: Any) -> None:
    root: Any = {"a": {"b": 1}, "list": [{"k": 1}, {"k": 2}]}
    compile_path(path).remove(root)
    assert root == expected


@given(json_values())
def test_a_copy_is_equal_and_independent(value: Any) -> None:
    document = CODEC.document({"value": value, "list": [{"a": 1}]})
    twin = document.copy()
    assert twin.root == document.root
    twin.root["list"][0]["a"] = 2
    twin.root["value"] = "changed"
    assert document.root == {"value": value, "list": [{"a": 1}]}
