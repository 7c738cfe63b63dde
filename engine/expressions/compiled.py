"""Expressions and templates, compiled once and evaluated per message."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from engine.codecs import codec as codec_named
from engine.errors import ExpressionError
from engine.expressions.emitting import compile_storable, compile_text, compile_value
from engine.expressions.explaining import explained
from engine.expressions.failures import failure
from engine.expressions.nodes import Node, paths
from engine.expressions.parsing import Vocabulary, parse
from engine.spi import Codec, Scope

NAMES: Mapping[str, str] = {
    "msg": "the document as it is now",
    "source": "the document as it was received",
    "vars": "values that earlier steps kept",
    "meta": "what is known about the message: id, headers, event, file name",
    "sender": "the authenticated partner",
    "partner": "the chosen partner",
    "reply": "the partner's answer, in on_reply and remember",
    "it": "the item, inside each",
    "memory": "values remembered from earlier messages of the same key",
}
"""Every name that has paths, and where it exists."""

_BRACE = re.compile(r"\{\{|\}\}|[{}]")
MAX_TEMPLATE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; pure, and safe to use from any thread.

    `evaluate` returns what the expression gives: text, int, Decimal, bool, None, a list, an object, or an aware
    time. Lists and objects belong to the message: do not change them. It raises ExpressionFailed, which is a
    Rejected, where a value does not fit. `names` are the names that it reads (`msg`, `meta`, ...), `paths` the
    (name, path) pairs.
    """

    text: str
    names: frozenset[str]
    paths: tuple[tuple[str, str], ...]
    evaluate: Callable[[Scope], Any] = field(compare=False, repr=False)
    nodes: tuple[Node, ...] = field(compare=False, repr=False)

    def explain(self) -> str:
        """Return how the expression was understood: fully bracketed, each path as its codec reads it."""
        return explained(self.nodes[0])


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template; pure, and safe to use from any thread.

    `render` gives the text. `evaluate` gives the bare value, times as text, where the whole template is one
    `{expression}`, else the text; a list or an object is the message's own: copy it before changing it.
    `constant` is the text of a template without expressions, else None.
    """

    text: str
    names: frozenset[str]
    paths: tuple[tuple[str, str], ...]
    constant: str | None
    render: Callable[[Scope], str] = field(compare=False, repr=False)
    evaluate: Callable[[Scope], Any] = field(compare=False, repr=False)
    parts: tuple[str | Node, ...] = field(compare=False, repr=False)

    def explain(self) -> str:
        """Return how the template was understood: its expressions fully bracketed."""
        if self.constant is not None:
            return f"constant {self.constant!r}"
        return "".join(part if isinstance(part, str) else f"{{{explained(part)}}}" for part in self.parts)


def compile_expression(
    text: str,
    codec: Codec,
    *,
    names: Collection[str] = tuple(NAMES),
    source: Codec | None = None,
    reply: Codec | None = None,
    tables: Collection[str] | None = None,
) -> Expression:
    """Compile a bare expression; the scope holds documents' roots, `msg` and `it` of `codec`.

    `names` are those that exist where the expression stands; `source` and `reply` are the codecs of those names where
    they are not `codec`; `tables` are the known tables, unchecked when None.

    Raises:
        ExpressionError: with offset and length within `text`.
    """
    node, _ = parse(text, _vocabulary(codec, names, tables, source=source, reply=reply))
    nodes = (node,)
    return Expression(text, _names(nodes), _paths(nodes), compile_value(node, _failing(text, nodes)), nodes)


def compile_template(
    text: str,
    codec: Codec,
    *,
    names: Collection[str] = tuple(NAMES),
    source: Codec | None = None,
    reply: Codec | None = None,
    tables: Collection[str] | None = None,
) -> Template:
    """Compile a text with `{expression}` parts; `{{` and `}}` are literal braces. Parameters as above.

    Raises:
        ExpressionError: with offset and length within `text`.
    """
    parts = tuple(_parts(text, _vocabulary(codec, names, tables, source=source, reply=reply)))
    nodes = tuple(part for part in parts if not isinstance(part, str))
    failing = _failing(text, nodes)
    if not nodes:
        constant = "".join(part for part in parts if isinstance(part, str))
        return Template(text, frozenset(), (), constant, lambda _: constant, lambda _: constant, parts)
    render = compile_text(list(parts), failing)
    evaluate = compile_storable(nodes[0], failing) if len(parts) == 1 else render
    return Template(text, _names(nodes), _paths(nodes), None, render, evaluate, parts)


def _vocabulary(
    codec: Codec,
    names: Collection[str],
    tables: Collection[str] | None,
    *,
    source: Codec | None,
    reply: Codec | None,
) -> Vocabulary:
    documents = {"msg": codec, "it": codec, "source": source or codec, "reply": reply or codec}
    plain = codec_named("json")  # what is no document is a plain mapping, which JSON's paths read
    elsewhere = {name: f"it is {where}" for name, where in NAMES.items() if name not in names}
    readers = {name: documents.get(name, plain) for name in names}
    return Vocabulary(readers, elsewhere, {} if tables is None else {"table": tables})


def _parts(text: str, vocabulary: Vocabulary) -> list[str | Node]:
    """Return the constant texts and the expressions of a template, in order."""
    if len(text) > MAX_TEMPLATE:
        raise ExpressionError(f"a template has at most {MAX_TEMPLATE} characters", length=len(text))
    parts: list[str | Node] = []
    constant = ""
    position = 0
    while brace := _BRACE.search(text, position):
        constant += text[position : brace.start()]
        position = brace.end()
        if brace[0] == "}":
            raise ExpressionError(
                "this brace closes nothing", offset=brace.start(), help="write }} for a literal brace"
            )
        if brace[0] != "{":
            constant += brace[0][0]
            continue
        if constant:
            parts.append(constant)
            constant = ""
        node, position = parse(text, vocabulary, position, "}")
        parts.append(node)
    constant += text[position:]
    if constant:
        parts.append(constant)
    return parts


def _names(nodes: tuple[Node, ...]) -> frozenset[str]:
    return frozenset(path.root for node in nodes for path in paths(node))


def _paths(nodes: tuple[Node, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((path.root, path.text) for node in nodes for path in paths(node))


def _failing(text: str, nodes: tuple[Node, ...]) -> Callable[[Exception, CodeType], Exception]:
    return lambda error, code: failure(error, code, text, nodes)
