"""Bodies made to cost time: what reading does grows with their length and no faster, and too much is refused unread.

What is counted are calls, Python's own and those into C: they are the same on every machine, and each step of a loop
in Python makes some.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from engine.codecs.json import CODEC, read_json
from engine.codecs.json.bounds import MAX_DEPTH, MAX_VALUES
from engine.codecs.json.cloudevents import MAX_ATTRIBUTES
from engine.codecs.json.locating import MAX_WALKED
from engine.errors import MalformedMessage, Rejected
from tests.codecs.values import message

Shape = Callable[[int], bytes]


def calls(raw: bytes) -> int:
    """Return how many calls are made to read a text, or to refuse it."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        read_json(raw)
    except MalformedMessage:
        pass
    finally:
        sys.setprofile(None)
    return count


def listed(*items: bytes) -> bytes:
    return b"[" + b",".join(items) + b"]"


def keyed(count: int, more: bytes = b"") -> bytes:
    return b"{" + b",".join(b'"%d":1' % number for number in range(count)) + more + b"}"


def nested(count: int) -> bytes:
    return listed(*[b"[" * 60 + b"]" * 60] * (count // 60))


LINEAR: dict[str, Shape] = {
    "many decimals": lambda n: listed(*[b"1.50"] * n),
    "many exponents": lambda n: listed(*[b"1e5"] * n),
    "many near nought": lambda n: listed(*[b"0.0000001"] * n),
    "a negative nought among integers": lambda n: listed(b"-0", *[b"1"] * n),
    "many keys": keyed,
    "many keys, the last one twice": lambda n: keyed(n, b',"0":2'),
    "many objects": lambda n: listed(*[b'{"a":1 }'] * n),
    "many lists, each deep": nested,
    "wrong at the end": lambda n: listed(*[b"1"] * n, b"x"),
    "wrong in the depth": lambda n: b"[" * 60 + b"1," * n + b"x",
    "many texts, one a pair of surrogates": lambda n: listed(*[b'"\\n"'] * n, b'"\\ud83d\\ude00"'),
}
FLAT: dict[str, Shape] = {
    "escapes": lambda n: b'["' + b"\\n" * n + b'"]',
    "pairs of surrogates": lambda n: b'["' + b"\\ud83d\\ude00" * n + b'"]',
    "half a surrogate behind backslashes": lambda n: b'["\\ud83d' + b"\\\\" * n + b'"]',
    "half a surrogate far on": lambda n: b'["' + b"\\u0041" * (n + MAX_WALKED) + b'\\ud83d"]',
    "half a surrogate behind pairs": lambda n: b'["' + b"\\ud83d\\ude00" * (n + MAX_WALKED) + b'\\ude00"]',
    "brackets in a text": lambda n: b'["' + b'[{\\"' * n + b'"]' + b"[]" * 70,
    "a text that never ends": lambda n: b"[" * 70 + b'"\\' * n,
    "nothing but brackets": lambda n: b"[" * (100 + n),
    "more closed than opened": lambda n: b"[" * 70 + b"]" * n,
    "a long integer": lambda n: b"[" + b"9" * (n + 5000) + b"]",
    "a long decimal": lambda n: b"[1." + b"9" * (n + 5000) + b"]",
    "a long exponent": lambda n: b"[1e" + b"9" * (n + 5000) + b"]",
    "lines before a mistake": lambda n: b"[" + b"\n" * (n + MAX_WALKED) + b"x]",
    "no UTF-8 at the end": lambda n: b'["' + "é".encode() * n + b'\xff"]',
}


@pytest.mark.parametrize("shape", LINEAR.values(), ids=list(LINEAR))
def test_twice_as_much_costs_no_more_than_twice(shape: Shape) -> None:
    shorter, longer = calls(shape(3_000)), calls(shape(6_000))
    assert longer <= 2 * shorter + 50


@pytest.mark.parametrize("shape", FLAT.values(), ids=list(FLAT))
def test_what_is_long_but_simple_is_read_by_no_loop_of_ours(shape: Shape) -> None:
    assert abs(calls(shape(6_000)) - calls(shape(3_000))) < 50


def test_the_most_values_pass_and_one_more_is_refused() -> None:
    most = listed(*[b"1"] * (MAX_VALUES - 1))
    assert len(read_json(most)) == MAX_VALUES - 1
    with pytest.raises(MalformedMessage, match="more than 500000 values"):
        read_json(most[:-1] + b",1]")


@pytest.mark.parametrize("unit", [b"1,", b"[],", b"{},", b'"",', b'{"a":1},', b"[", b'"\\"",'])
def test_too_many_values_are_refused_before_any_is_made(unit: bytes) -> None:
    raw = b"[" + unit * MAX_VALUES + b"1]"
    assert calls(raw) < 50
    with pytest.raises(MalformedMessage, match="values in one message"):
        read_json(raw)


@pytest.mark.parametrize("unit", [b",", b"[", b'{\\",', b"\\\\,["])
def test_what_stands_in_a_text_counts_as_one_value(unit: bytes) -> None:
    text = read_json(b'["' + unit * MAX_VALUES + b'","\\\\"]')[0]
    assert len(text) >= MAX_VALUES


def test_much_that_is_deep_is_found_before_the_scanner_recurses() -> None:
    raw = b"[" * 70 + b"[]," * (MAX_VALUES // 3) + b"[]" + b"]" * 70
    with pytest.raises(MalformedMessage, match=f"deeper than {MAX_DEPTH}"):
        read_json(raw)


def test_an_event_with_too_many_attributes_is_refused_in_one_sentence() -> None:
    attributes = b",".join(b'"A%d":1' % number for number in range(MAX_ATTRIBUTES))
    raw = b'{"specversion":"1.0","id":"1","source":"a","type":"t",' + attributes + b"}"
    with pytest.raises(Rejected, match="at most 100 attributes") as caught:
        CODEC.decode(message(raw))
    assert len(caught.value.faults) == 1
