"""The table of `passerelle dev`: one row per message, its newest state, and plain lines where there is no terminal."""

from __future__ import annotations

import pytest

from engine.cli.happenings import Happening, Happenings, Screen
from engine.model import Delivery, Hop, State
from engine.store.protocol import DeliveryRow


def row(state: State, *, attempts: int = 1, reason: str = "") -> DeliveryRow:
    delivery = Delivery(
        sequence=1,
        message=1,
        message_id="M1",
        route="appointment-to-clinic",
        route_version="v",
        destination="{partner}.emr",
        lane=b"",
        chain=(Hop("clinique-abc.emr"),),
        hop=0,
        state=state,
        due_ms=0,
        accepted_ms=0,
        attempts=attempts,
        reason=reason,
    )
    return DeliveryRow(delivery, blocked=False, settled_ms=0, open=False)


SENT = Happening("booked.json", "Clinique ABC", "appointment-booked", 0, "accepted", "", message_id="M1")


def test_a_message_that_was_sent_in_is_followed_in_its_row() -> None:
    happenings = Happenings()
    happenings.follow(row(State.RETRYING, reason="refused"), in_flight=False)
    happenings.add(SENT)
    happenings.follow(row(State.DELIVERED, attempts=2), in_flight=False)
    (shown,) = happenings
    assert (shown.what, shown.clinic) == ("booked.json", "Clinique ABC")
    assert (shown.state, shown.attempts, shown.by) == ("delivered", 2, "clinique-abc.emr")


def test_without_a_terminal_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    happenings = Happenings()
    happenings.add(SENT)
    with Screen(plain=True) as screen:
        for state in (State.RETRYING, State.RETRYING, State.DEAD):
            happenings.follow(row(state, reason="400"), in_flight=False)
            screen.show(happenings)
        happenings.alerts = ["dead_letter clinique-abc.emr"]
        screen.show(happenings)
    assert capsys.readouterr().out.splitlines() == [
        "booked.json: Clinique ABC: retrying after 1 attempt clinique-abc.emr (400)",
        "booked.json: Clinique ABC: dead after 1 attempt clinique-abc.emr (400)",
        "alerts open: dead_letter clinique-abc.emr",
    ]
