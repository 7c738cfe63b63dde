"""HL7 v2 message types as routes write them: `ADT^A01`, `ADT^A01..A13`, `ADT^*`, `ORU`, `ADT^A01^ADT_A01`.

Source: HL7 v2.5.1 2.15.9.9 (MSH-9: type, trigger event, structure); tables 0076, 0003 and 0354.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from engine.config.suggest import did_you_mean
from engine.errors import ExpressionError

_HELP = "write ADT^A01, ADT^A01..A13, ADT^*, ORU or ADT^A01^ADT_A01"
_PATTERN = re.compile(
    r"(?P<type>[A-Z][A-Z0-9]{2})"
    r"(?:\^(?:\*|(?P<first>[A-Z][A-Z0-9]{2})(?:\.\.(?P<last>[A-Z][A-Z0-9]{2})|\^(?P<structure>[A-Z0-9_]+))?))?",
    re.ASCII,
)
_NUMBERED = re.compile(r"([A-Z])(\d\d)", re.ASCII)
_NEARLY = re.compile(r"([A-Za-z][A-Za-z0-9]{2})[\s_.,:/^-]([A-Za-z][A-Za-z0-9]{2})", re.ASCII)

_EVENTS = """
ADT A01..A55 A60..A62
BAR P01 P02 P05 P06 P10 P12
CRM C01..C08
CSU C09..C12
DFT P03 P11
MDM T01..T11
MFN M01..M17
OMG O19
OML O21 O33 O35 O39
OMP O09
ORL O22 O34 O36 O40
ORM O01
ORR O02
ORU R01 R30..R32 R40
OUL R21..R24
PEX P07 P08
PMU B01..B08
PPR PC1 PC2 PC3
QBP Q11 Q13 Q15 Q21..Q25 Q31 Q32
RAS O17
RDE O11 O25
RDS O13
REF I12..I15
RGV O15
RQI I01..I03
RSP K11 K13 K15 K21..K25 K31 K32
SIU S12..S24 S26
SRM S01..S11
SRR S01..S11
VXU V04
"""
"""Events of the types that are asked for by event (table 0003); of the others, a route takes all or none."""

_OTHER_TYPES = """
ACK ADR BPS BRP BRT BTS CCF CCI CCM CCQ CCR CCU CQU DOC DPR DSR EAC EAN EAR EDR EHC EQQ ERP ESR ESU INR INU LSR LSU
MCF MFD MFK MFQ MFR NMD NMQ NMR OMB OMD OMI OMN OMQ OMS OPL OPR OPU ORA ORB ORD ORF ORG ORI ORN ORP ORS OSM OSQ OSR
PGL PIN PPG PPP PPT PPV PRR PTR QCK QCN QRF QRY QSB QSX QVR RAR RCI RCL RDR RDY RER RGR ROR RPA RPI RPL RPR RQA RQC
RQP RRA RRD RRE RRG RRI RTB SCN SDN SDR SLN SLR SMD SPQ SQM SQR SSR SSU STC STI SUR TBR TCR TCU UDM VQQ VXQ VXR VXX
"""
"""The other types of table 0076."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One entry of `accept: {types}`: without `events` it takes all of its type, with `structure` only that one."""

    type: str
    events: frozenset[str] = frozenset()
    structure: str = ""


@dataclass(frozen=True, slots=True)
class Types:
    """What a route takes, for one look-up: whole types, `ADT^A01`, and `ADT^A01^ADT_A01`."""

    whole: frozenset[str]
    kinds: frozenset[str]
    structured: frozenset[str]

    @classmethod
    def of(cls, written: Iterable[str]) -> Types:
        """Read entries; ExpressionError for what is none."""
        patterns = [read_pattern(text) for text in written]
        return cls(
            frozenset(each.type for each in patterns if not each.events),
            frozenset(
                f"{each.type}^{event}" for each in patterns if not each.structure for event in each.events
            ),
            frozenset(
                f"{each.type}^{event}^{each.structure}"
                for each in patterns
                if each.structure
                for event in each.events
            ),
        )

    def take(self, kind: str, structure: str) -> bool:
        """Say whether a message is among them; `kind` is `ADT^A01`, or `ADT` where it says no event."""
        return (
            kind in self.kinds
            or kind[:3] in self.whole
            or (bool(self.structured) and f"{kind}^{structure}" in self.structured)
        )


