"""A secret is shown by `reveal()` and by nothing else."""

import copy
import json
import pickle
import traceback
from pathlib import Path

import pytest

from engine.security.secrets import MAX_BYTES, Secret, UnreadableSecret, load_secret

WORD = "correct-horse-battery"


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(WORD)),
        repr(Secret(WORD)),
        f"{Secret(WORD)}",
        f"{Secret(WORD)!r:>40}",
        "%s" % Secret(WORD),  # noqa: UP031 - the old formatting is what is under test
        repr({"password": Secret(WORD)}),
        repr([Secret(WORD)]),
        str(ValueError(Secret(WORD))),
    ],
)
def test_no_way_of_showing_it_gives_the_text(shown: str) -> None:
    assert WORD not in shown
    assert "***" in shown


def test_reveal_gives_the_text() -> None:
    assert Secret(WORD).reveal() == WORD


def test_it_is_no_text_that_join_or_json_could_copy() -> None:
    with pytest.raises(TypeError):
        "".join([Secret(WORD)])  # type: ignore[list-item] # the mistake under test
    with pytest.raises(TypeError):
        json.dumps({"password": Secret(WORD)})


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(Secret(WORD))


def test_copies_are_the_same_object() -> None:
    secret = Secret(WORD)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equality_and_hash_follow_the_text() -> None:
    assert Secret(WORD) == Secret(WORD)
    assert Secret(WORD) != Secret("other")
    assert Secret(WORD) != WORD
    assert len({Secret(WORD), Secret(WORD)}) == 1
    assert not Secret("")


def test_a_file_loses_only_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b" two words \r\n")
    assert load_secret(tmp_path / "s").reveal() == " two words "


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"\n", "is empty"),
        (WORD.encode() + b"\xff", "not UTF-8"),
        (WORD.encode() * (MAX_BYTES // 10), "larger than 65536 bytes"),
    ],
)
def test_an_unusable_file_is_named_and_its_content_is_not(tmp_path: Path, content: bytes, cause: str) -> None:
    (tmp_path / "bad.secret").write_bytes(content)
    with pytest.raises(UnreadableSecret, match=cause) as caught:
        load_secret(tmp_path / "bad.secret")
    shown = "".join(traceback.format_exception(caught.value))
    assert "bad.secret" in shown
    assert WORD not in shown


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSecret, match="No such file"):
        load_secret(tmp_path / "absent")
