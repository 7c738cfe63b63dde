"""Reads an expression by its grammar: Python's operators and literals, the paths, calls of published functions.

No attributes, no subscripts but in paths, no comprehensions, no lambdas, no powers: what is not in the grammar does
not exist. Size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.errors import ExpressionError
from engine.expressions.arguments import check_arguments, meant
from engine.expressions.functions import FUNCTIONS
from engine.expressions.lexing import FOREIGN, Token, tokens
from engine.expressions.nodes import (
    Binary,
    Call,
    Choice,
    Comparison,
    Items,
    Literal,
    Logic,
    Node,
    Path,
    Unary,
)
from engine.spi import Codec

MAX_CHARACTERS = 4_096
MAX_NODES = 200
MAX_DEPTH = 32
_MAX_DIGITS = 30
_CONSTANTS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}
_KEYWORDS = frozenset({"and", "or", "not", "in", "if", "else"})
_COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})
_SUMS = frozenset({"+", "-"})
_PRODUCTS = frozenset({"*", "/", "//", "%"})
_BARE = frozenset({"msg", "source", "it", "reply", "partner", "sender"})
_FOREIGN_WORDS = {
    "true": "write True",
    "false": "write False",
    "null": "write None",
    "is": 'write "=="',
    "lambda": "there are no functions but the published ones",
    "for": "write a path with [*] for all items",
}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an expression may name: `readers` are the names here with the codec of their paths.

    `elsewhere` says of other names where they exist. `known` lists, by kind (`table`), what literals may refer to;
    a kind that is not in it is not checked.
    """

    readers: Mapping[str, Codec]
    elsewhere: Mapping[str, str]
    known: Mapping[str, Collection[str]]


def parse(text: str, vocabulary: Vocabulary, start: int = 0, closing: str = "") -> tuple[Node, int]:
    """Parse the expression that begins at `start`; return its tree, and the offset behind it and behind `closing`.

    Raises:
        ExpressionError: with the offset and length, in `text`, of what is wrong.
    """
    parser = _Parser(text, vocabulary, start)
    if parser.token.kind == "end" or _closes(parser.token, closing):
        raise ExpressionError("an expression is missing here", offset=parser.token.start)
    node = parser.choice()
    last = parser.token
    if not (_closes(last, closing) if closing else last.kind == "end"):
        raise parser.unexpected()
    if last.end - start > MAX_CHARACTERS:
        raise ExpressionError(f"an expression has at most {MAX_CHARACTERS} characters", offset=start)
    return node, last.end


def _closes(token: Token, closing: str) -> bool:
    return token.kind == "operator" and token.text == closing


