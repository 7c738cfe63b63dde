"""What people write that YAML reads otherwise: recognised by its remains, told in their words, with what to quote.

Flow style breaks on `${}`, brackets and quotes, and splits `{when: first(msg.A, msg.B)}` into two keys without a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import yaml

from engine.config.nodes import ListNode, MapNode, Node
from engine.config.text import Mark, SourceFile, Text
from engine.errors import Problem


@dataclass(frozen=True, slots=True)
class Part:
    """One entry of a flow mapping as YAML sees it."""

    key: Text
    value: Node

    @property
    def bare(self) -> bool:
        """Whether it is a key without a colon: what a comma leaves behind when it splits a text."""
        if not isinstance(self.value, Text) or self.value or not self.key.mark or self.key.mark.style:
            return False
        mark = self.key.mark
        return not mark.source.line(mark.line)[mark.column - 1 + mark.length :].lstrip().startswith(":")


def quoted(text: str) -> str:
    """Return `text` as a quoted YAML scalar."""
    if '"' in text or "\\" in text:
        return "'" + text.replace("'", "''") + "'"
    return f'"{text}"'


def balanced(text: str) -> bool:
    """Tell whether brackets and quotes in an expression are closed; an apostrophe within a word is no quote."""
    depth, quote, before = 0, "", " "
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character == '"' or (character == "'" and not before.isalnum()):
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        before = character
    return depth == 0 and not quote


def mend_mapping(node: MapNode, parts: Sequence[Part], end: tuple[int, int], problems: list[Problem]) -> Node:
    """Find the halves of split texts in a flow mapping that ends at `end` (line from 1, column from 0).

    Returns the mapping with the texts whole again, or the text that the mapping should have been, so that one mistake
    gives one problem.
    """
    if not any(part.bare for part in parts):
        return node
    mark = node.mark
    if all(part.bare for part in parts):
        text = mark.source.line(mark.line)[mark.column - 1 : end[1] if end[0] == mark.line else None]
        place = Mark(mark.source, mark.line, mark.column, len(text))
        problems.append(
            place.problem('text that begins with "{" is read as a mapping', help=f"quote it: {quoted(text)}")
        )
        return Text(text, place)
    begin: Part | None = None
    for part in parts:
        if not part.bare:
            begin = part
            continue
        del node[part.key]
        if begin is None or not _is_plain(begin.value) or not begin.value:
            problems.append(
                _at(part.key).problem(f'"{part.key}" has no value', help="quote text that holds a comma")
            )
            continue
        whole = _joined(begin.value, part.key)
        begin = Part(begin.key, whole)
        node[str(begin.key)] = whole
    for key, value in node.items():
        original = next(part.value for part in parts if part.key == key)
        if value is not original and isinstance(value, Text):
            problems.append(
                _at(value).problem(
                    f'the value of "{key}" was split at a comma', help=f"quote it: {key}: {quoted(value)}"
                )
            )
    return node


def mend_list(node: ListNode, problems: list[Problem]) -> None:
    """Join the halves of split texts in a flow list, one problem each."""
    index = 0
    while index < len(node):
        item = node[index]
        if _is_plain(item) and not balanced(item):
            joined: Text = item
            for end in range(index + 1, len(node)):
                further = node[end]
                if not _is_plain(further):
                    break
                joined = _joined(joined, further)
                if balanced(joined):
                    node[index : end + 1] = [joined]
                    problems.append(
                        _at(joined).problem(
                            "this text was split at a comma", help=f"quote it: {quoted(joined)}"
                        )
                    )
                    break
        index += 1


def _is_plain(node: Node) -> TypeGuard[Text]:
    return isinstance(node, Text) and node.mark is not None and not node.mark.style


def _at(text: Text) -> Mark:
    if text.mark is None:
        raise ValueError("a scalar of a file has a mark")
    return text.mark


def _joined(first: Text, second: Text) -> Text:
    """Return both halves with what stood between them in the file."""
    begin, end = _at(first), _at(second)
    if begin.line != end.line:
        return Text(f"{first}, {second}", begin)
    last = end.column - 1 + end.length
    length = last - (begin.column - 1)
    line = begin.source.line(begin.line)
    return Text(line[begin.column - 1 : last], Mark(begin.source, begin.line, begin.column, length))


# --------------------------------------------------------------------------- syntax errors


def explain(error: yaml.YAMLError, source: SourceFile) -> Problem:
    """Translate the parser's error into one problem with its place."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _unreadable(error, source)
    told = str(error.problem or "not YAML")
    mark = _mark(source, error.problem_mark)
    begin = _mark(source, error.context_mark) if error.context_mark else mark
    context = str(error.context or "")
    if "flow" in context and "quoted" not in context:
        return _explain_flow(mark, begin)
    return _explain_scalar(mark, begin, told, context) or _explain_block(mark, begin, told)


