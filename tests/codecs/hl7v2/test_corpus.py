"""Messages that other projects wrote: the same bytes back, every leaf read, changed alone and restored.

Read from `../shared/corpus` beside the repository where it is, else a small synthetic set. In the plain run some
leaves of each file are changed; the soak run changes all (343,000, minutes).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import hl7  # type: ignore[import-untyped]  # python-hl7 publishes no types
import pytest

from engine.codecs.hl7v2.batch import read_batch
from engine.codecs.hl7v2.header import header
from engine.codecs.hl7v2.message import Er7
from engine.codecs.hl7v2.paths import compile_path
from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import MalformedMessage, Rejected
from tests.codecs.hl7v2.leaves import Leaf, leaves
from tests.codecs.hl7v2.samples import ADT, ORU

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "messages"
SYNTHETIC = {
    "adt": ADT.encode(),
    "oru": ORU.encode(),
    "feeds": ORU.replace("\r", "\n").encode(),
    "both": ADT.replace("\r", "\r\n").encode(),
    "mark": b"\xef\xbb\xbf" + ADT.replace("Jean", "Éloïse").encode(),
    "windows": ADT.replace("Jean", "Œuvray").encode("cp1252"),
    "five": ORU.replace("~\\&", "~\\&#").encode(),
    "other": ADT.replace("|", "#").replace("^", "!").encode(),
    "escapes": ORU.replace("note one", "\\.br\\ \\X41\\ \\F\\ lone \\ \\E\\").encode(),
    "feed": ORU.replace("note one", "note\none").encode(),
    "batch": f"FHS|^~\\&|A\rBHS|^~\\&|A\r{ADT}{ORU}BTS|2\rFTS|1\r".encode(),
}
UNREADABLE = {"SIU_S12-D10-utf-16.hl7"}
"""Refused, and why: UTF-16, which the standard excludes from ER7."""
NEW = "Zq9"
THEIR_LOGGING = pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated:DeprecationWarning")
"""python-hl7 calls `logger.warn` where it cannot unescape."""
SHARES = 11
"""The soak run takes the files in so many parts, each under a minute or two."""


def messages() -> dict[str, bytes]:
    if CORPUS.is_dir():
        return {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}
    return SYNTHETIC


def readable() -> dict[str, bytes]:
    return {name: data for name, data in messages().items() if name not in UNREADABLE}


def some(found: list[Leaf], most: int) -> list[Leaf]:
    return found[:: max(1, len(found) // most)]


def test_every_message_gives_its_bytes_back() -> None:
    for name, data in readable().items():
        root = parse(data)
        for position in range(len(root.texts())):
            root.open(position).changed = True
        assert write(root) == data, name
    print(f"{len(readable())} of {len(messages())} messages gave their bytes back, byte for byte")


def test_what_is_not_read_is_refused_by_name() -> None:
    refused = set()
    for name, data in messages().items():
        try:
            parse(data)
        except MalformedMessage:
            refused.add(name)
    assert refused == UNREADABLE & set(messages())


def test_every_message_has_a_header_and_every_file_its_messages() -> None:
    for data in readable().values():
        batch = read_batch(data)
        assert b"".join(batch.parts) == data
        assert all(header(member.data).fields[0] == "MSH" for member in batch.messages)


def changed_alone(data: bytes, found: list[Leaf]) -> Counter[str]:
    """Change each leaf, assert that only its bytes differ, restore it; return how each was restored."""
    root = parse(data)
    text, codec = root.text(), root.codec or "ascii"
    restored: Counter[str] = Counter()
    for leaf in found:
        if (leaf.segment, leaf.field) == ("MSH", 18) and not text.isascii():
            continue  # it names the character set that the message is written in
        path = compile_path(leaf.path)
        value = path.get(root)
        path.set(root, NEW)
        assert write(root) == (text[: leaf.start] + NEW + text[leaf.start + len(leaf.raw) :]).encode(codec), (
            leaf
        )
        assert path.get(root) == NEW
        restored[restore(root, leaf, value, data)] += 1
        if write(root) != data:
            root = parse(data)
    return restored


def restore(root: Er7, leaf: Leaf, value: str | None, data: bytes) -> str:
    path = compile_path(leaf.path)
    odd = root.marks.escape in leaf.raw or any(character < " " for character in leaf.raw)
    try:
        path.set(root, value)
    except Rejected:
        assert odd and not root.marks.regular, leaf  # a control character where nothing can be escaped
        return "not writable"
    assert path.get(root) == value, leaf
    assert odd or write(root) == data, leaf
    return "other spelling" if write(root) != data else "same bytes"


def test_a_leaf_changes_alone() -> None:
    restored: Counter[str] = Counter()
    for data in readable().values():
        restored += changed_alone(data, some(list(leaves(parse(data))), 12))
    assert restored["same bytes"] > 0.99 * restored.total()


@pytest.mark.soak
@pytest.mark.parametrize("share", range(SHARES))
def test_every_leaf_changes_alone(share: int) -> None:
    restored: Counter[str] = Counter()
    for data in list(readable().values())[share::SHARES]:
        restored += changed_alone(data, list(leaves(parse(data))))
    print(f"leaves changed and restored: {dict(restored)}")
    assert restored["same bytes"] > 0.99 * restored.total()


def read_by_other(other: hl7.Message, leaf: Leaf) -> str | None:
    """Return python-hl7's value; "<error>" where it cannot address the leaf."""
    place = (leaf.segment, leaf.number, leaf.field, leaf.repetition, leaf.component, leaf.subcomponent)
    try:
        raw = str(other.extract_field(*place))
        return None if raw == '""' else str(other.unescape(raw))
    except (IndexError, LookupError, AttributeError):
        return "<error>"


def difference(root: Er7, leaf: Leaf, value: str | None, theirs: str | None) -> str:
    """Return why python-hl7 reads a leaf differently, "" where it does not, "unexplained" where nobody knows."""
    if value == theirs:
        return ""
    if theirs == "<error>":
        return "it cannot address this message's leaves"
    if not root.marks.regular:
        return "letters or digits are delimiters"
    if root.marks.escape in leaf.raw:
        return "it renders or drops formatting, local and lone escapes, which are kept here"
    if value is not None and theirs == value.strip("\x1c \t"):
        return "it strips the end of the message"
    return "unexplained"


def compared(messages: list[bytes], most: int) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for data in messages:
        root = parse(data)
        try:
            other = hl7.parse("\r".join(root.texts()))
        except (AssertionError, IndexError):
            reasons["it cannot read this message's header"] += 1
            continue
        for leaf in some(list(leaves(root)), most):
            theirs = read_by_other(other, leaf)
            reasons[difference(root, leaf, compile_path(leaf.path).get(root), theirs)] += 1
    return reasons


@THEIR_LOGGING
def test_another_reader_agrees_or_the_difference_has_a_reason() -> None:
    reasons = compared(list(readable().values()), 12)
    print("agreed and different leaves:", dict(reasons))
    assert reasons["unexplained"] == 0
    assert reasons[""] > 0.97 * reasons.total()


@THEIR_LOGGING
@pytest.mark.soak
@pytest.mark.parametrize("share", range(SHARES))
def test_another_reader_agrees_on_every_leaf_or_the_difference_has_a_reason(share: int) -> None:
    reasons = compared(list(readable().values())[share::SHARES], 1_000_000)
    print("agreed and different leaves:", dict(reasons))
    assert reasons["unexplained"] == 0
    assert reasons[""] > 0.9 * reasons.total()