class _Parser:
    """One method per level of precedence, loosest first."""

    def __init__(self, text: str, vocabulary: Vocabulary, start: int) -> None:
        self._text = text
        self._vocabulary = vocabulary
        self._tokens = tokens(text, start, vocabulary.readers)
        self._nodes = 0
        self._depth = 0
        self.token = next(self._tokens)

    def choice(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}", offset=self.token.start)
        chosen = self._or()
        if self._take("name", "if"):
            condition = self._or()
            self._expect("name", "else")
            other = self.choice()
            chosen = self._made(Choice(chosen.start, other.end, condition, chosen, other))
        self._depth -= 1
        return chosen

    def _or(self) -> Node:
        return self._logic("or", self._and)

    def _and(self) -> Node:
        return self._logic("and", self._not)

    def _logic(self, word: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self._take("name", word):
            operands.append(operand())
        if len(operands) == 1:
            return operands[0]
        return self._made(Logic(operands[0].start, operands[-1].end, word, tuple(operands)))

    def _not(self) -> Node:
        start = self.token.start
        negations = 0
        while self._take("name", "not"):
            negations += 1
        node = self._comparison()
        for _ in range(negations):
            node = self._made(Unary(start, node.end, "not", node))
        return node

    def _comparison(self) -> Node:
        first = self._sum()
        rest: list[tuple[str, Node]] = []
        while operator := self._comparing():
            rest.append((operator, self._sum()))
        if not rest:
            return first
        return self._made(Comparison(first.start, rest[-1][1].end, first, tuple(rest)))

    def _comparing(self) -> str:
        token = self.token
        if token.kind == "operator" and token.text in _COMPARISONS:
            self._advance()
            return token.text
        if self._take("name", "in"):
            return "in"
        if self._take("name", "not"):
            self._expect("name", "in")
            return "not in"
        return ""

    def _sum(self) -> Node:
        node = self._product()
        while self.token.kind == "operator" and self.token.text in _SUMS:
            operator = self._binary_operator()
            right = self._product()
            node = self._made(Binary(node.start, right.end, operator, node, right))
        return node

    def _binary_operator(self) -> str:
        """Take `+` or `-`; a minus without blanks around it may have been meant as part of a path."""
        token = self.token
        around = self._text[token.start - 1 : token.start] + self._text[token.end : token.end + 1]
        if token.text == "-" and (len(around) < 2 or not around.isspace()):
            raise ExpressionError(
                "a minus sign needs a blank on both sides",
                offset=token.start,
                help="write a - b; a-b is one name",
            )
        self._advance()
        return token.text

    def _product(self) -> Node:
        node = self._sign()
        while self.token.kind == "operator" and self.token.text in _PRODUCTS:
            operator = self.token.text
            self._advance()
            right = self._sign()
            node = self._made(Binary(node.start, right.end, operator, node, right))
        return node

    def _sign(self) -> Node:
        start = self.token.start
        if not self._take("operator", "-"):
            return self._operand()
        operand = self._operand()
        if isinstance(operand, Literal) and isinstance(operand.value, int | Decimal):
            return Literal(start, operand.end, -operand.value)
        return self._made(Unary(start, operand.end, "-", operand))

    def _operand(self) -> Node:
        token = self.token
        if token.kind == "path":
            self._advance()
            return self._made(self._path(token))
        if token.kind == "text":
            self._advance()
            return self._made(Literal(token.start, token.end, token.text))
        if token.kind == "number":
            self._advance()
            return self._made(Literal(token.start, token.end, _number(token)))
        if token.kind == "name" and token.text not in _KEYWORDS:
            return self._named()
        if self._take("operator", "("):
            return self._bracketed(token, ")")
        if self._take("operator", "["):
            return self._bracketed(token, "]")
        raise self.unexpected()

    def _bracketed(self, opening: Token, closing: str) -> Node:
        """Read what follows a bracket: one value in parentheses, else the items of a list or tuple."""
        items: list[Node] = []
        comma = False
        while not (self.token.kind == "operator" and self.token.text == closing):
            items.append(self.choice())
            comma = self._take("operator", ",")
            if not comma:
                break
        end = self._expect("operator", closing).end
        if closing == ")" and len(items) == 1 and not comma:
            return items[0]
        return self._made(Items(opening.start, end, tuple(items)))

    def _named(self) -> Node:
        token = self.token
        if self._text[token.end :].lstrip().startswith("("):
            return self._call(token)
        if token.text in _CONSTANTS:
            self._advance()
            return self._made(Literal(token.start, token.end, _CONSTANTS[token.text]))
        if token.text not in self._vocabulary.readers:
            raise self._unknown(token)
        if token.text not in _BARE:
            raise _at(token, f'"{token.text}" alone is no value', f"say which: {token.text}.name")
        self._advance()
        return self._made(Path(token.start, token.end, token.text, "", None))

    def _unknown(self, token: Token) -> ExpressionError:
        word = token.text
        if word in _FOREIGN_WORDS:
            return _at(token, f'"{word}" is not known here', _FOREIGN_WORDS[word])
        if word in self._vocabulary.elsewhere:
            return _at(token, f'"{word}" does not exist here', self._vocabulary.elsewhere[word])
        if word in FUNCTIONS:
            return _at(token, f'"{word}" is a function', f"write {FUNCTIONS[word].usage}")
        hint = meant(word, [*self._vocabulary.readers, *FUNCTIONS, *_CONSTANTS])
        return _at(token, f'unknown name "{word}"', hint or "quote it if it is text")

    def _path(self, token: Token) -> Path:
        root = token.text.partition(".")[0].partition("[")[0]
        after = len(root) + (token.text[len(root)] == ".")
        text = token.text[after:]
        try:
            path = self._vocabulary.readers[root].path(text)
        except ExpressionError as error:
            offset = token.start + after + error.offset
            raise ExpressionError(str(error), offset=offset, length=error.length, help=error.help) from None
        return Path(token.start, token.end, root, text, path)

    def _call(self, name: Token) -> Node:
        function = FUNCTIONS.get(name.text)
        if function is None:
            raise _at(name, f'unknown function "{name.text}"', meant(name.text, FUNCTIONS))
        self._advance()
        self._expect("operator", "(")
        positional: list[Node] = []
        named: list[tuple[str, Node]] = []
        while not (self.token.kind == "operator" and self.token.text == ")"):
            self._argument(positional, named)
            if not self._take("operator", ","):
                break
        end = self._expect("operator", ")").end
        call = Call(name.start, end, function, tuple(positional), tuple(named))
        check_arguments(call, self._vocabulary.known)
        return self._made(call)

    def _argument(self, positional: list[Node], named: list[tuple[str, Node]]) -> None:
        token = self.token
        follower = self._text[token.end :].lstrip()[:2]
        if token.kind == "name" and follower[:1] == "=" and follower != "==":
            self._advance()
            self._expect("operator", "=")
            named.append((token.text, self.choice()))
        elif named:
            raise _at(token, "an argument without a name cannot follow one with a name", "")
        else:
            positional.append(self.choice())

    def _made(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExpressionError(f"an expression has at most {MAX_NODES} parts", offset=node.start)
        return node

    def _advance(self) -> None:
        self.token = next(self._tokens)

    def _take(self, kind: str, text: str) -> bool:
        if self.token.kind == kind and self.token.text == text:
            self._advance()
            return True
        return False

    def _expect(self, kind: str, text: str) -> Token:
        token = self.token
        if token.kind != kind or token.text != text:
            raise self.unexpected(f'"{text}"')
        if text != "}":
            self._advance()
        return token

    def unexpected(self, wanted: str = "") -> ExpressionError:
        """Return the error for a token that cannot stand where it stands."""
        token = self.token
        what = f", {wanted} is missing" if wanted else ""
        if token.kind == "end":
            return ExpressionError(f"the expression ends too early{what}", offset=token.start)
        written = self._text[token.start : token.end]
        shown = written if len(written) <= 40 else f"{written[:40]}..."
        message = f"unexpected text{what}" if token.kind == "text" else f'unexpected "{shown}"{what}'
        return _at(token, message, "" if token.kind == "text" else FOREIGN.get(token.text, ""))


def _number(token: Token) -> int | Decimal:
    whole = token.text.partition(".")[0]
    if len(whole) > 1 and whole[0] == "0":
        raise _at(token, "a number does not begin with 0", f'quote it if it is text: "{token.text}"')
    if len(token.text) > _MAX_DIGITS:
        raise _at(token, f"a number has at most {_MAX_DIGITS} digits", "")
    return Decimal(token.text) if "." in token.text else int(token.text)


def _at(token: Token, message: str, help: str) -> ExpressionError:
    return ExpressionError(message, offset=token.start, length=max(1, token.end - token.start), help=help)