@cache
def read_pattern(text: str) -> Pattern:
    """Read one entry of `accept: {types}`.

    Raises:
        ExpressionError: it is no type; `help` says what was meant.
    """
    found = _PATTERN.fullmatch(text)
    if found is None:
        raise ExpressionError(f'"{text}" is no message type', length=len(text), help=_meant(text))
    first, last, structure = found["first"], found["last"], found["structure"] or ""
    if not first:
        return Pattern(found["type"])
    if not last:
        return Pattern(found["type"], frozenset({first}), structure)
    events = _range(first, last)
    if not events:
        at = found.start("first")
        told = f"from {first} to {last} there is nothing"
        raise ExpressionError(told, offset=at, length=len(text) - at, help="write A01..A13")
    return Pattern(found["type"], frozenset(events))


def remark_on(text: str) -> str:
    """Return what is odd about an entry that can be read: a type that the standard does not know; "" for nothing."""
    pattern = read_pattern(text)
    if pattern.type in known_types() or pattern.type.startswith("Z"):
        return ""
    owners = [name for name, events in _known().items() if pattern.type in events]
    meant = f"{owners[0]}^{pattern.type}" if owners else did_you_mean(pattern.type, known_types())
    told = f'HL7 v2 knows no message type "{pattern.type}"'
    return f'{told}: did you mean "{meant}"?' if meant else told


def common_types(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Return what both lists take, as patterns; an empty list takes all."""
    if not one or not other:
        return list(dict.fromkeys([*one, *other]))
    whole: set[str] = set()
    events: dict[str, set[str]] = {}
    for first in _readable(one):
        for second in _readable(other):
            apart = first.structure and second.structure and first.structure != second.structure
            if first.type != second.type or apart:
                continue
            if not first.events and not second.events:
                whole.add(first.type)
            elif met := (first.events or second.events) & (second.events or first.events):
                events.setdefault(first.type, set()).update(met)
    shared = [_shown(name, found) for name, found in sorted(events.items()) if name not in whole]
    return [*sorted(whole), *(each for found in shared for each in found)]


def untaken_types(taken: Iterable[str]) -> list[str]:
    """Return the standard's events, as patterns, that belong to a type of which some are taken, but are not taken."""
    patterns = _readable(taken)
    whole = {each.type for each in patterns if not each.events}
    lost: list[str] = []
    for name in sorted({each.type for each in patterns} - whole):
        events = {event for each in patterns if each.type == name for event in each.events}
        if left := _known().get(name, frozenset()) - events:
            lost.extend(_shown(name, left))
    return lost


def _readable(texts: Iterable[str]) -> list[Pattern]:
    """Read the entries that are some; the others are told of at their own places."""
    found: list[Pattern] = []
    for text in texts:
        with suppress(ExpressionError):
            found.append(read_pattern(text))
    return found


def known_types() -> frozenset[str]:
    """Return the message types of the standard (table 0076)."""
    return frozenset(_known()) | frozenset(_OTHER_TYPES.split())


@cache
def _known() -> dict[str, frozenset[str]]:
    known: dict[str, frozenset[str]] = {}
    for line in _EVENTS.split("\n"):
        name, *entries = line.split() or [""]
        if name:
            patterns = (read_pattern(f"{name}^{entry}") for entry in entries)
            known[name] = frozenset(event for each in patterns for event in each.events)
    return known


def _range(first: str, last: str) -> list[str]:
    """Return the events from one to the other, none where they cannot be counted through."""
    start, end = _NUMBERED.fullmatch(first), _NUMBERED.fullmatch(last)
    if start is None or end is None or start[1] != end[1]:
        return []
    return [f"{start[1]}{number:02}" for number in range(int(start[2]), int(end[2]) + 1)]


def _shown(name: str, events: Iterable[str]) -> list[str]:
    """Return events as patterns, three or more in a row as a range."""
    runs: list[list[str]] = []
    for event in sorted(events):
        if runs and _range(runs[-1][-1], event) == [runs[-1][-1], event]:
            runs[-1].append(event)
        else:
            runs.append([event])
    shown: list[str] = []
    for run in runs:
        whole = [f"{run[0]}..{run[-1]}"] if len(run) > 2 else run
        shown.extend(f"{name}^{each}" for each in whole)
    return shown


def _meant(text: str) -> str:
    raised = text.strip().upper()
    if _PATTERN.fullmatch(raised):
        return f'did you mean "{raised}"?'
    if nearly := _NEARLY.fullmatch(text.strip()):
        return f'did you mean "{nearly[1].upper()}^{nearly[2].upper()}"?'
    return _HELP