def _explain_scalar(mark: Mark, begin: Mark, told: str, context: str) -> Problem | None:
    """Tell what is wrong with one scalar; None where it is the structure around it."""
    if "escape" in told:
        return mark.problem(
            "unknown escape after a backslash", help="use single quotes: they take text as it is"
        )
    if "quoted scalar" in context:
        return begin.problem("this quote is never closed")
    if "mapping values are not allowed" in told:
        return mark.problem("a second colon on this line", help="quote text that holds a colon and a blank")
    if "alias" in context or "anchor" in context:
        return begin.problem(f'text cannot begin with "{_character(begin)}"', help="quote it")
    if "\t" in _lead(mark.source, mark.line):
        return mark.problem("a tab cannot indent", help="use blanks")
    if "cannot start any token" in told:
        return mark.problem(f'text cannot begin with "{_character(mark)}"', help="quote it")
    return None


def _explain_flow(mark: Mark, begin: Mark) -> Problem:
    """Tell what broke a flow collection that began at `begin`."""
    line = mark.source.line(mark.line)
    start = begin.column if begin.line == mark.line else 0
    for found in re.finditer(r"(?<![\"'\w])\$\{[^}]*\}?", line[start:]):
        place = Mark(mark.source, mark.line, start + found.start() + 1, len(found[0]))
        if place.column <= mark.column:
            return place.problem('"${" breaks inside {} and []', help=f"quote it: {quoted(found[0])}")
    if not line[mark.column - 1 :].strip() or (mark.line > begin.line and _character(mark) == ":"):
        opening = begin if _character(begin) else _opening(mark.source)
        return opening.problem(f'this "{_character(opening)}" is never closed')
    return mark.problem(
        "this breaks inside {} and []", help="quote text that holds brackets, braces or quotes"
    )


def _opening(source: SourceFile) -> Mark:
    """Return the last bracket that is open at the end of a file, which the parser does not name where it reads on."""
    closed = 0
    for number in range(len(source.lines), 0, -1):
        line = source.line(number)
        for column in range(len(line), 0, -1):
            character = line[column - 1]
            closed += character in "]}"
            if character in "[{":
                if not closed:
                    return Mark(source, number, column, 1)
                closed -= 1
    return Mark(source, len(source.lines), 1, 1)


def _explain_block(mark: Mark, begin: Mark, told: str) -> Problem:
    """Tell what broke a block collection: most often text that goes on after its quote or brace."""
    line = mark.source.line(mark.line)
    before = line[: mark.column - 1].rstrip()
    if before.endswith(('"', "'", "}", "]")):
        lead = re.match(r"\s*(- +)*([\w.-]+: +)?", line)
        start = lead.end() if lead else 0
        text = re.sub(r"\s+#.*", "", line[start:]).rstrip()
        place = Mark(mark.source, mark.line, start + 1, len(text))
        closing = "quote" if before[-1] in "\"'" else "bracket"
        return place.problem(f"text goes on after its closing {closing}", help=f"quote it: {quoted(text)}")
    if "could not find expected ':'" in told:
        return begin.problem("this key has no colon", help="write key: value")
    return mark.problem(f"not YAML: {told}", help="look at the indentation of this line and of the one above")


def _unreadable(error: yaml.YAMLError, source: SourceFile) -> Problem:
    for number, line in enumerate(source.lines, 1):
        found = re.search(r"[^\t\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", line)
        if found:
            return Mark(source, number, found.start() + 1, 1).problem("a control character stands here")
    return Problem(source.name, 1, 1, f"not YAML: {type(error).__name__}")


def _mark(source: SourceFile, mark: Any) -> Mark:
    """Return a mark of the parser as one of ours; the end of a file is the end of its last line."""
    if mark.line >= len(source.lines):
        last = len(source.lines)
        return Mark(source, last + 1, 1, 1)
    return Mark(source, mark.line + 1, mark.column + 1, 1)


def _character(mark: Mark) -> str:
    return mark.source.line(mark.line)[mark.column - 1 : mark.column]


def _lead(source: SourceFile, number: int) -> str:
    line = source.lines[number - 1] if number <= len(source.lines) else ""
    return line[: len(line) - len(line.lstrip())]
