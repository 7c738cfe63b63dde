"""What the platform, the clinic and the store say of messages that were superseded, recalled, diverted or sent again.

Pure: it compares journals and knows no engine. Every rule yields one line per message that breaks it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.crash.changes import KINDS, Accepted
from tests.crash.checker import Duty
from tests.crash.clinic import Seen

DELIVERED, BY_FALLBACK, SUPERSEDED, RECALLED, DEAD = 10, 11, 13, 14, 16
_BOOKED, _CANCELLED = KINDS[0], KINDS[-1]


@dataclass(frozen=True, slots=True)
class Journals:
    """All that was written down; `asked` and `confirmed` count resends by message."""

    accepted: Sequence[Accepted]
    seen: Sequence[Seen]
    duties: Sequence[Duty]
    asked: Mapping[str, int]
    confirmed: Mapping[str, int]


@dataclass(slots=True)
class _Fate:
    """One accepted message: what the store made of it, and what the clinic saw of it."""

    message: Accepted
    states: list[int]
    unknown: int
    poisoned: bool
    tries: list[Seen]

    @property
    def name(self) -> str:
        return f"{self.message.route} {self.message.key}.{self.message.seq}"

    @property
    def copies(self) -> int:
        return sum(each.taken for each in self.tries)

    def taken_at(self, door: str) -> bool:
        return any(each.taken and each.door == door for each in self.tries)


def wrong(journals: Journals) -> list[str]:
    """Return what contradicts a guarantee; each line begins with the rule's name."""
    fates = list(_fates(journals))
    by_key: dict[str, list[_Fate]] = defaultdict(list)
    for fate in fates:
        by_key[f"{fate.message.route} {fate.message.key}"].append(fate)
    found = [*_lost(fates), *_copies(fates, journals), *_renamed(journals)]
    for key, ones in by_key.items():
        ones.sort(key=lambda fate: fate.message.seq)
        if ones[0].message.route != "refusals":
            found += _order(key, ones, journals.seen)
    found += [line for key, ones in by_key.items() if key.startswith("changes ") for line in _changed(ones)]
    found += [line for fate in fates if fate.message.route == "detours" for line in _detoured(fate)]
    return found


def counts(journals: Journals) -> Mapping[str, int]:
    """Return how often each thing happened that the rules are about."""
    states = Counter(state for fate in _fates(journals) for state in fate.states)
    return {
        "accepted": len(journals.accepted),
        "delivered": states[DELIVERED],
        "by fallback": states[BY_FALLBACK],
        "superseded": states[SUPERSEDED],
        "recalled": states[RECALLED],
        "resent": sum(journals.confirmed.values()),
    }


def _fates(journals: Journals) -> Iterator[_Fate]:
    duties: dict[str, list[Duty]] = defaultdict(list)
    for duty in journals.duties:
        duties[duty.message_id].append(duty)
    tries: dict[str, list[Seen]] = defaultdict(list)
    for each in journals.seen:
        tries[each.message_id].append(each)
    for message in journals.accepted:
        ones = duties[message.message_id]
        poisoned = any(duty.reason == "poison" for duty in ones)
        unknown = sum(duty.unknown for duty in ones)
        states = [duty.state for duty in ones]
        yield _Fate(message, states, unknown, poisoned, tries[message.message_id])


def _lost(fates: Iterable[_Fate]) -> Iterator[str]:
    """What was accepted is in the store; what ended as delivered is at the clinic, through the door that it says."""
    for fate in fates:
        if not fate.states:
            yield f"lost: {fate.name} is not in the store"
        elif any(state < DELIVERED for state in fate.states):
            yield f"unfinished: {fate.name}"
        elif DEAD in fate.states and not fate.poisoned:
            yield f"dead: {fate.name} though it was released"
        elif DELIVERED in fate.states and not fate.taken_at(_door(fate)):
            yield f"lost: {fate.name} was delivered, and the clinic does not have it"
        elif BY_FALLBACK in fate.states and not fate.taken_at("/second"):
            yield f"lost: {fate.name} took the fallback, where it never arrived"


def _door(fate: _Fate) -> str:
    return {"changes": "/changes", "detours": "/first", "refusals": "/strict"}[fate.message.route]


def _copies(fates: Iterable[_Fate], journals: Journals) -> Iterator[str]:
    """One, and one more for each unknown outcome and each resend; a confirmed resend has arrived."""
    for fate in fates:
        message_id = fate.message.message_id
        most = 1 + fate.unknown + journals.asked.get(message_id, 0)
        resent = journals.confirmed.get(message_id, 0)
        if fate.copies > most:
            yield f"copies: {fate.name} came {fate.copies} times, at most {most} were due"
        if resent and DELIVERED in fate.states and fate.copies < 1 + resent:
            yield f"resent: {fate.name} came {fate.copies} times, {1 + resent} were due"


def _renamed(journals: Journals) -> Iterator[str]:
    """The clinic knows every message by the id that the platform was told."""
    told = {each.message_id for each in journals.accepted}
    for each in journals.seen:
        if each.message_id not in told:
            yield f"renamed: {each.door} {each.key}.{each.seq} came as {each.message_id}"


def _order(key: str, ones: Sequence[_Fate], seen: Sequence[Seen]) -> Iterator[str]:
    """Nothing of a key is tried after something newer of it was, at whichever door."""
    ids = {fate.message.message_id for fate in ones}
    newest = -1
    for each in seen:
        if each.message_id in ids:
            if each.seq < newest:
                yield f"order: {key}.{each.seq} after {newest}"
            newest = max(newest, each.seq)


def _changed(ones: Sequence[_Fate]) -> Iterator[str]:
    """What was superseded or recalled never arrived, for a reason that was accepted; a cancellation always arrives."""
    cancelled = any(fate.message.kind == _CANCELLED for fate in ones)
    arrived = any(fate.poisoned for fate in ones)  # what is set aside hands no kind on
    for number, fate in enumerate(ones):
        gone = SUPERSEDED in fate.states or RECALLED in fate.states
        if gone and fate.copies:
            yield f"late: {fate.name} was superseded or recalled, and arrived"
        if SUPERSEDED in fate.states and number == len(ones) - 1:
            yield f"lost: {fate.name} was superseded by nothing"
        if RECALLED in fate.states and not cancelled:
            yield f"lost: {fate.name} was recalled by nothing"
        if gone and fate.message.kind == _CANCELLED:
            yield f"lost: {fate.name} is a cancellation, and was never sent"
        if not arrived and fate.message.kind != _CANCELLED:
            yield from (
                f"kind: {fate.name} came as {each.kind}, though nothing of it had arrived"
                for each in fate.tries
                if each.kind != _BOOKED
            )
        arrived = arrived or fate.copies > 0


def _detoured(fate: _Fate) -> Iterator[str]:
    """The fallback is never beside the primary: after its first attempt there is none at the primary any more."""
    doors = [each.door for each in fate.tries]
    if "/second" in doors and "/first" in doors[doors.index("/second") :]:
        yield f"beside: {fate.name} went to the primary again after the fallback"
    if fate.taken_at("/first") and fate.taken_at("/second") and not fate.unknown:
        yield f"beside: {fate.name} was taken twice without an unknown outcome"
