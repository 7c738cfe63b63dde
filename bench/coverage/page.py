"""docs/reference/mapper-coverage.md, made of what was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from bench.coverage.measured import Measured
from bench.coverage.pairs import Tally
from engine.cli.map.losses import name_of
from engine.cli.map.measuring import Coverage
from engine.mapping.rules import OneWay

TOP: Final = 12
"""Paths that are listed of each mapper."""

TARGETS: Final[Mapping[str, tuple[int, int, int | None, int | None]]] = {
    "appointment": (60, 90, 50, 85),
    "patient-encounter": (70, 90, 60, 85),
    "laboratory-result": (80, 95, 70, 90),
    "order": (60, 90, None, None),
    "medication": (60, 90, None, None),
    "invoice": (60, 90, None, None),
}
"""Per cent of the leaves by the event, and of those by FHIR alone: must and goal of each."""

_GUIDE_TARGET: Final = (80, 97)

_HEAD: Final = """<!-- Made by `make coverage-report`; do not edit. -->
# What the shipped mappers carry

A message comes back byte for byte whatever a mapper carries: what the event does not say stays in the complement. So
the round trip alone says little, and this page counts leaves. A *leaf* is a value of a message that is not empty. It is
carried *by the event* where a rule reads it into a typed place of the event's schema; *by FHIR* where it is back in the
message after event -> FHIR -> event although nothing went beside the FHIR document. What is neither carried nor
dropped is in the complement, and `passerelle map run --report` names it.

Real messages are those of other projects' test suites; where they have fewer than 40 of a type, 40 invented ones are
measured beside them, apart. Figures in the columns of targets are per cent: what must be / what is hoped for.
"""

_PAIRS: Final = """
## Beside other converters

For {pairs} messages another converter's test suite holds the Bundle that it expects. Compared are leaves, as path
without indexes and value; ids, narrative, `meta` and how a Bundle is sent are left out, a reference counts as the type
of the resource that it leads to, and a time without its zone, since converters fill in that of their own machine. A
leaf that they have and we do not is sorted by what is there instead; much of it is choice, not loss: the same fact at
another path, under another name of a code system, or in an extension of the converter's own. *R4's own leaves* are
theirs without such extensions (most hold the HL7 v2 text of what is mapped beside it) and without what tells of the
conversion itself.
"""


def page(
    found: Iterable[Measured], pairs: Mapping[str, Tally], one_way: Mapping[str, Sequence[OneWay]]
) -> str:
    """Return the page as Markdown; `one_way` are the places of each mapper that do not lead there and back."""
    measured = list(found)
    lines = [_HEAD, "## All mappers", "", *_summary(measured), ""]
    for each in measured:
        lines += _of_mapper(each)
    lines += _one_way(one_way)
    if pairs:
        lines += _of_pairs(pairs)
    return "\n".join(lines).rstrip() + "\n"


def total(kinds: Mapping[str, Coverage]) -> Coverage:
    """Return the coverages of all kinds together."""
    found = Coverage()
    for each in kinds.values():
        found.add(each)
    return found


def _summary(measured: Iterable[Measured]) -> Iterator[str]:
    yield (
        "| mapper | messages | byte-exact | leaves | by the event | target | of those by FHIR | target "
        "| guide's fields | target |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for each in measured:
        targets = TARGETS.get(each.name)
        for kinds, label in ((each.real, "real"), (each.invented, "invented")):
            whole = total(kinds)
            if not whole.messages:
                continue
            event = f"{targets[0]} / {targets[1]}" if targets else "-"
            fhir = f"{targets[2]} / {targets[3]}" if targets and targets[2] else "-"
            guide = f"{each.guide_carried / each.guide:.1%}" if each.guide and label == "real" else "-"
            bound = f"{_GUIDE_TARGET[0]} / {_GUIDE_TARGET[1]}" if guide != "-" else "-"
            yield (
                f"| {each.name} ({label}) | {whole.messages} | {whole.whole} | {whole.leaves} "
                f"| {whole.share(whole.event):.1%} | {event} | {whole.share(whole.fhir, whole.event):.1%} | {fhir} "
                f"| {guide} | {bound} |"
            )


def _of_mapper(each: Measured) -> Iterator[str]:
    yield from (f"## {each.name}", "")
    yield (
        "| messages | count | byte-exact | over FHIR with the complement | by FHIR alone | leaves | by the event "
        "| of those by FHIR | complement | dropped | not read |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for kinds, label in ((each.real, ""), (each.invented, ", invented")):
        for kind, one in sorted(kinds.items()):
            yield (
                f"| {kind}{label} | {one.messages} | {one.whole} | {one.across} | {one.alone} | {one.leaves} "
                f"| {one.share(one.event):.1%} | {one.share(one.fhir, one.event):.1%} "
                f"| {one.share(one.complement):.1%} | {one.share(one.dropped):.1%} | {one.refused} |"
            )
    known = each.described
    yield from (
        "",
        f"Of {known.leaves} leaves in {known.events} events {known.described} are typed and described in the event's "
        f"schema; {known.valid} events meet it wholly.",
        "",
    )
    left = total(each.real).unmapped or total(each.invented).unmapped
    if left:
        yield from ("Left in the complement most often:", "", *_paths(left), "")
    if each.missed:
        missed = sorted(each.missed, key=lambda path: (-each.missed[path], path))[:TOP]
        named = ", ".join(f"`{path}`" for path in missed)
        yield from (
            f"Of the guide's {each.guide} places (per message type) that these messages had, FHIR carries "
            f"{each.guide_carried}. Not carried in most types: {named}.",
            "",
        )


def _one_way(places: Mapping[str, Sequence[OneWay]]) -> Iterator[str]:
    yield from ("## One way", "")
    yield from (
        "Computed at every writing and never read back, or dropped by name; everything else leads both ways.",
        "",
    )
    yield from ("| mapper | side | path | why |", "|---|---|---|---|")
    for name, those in sorted(places.items()):
        for one in those:
            why = one.why.replace("|", "\\|")
            yield f"| {name} | {one.side} | `{one.path}` | {why} |"
    yield ""


def _paths(counts: Counter[str]) -> Iterator[str]:
    yield from ("| path | name | leaves |", "|---|---|---|")
    for path, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]:
        yield f"| `{path}` | {name_of(path)} | {count} |"


def _of_pairs(pairs: Mapping[str, Tally]) -> Iterator[str]:
    whole = Tally()
    for each in pairs.values():
        whole.add(each)
    yield _PAIRS.format(pairs=whole.pairs)
    yield "| messages | pairs | leaves of theirs | ours has too | of R4's own leaves | path at least | not read |"
    yield "|---|---|---|---|---|---|---|"
    for kind, one in [*sorted(pairs.items()), ("all", whole)]:
        yield (
            f"| {kind} | {one.pairs} | {one.theirs} | {_share(one.ours_too, one.theirs)} "
            f"| {_share(one.ours_too, one.theirs - one.own)} | {_share(one.path_too, one.theirs)} | {one.unread} |"
        )
    yield from (
        "",
        "What the others are:",
        "",
        "| why | leaves | of theirs | for instance |",
        "|---|---|---|---|",
    )
    for why, count in whole.why.most_common():
        some = ", ".join(f"`{path}` {number}" for path, number in _most(whole.examples[why], 4))
        yield f"| {why} | {count} | {_share(count, whole.theirs)} | {some} |"


def _most(counts: Counter[str], some: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:some]


def _share(count: int, of: int) -> str:
    return f"{count / of:.1%}" if of else "-"
