"""YAML read as text with its places: what stays, what is refused, and where carets stand inside a scalar."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.config import compose as compose_module
from engine.config.compose import MAX_BYTES, MAX_DEPTH, compose, compose_file
from engine.config.nodes import ListNode, MapNode, Node, leaves, locate, locate_key
from engine.config.text import Mark, Text
from engine.errors import Problem


def read(text: str) -> tuple[Node | None, list[Problem]]:
    problems: list[Problem] = []
    return compose(text, "f.yaml", problems), problems


def whole(text: str) -> MapNode:
    node, problems = read(text)
    assert isinstance(node, MapNode) and problems == []
    return node


def refused(text: str) -> tuple[int, int, str]:
    problem = read(text)[1][0]
    return problem.line, problem.column, problem.message


def test_scalars_are_the_text_that_was_written() -> None:
    text = "a: 01234\nb: NO\nc: .1\nd: 12:30\non: yes\nf: ~\ng: 'it''s'\nh: \"a\\tb\"\ni: 2027-06-30\n"

    assert whole(text) == {
        "a": "01234",
        "b": "NO",
        "c": ".1",
        "d": "12:30",
        "on": "yes",
        "f": "~",
        "g": "it's",
        "h": "a\tb",
        "i": "2027-06-30",
    }


def test_places_count_characters_from_one_and_a_byte_order_mark_for_nothing() -> None:
    node = whole("\ufeffété: {clé: 'valeur', suite: [un, deux]}\n")

    inner = node["été"]
    assert isinstance(inner, MapNode)
    assert place(locate(node, ("été", "clé"))) == (1, 12, 8)
    assert place(locate_key(node, ("été", "suite"))) == (1, 22, 5)
    assert place(locate(node, ("été", "suite", 1))) == (1, 34, 4)


def place(mark: Mark) -> tuple[int, int, int]:
    return mark.line, mark.column, mark.length


def test_what_is_not_there_is_shown_by_what_is_nearest() -> None:
    node = whole("a:\n  b: {c: d}\nlist:\n  - x: 1\n")

    assert place(locate(node, ("a", "zzz")))[:2] == (1, 1)
    assert place(locate(node, ("a", "b", "zzz")))[:2] == (2, 6)
    assert place(locate(node, ("list", 0, "zzz")))[:2] == (4, 5)
    assert place(locate(node, ("list", 7)))[:2] == (3, 1)
    assert place(locate(node, ("a", "b", "c", "[key]")))[:2] == (2, 7)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", (1, 1, "the file is empty")),
        ("# a remark\n", (1, 1, "the file is empty")),
        ("a: x\x07y\n", (1, 5, "a control character stands here")),
        ('a: "\\q"\n', (1, 5, "unknown escape after a backslash")),
        ("a: [b, c\n", (1, 4, 'this "[" is never closed')),
        ("a: {b: c\nd: e\n", (1, 4, 'this "{" is never closed')),
        ("a: [", (1, 4, 'this "[" is never closed')),
        ("a: [{b: [c]},\n\n", (1, 4, 'this "[" is never closed')),
        ("a: [b]\nc: {\n", (2, 4, 'this "{" is never closed')),
        ("a: @b\n", (1, 4, 'text cannot begin with "@"')),
        ("a: *.hl7\n", (1, 4, 'text cannot begin with "*"')),
        ("a: b\n  c\nd\n", (3, 1, "this key has no colon")),
        ("a:\n  b: c\n d: e\n", (3, 2, "not YAML: did not find expected key")),
        ("%TAG ! tag:x,2000:\n---\na: b\n", (1, 1, "tags are refused")),
        ("? [a]\n: b\n", (1, 3, "a key must be text")),
        ("${env:X}: b\n", (1, 1, "nothing can be inserted into a key")),
        ("{a, b: c}\n", (1, 2, '"a" has no value')),
        ("a: [first(b, c), d]\n", (1, 5, "this text was split at a comma")),
        ("a: {b: ends, before it starts, c: d}\n", (1, 8, 'the value of "b" was split at a comma')),
    ],
)
def test_what_surprises_is_refused_at_its_place(text: str, told: tuple[int, int, str]) -> None:
    assert refused(text) == told


def test_the_halves_of_a_split_text_are_put_together_so_that_one_mistake_is_one_problem() -> None:
    node, problems = read("a: {when: first(msg.A, msg.B), then: [if(x, y), z]}\n")

    assert node == {"a": {"when": "first(msg.A, msg.B)", "then": ["if(x, y)", "z"]}}
    assert len(problems) == 2


def test_commas_and_apostrophes_in_a_list_of_words_are_no_split_text() -> None:
    assert whole("a: [l'usager, d'ici, (a), 'b, c']\n") == {"a": ["l'usager", "d'ici", "(a)", "b, c"]}


def test_depth_and_size_have_a_limit(tmp_path: Path) -> None:
    deep = "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    assert refused(deep)[2] == f"nested deeper than {MAX_DEPTH} levels"

    large = tmp_path / "large.yaml"
    large.write_bytes(b"a: " + b"x" * MAX_BYTES)
    problems: list[Problem] = []
    assert compose_file(large, "large.yaml", problems) is None
    assert problems[0].message == f"larger than {MAX_BYTES} bytes"


def test_a_file_that_cannot_be_read_or_is_not_utf_8_says_so(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: b\nname: Hôpital\n".encode("latin-1"))
    problems: list[Problem] = []

    compose_file(tmp_path / "latin.yaml", "latin.yaml", problems)
    compose_file(tmp_path / "absent.yaml", "absent.yaml", problems)

    assert [(problem.line, problem.column, problem.message) for problem in problems] == [
        (2, 8, "not UTF-8 here"),
        (1, 1, "cannot be read: No such file or directory"),
    ]


@given(st.text(max_size=200))
def test_any_text_gives_a_tree_or_problems_and_never_an_exception(text: str) -> None:
    node, problems = read(text)

    assert node is not None or problems
    for problem in problems:
        assert problem.line >= 1 and problem.column >= 1
        problem.render()


@given(
    st.recursive(
        st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=9), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_what_any_writer_of_yaml_quotes_is_read_back_as_text(value: object) -> None:
    clean = _without_insertions({"root": value})

    node, problems = read(yaml.safe_dump(clean, allow_unicode=True, default_style='"'))

    assert problems == []
    assert node == clean


def _without_insertions(value: object) -> object:
    """Drop what YAML or this language keeps for itself: keys with insertions, and characters YAML cannot hold."""
    if isinstance(value, dict):
        return {
            key.replace("${", "").replace("\x85", "") or "k": _without_insertions(child)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [_without_insertions(child) for child in value]
    return value


def test_pure_python_and_libyaml_give_the_same_tree_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parent / "samples" / "config.yaml").read_text(encoding="utf-8")
    fast = whole(text)

    monkeypatch.setattr(compose_module, "_LOADER", yaml.SafeLoader)
    slow = whole(text)

    assert slow == fast
    for (location, one), (_, other) in zip(leaves(fast), leaves(slow), strict=True):
        assert one.mark is not None and other.mark is not None
        assert place(one.mark) == place(other.mark), location


# --------------------------------------------------------------------------- carets inside a scalar


@pytest.mark.parametrize(
    ("text", "offset", "length", "told"),
    [
        ("a: msg.b == 1\n", 4, 1, (1, 8, 1)),
        ("a: 'it''s msg.b'\n", 3, 1, (1, 9, 1)),
        ("a: 'it''s msg.b'\n", 5, 3, (1, 11, 3)),
        ('a: "x == msg.b"\n', 5, 5, (1, 10, 5)),
        ('a: "x\\t msg"\n', 3, 3, (1, 4, 9)),
        ("a: |\n  first\n  second\n", 8, 2, (3, 5, 2)),
        ("a: |\n\n  first\n  second\n", 2, 2, (3, 4, 2)),
        ("a: >\n  first\n  second\n", 8, 2, (1, 4, 1)),
        ("a: one\n   two\n", 5, 2, (1, 4, 3)),
        ("a: msg.b\n", 5, 1, (1, 9, 1)),
        ('a: "msg.b"\n', 5, 1, (1, 10, 1)),
    ],
)
def test_a_caret_stands_under_the_characters_meant(
    text: str, offset: int, length: int, told: tuple[int, int, int]
) -> None:
    value = whole(text)["a"]

    assert isinstance(value, Text) and value.mark is not None
    assert place(value.mark.inside(offset, length)) == told


def test_a_tab_in_a_line_does_not_shift_the_caret() -> None:
    problem = read("a: b\n\tc: d\n")[1][0]

    assert problem.render().splitlines()[1:] == ["    2 |  c: d", "      | ^ help: use blanks"]


def test_a_list_knows_its_items_and_a_tree_its_leaves() -> None:
    node = whole("a: [b, {c: d}]\ne: f\n")

    assert isinstance(node["a"], ListNode)
    assert [(location, str(text)) for location, text in leaves(node)] == [
        (("a", 0), "b"),
        (("a", 1, "c"), "d"),
        (("e",), "f"),
    ]
