"""The window of heads against a model of the store: nothing is ever lost, nothing comes twice."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.model import Body, Delivery
from engine.runtime.sending import window as windows
from engine.runtime.sending.window import START, Ledger, Window
from tests.runtime.sending.values import delivery


def head(sequence: int, due_ms: int = 0, body: Body | None = None) -> Delivery:
    return delivery(sequence=sequence, due_ms=due_ms, body=body)


def test_heads_come_in_the_order_in_which_they_fall_due() -> None:
    window = Window(Ledger())
    for sequence, due_ms in [(1, 30), (2, 10), (3, 20), (4, 10)]:
        window.add(head(sequence, due_ms), due_ms, seen=True)
    assert [waiting.delivery.sequence for waiting in window] == [2, 4, 3, 1]


def test_a_window_that_overflows_leaves_the_last_to_the_store() -> None:
    window = Window(Ledger())
    for sequence in range(windows.LIMIT + 10):
        window.add(head(sequence + 1, sequence), sequence, seen=True)
    assert (len(window), window.horizon) == (windows.LIMIT, (windows.LIMIT - 1, windows.LIMIT))
    assert not window.add(head(9_999, 10**6), 10**6, seen=True)
    assert window.add(head(10_000, 0), 0, seen=True)


def test_many_endpoints_together_hold_a_bounded_number() -> None:
    ledger = Ledger()
    for endpoint in range(400):
        window = Window(ledger)
        for sequence in range(100):
            window.add(head(endpoint * 1000 + sequence, sequence), sequence, seen=True)
    assert ledger.entries <= windows.TOTAL + 400 * windows.FLOOR


def test_bodies_in_memory_are_bounded_and_given_back() -> None:
    ledger = Ledger()
    window = Window(ledger)
    body = Body.of(b"x" * 100_000)
    for sequence in range(200):
        window.add(head(sequence + 1, sequence, body), sequence, seen=True)
    kept = [waiting.delivery.body is not None for waiting in window]
    assert 0 < ledger.bytes <= windows.BODIES
    assert kept.count(True) == windows.BODIES // body.size
    for sequence in range(200):
        window.discard(sequence + 1)
    assert (ledger.bytes, ledger.entries) == (0, 0)


def test_a_read_that_began_before_a_change_does_not_bring_the_old_row_back() -> None:
    window = Window(Ledger(), START)
    asked = window.begin([3])
    window.add(head(1), 0, seen=True)
    window.pop(1)
    window.touch(2)
    window.fill([(head(n), 0) for n in (1, 2, 3, 4, 5)], asked, leave_out={5})
    assert [waiting.delivery.sequence for waiting in window] == [4]


def test_forgetting_during_a_read_reads_again() -> None:
    window = Window(Ledger(), START)
    asked = window.begin([])
    window.forget()
    window.fill([(head(1), 0)], asked, leave_out=())
    assert (len(window), window.drained) == (0, True)


def test_what_was_set_aside_is_passed_over_until_it_is_forgotten() -> None:
    window = Window(Ledger(), START)
    window.fill([(head(n, n), n) for n in (1, 2, 3)], window.begin([]), leave_out=())
    for waiting in list(window)[:2]:
        window.set_aside(waiting)
    assert (window.after, window.setting_aside, len(window)) == (2, True, 1)
    window.forget()
    assert (window.after, window.setting_aside, window.drained) == (0, False, True)


class Backlog(RuleBasedStateMachine):
    """Plays store and dispatcher: accepts, takes, retries, reads at any moment; every head must come out."""

    def __init__(self) -> None:
        super().__init__()
        self.limit, windows.LIMIT = windows.LIMIT, 4
        self.stored: dict[int, Delivery] = {}
        self.flying: dict[int, Delivery] = {}
        self.next = 0
        self.window = Window(Ledger())
        self.reading: tuple[list[Delivery], int] | None = None

    def teardown(self) -> None:
        windows.LIMIT = self.limit

    @rule(due_ms=st.integers(0, 30))
    def accept(self, due_ms: int) -> None:
        self.next += 1
        self.stored[self.next] = head(self.next, due_ms)
        self.window.add(self.stored[self.next], due_ms, seen=True)

    @rule()
    def take(self) -> None:
        first = self.window.first
        if first is not None:
            sequence = self.window.pop(first.delivery.sequence).delivery.sequence
            assert sequence not in self.flying, "two workers would hold one delivery"
            assert self.stored[sequence] == first.delivery, "a stale row would be sent"
            self.flying[sequence] = self.stored[sequence]

    @rule()
    def deliver(self) -> None:
        if self.flying:
            sequence, _ = self.flying.popitem()
            del self.stored[sequence]

    @rule(due_ms=st.integers(0, 60))
    def retry(self, due_ms: int) -> None:
        if self.flying:
            sequence, _ = self.flying.popitem()
            self.stored[sequence] = head(sequence, due_ms)
            self.window.add(self.stored[sequence], due_ms, seen=False)

    @rule()
    def begin_to_read(self) -> None:
        if self.window.drained:
            asked = self.window.begin(list(self.flying))
            rows = sorted(self.stored.values(), key=lambda row: (row.due_ms, row.sequence))
            self.reading = (rows[:asked], asked)

    @rule()
    def end_the_read(self) -> None:
        if self.reading is not None:
            rows, asked = self.reading
            self.reading = None
            self.window.fill([(row, row.due_ms) for row in rows], asked, leave_out=self.flying)

    @rule()
    def kick(self) -> None:
        self.window.forget()

    @invariant()
    def every_head_is_within_reach(self) -> None:
        held = {waiting.delivery.sequence for waiting in self.window}
        outside = [row for row in self.stored.values() if row.sequence not in held | self.flying.keys()]
        if outside and self.reading is None:
            first = min((row.due_ms, row.sequence) for row in outside)
            assert self.window.horizon is not None and first > self.window.horizon

    @invariant()
    def the_window_is_bounded(self) -> None:
        if self.reading is None:
            assert len(self.window) <= 4 + len(self.flying) + 4


TestBacklog = Backlog.TestCase
TestBacklog.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
