"""Run a list of steps over a document: filter, split, and never change what somebody else still reads.

A step may change its document in place, but what was received stays `source`, is shared by all routes and is rendered
again under another kind. And what a mapper made may hold branches of what it read. So a copy is made before the first
step that writes, after the beginning or a `map`, and only there: most routes read and map, and copy nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.spi import Document, Scope, Step

READING = frozenset({"keep", "partner", "require", "validate"})
"""Steps that leave the document alone."""

OWNING = frozenset({"split"})
"""Steps that return copies of their own."""

SHARING = frozenset({"map"})
"""Steps whose result may hold branches of what they read."""

Flowed = tuple[Document, Scope]
"""A document that came through, and the scope that its steps left."""


def guard(named: Sequence[tuple[str, Step]]) -> tuple[Step, ...]:
    """Return the steps with a copy before each one that would otherwise write into a shared document."""
    guarded: list[Step] = []
    shared = True
    for name, step in named:
        if name in SHARING:
            shared = True
        elif name in OWNING:
            shared = False
        elif name not in READING and shared:
            guarded.append(_copy)
            shared = False
        guarded.append(step)
    return tuple(guarded)


def run(steps: Sequence[Step], document: Document, scope: Scope) -> list[Flowed]:
    """Return what comes out, in order: nothing when a step filtered it, several pairs when one split it.

    `scope` is changed on the way (`msg`, `partner`, `vars`); each part of a split goes on with a scope of its own.

    Raises:
        Rejected: a step refused the document, or a part of it.
    """
    for index, step in enumerate(steps):
        scope.msg = document.root
        made = step(document, scope)
        if len(made) != 1:
            rest = steps[index + 1 :]
            return [pair for part in made for pair in run(rest, part, branch(scope))]
        document = made[0]
    scope.msg = document.root
    return [(document, scope)]


def branch(scope: Scope) -> Scope:
    """Return a scope that can go its own way: what steps write to it is not seen by the others."""
    return Scope(
        msg=scope.msg,
        source=scope.source,
        meta=scope.meta,
        now_ms=scope.now_ms,
        vars=dict(scope.vars),
        sender=scope.sender,
        partner=scope.partner,
        memory=scope.memory,
        reply=scope.reply,
        it=scope.it,
        tables=scope.tables,
        new_id=scope.new_id,
        carried=scope.carried,
        stored=scope.stored,
    )


def _copy(document: Document, scope: Scope) -> Sequence[Document]:
    return (document.copy(),)
