"""Generates the function that says which claim takes an item of a JSON list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.mapping.fhir.nodes import Listed
from engine.mapping.fhir.pointing import NOT_THERE, conditions, is_plain
from engine.mapping.fhir.taking import class_of
from engine.mapping.fhir.values import MARK
from engine.mapping.rules import Selector
from engine.mapping.writing_code import Code

Sort = Callable[[dict[str, Any]], int]


def sorter(listed: Listed) -> Sort:
    """Return what gives the number of the claim that has an object of a list, -1 for none, as `class_of` does."""
    code = Code(MARK=MARK, class_of=class_of, listed=listed)
    texts: dict[str, int] = {}
    claims = list(enumerate(listed.claims))
    if len(claims) > 2 and all(
        claim.selector is None or _only_url(claim.selector) is not None for _, claim in claims
    ):
        for number, claim in claims:
            text = None if claim.selector is None else _only_url(claim.selector)
            if text is not None:
                texts.setdefault(text, number)
        claims = [one for one in claims if one[1].selector is None]
    with code.block("def sort(one):"):
        with code.block("if 'extension' in one:"):
            code.line("e = one['extension']")
            with code.block("if e.__class__ is list:"), code.block("for m in e:"):
                code.line("if m.__class__ is dict and m.get('url') == MARK: return class_of(listed, one)")
        if texts:
            code.line("u = one.get('url')")
            code.line(f"n = {code.constant(texts)}.get(u) if u.__class__ is str else None")
            code.line("if n is not None: return n")
        for number, claim in claims:
            if claim.selector is None:
                code.line(f"return {number}")
            elif not is_plain(claim.selector):
                code.line("return class_of(listed, one)")
            else:
                with code.block("try:"):
                    code.line(f"if {conditions(claim.selector)}: return {number}")
                code.line(f"except {NOT_THERE}: pass")
        code.line("return -1")
    found: Sort = code.compiled("lists")("sort")
    return found


def _only_url(selector: Selector) -> str | None:
    """Return the address that is all that a selector asks for, None where it asks for something else."""
    if len(selector.conditions) == 1 and selector.conditions[0][0] == ("url",):
        return selector.conditions[0][1]
    return None
