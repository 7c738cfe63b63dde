"""The flight file: what a process that died leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from engine.runtime.flight import CRASHES, POISON, SENDS, Flight

BODY = sha256(b"body").digest()
OTHER = sha256(b"other").digest()

DIES = """
import os, signal, sys
from pathlib import Path
from hashlib import sha256
from engine.runtime.flight import Flight
flight = Flight.open(Path(sys.argv[1]))
body = sha256(b"body").digest()
mode = sys.argv[2]
if mode == "routing":
    with flight.routing(sha256(b"other").digest()):
        pass
    with flight.routing(body):
        os.kill(os.getpid(), signal.SIGKILL)
with flight.sending(5, 2):
    pass
with flight.sending(7, 3), flight.sending(2**40, 1):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die(path: Path, mode: str) -> None:
    """Run a process that is killed with SIGKILL in the middle of `mode`."""
    done = subprocess.run([sys.executable, "-c", DIES, str(path), mode], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL


def test_a_body_that_killed_the_process_twice_is_poison(tmp_path: Path) -> None:
    path = tmp_path / "flight"
    for crashes in (1, CRASHES):
        die(path, "routing")
        flight = Flight.open(path)
        assert flight.crashes(BODY) == crashes
        assert flight.poisonous(BODY) is (crashes == CRASHES)
        assert flight.crashes(OTHER) == 0, "a body that merely was there is innocent"
        flight.close()


def test_a_send_that_was_cut_short_is_found_with_its_attempt(tmp_path: Path) -> None:
    die(tmp_path / "flight", "sending")
    flight = Flight.open(tmp_path / "flight")
    assert sorted(flight.in_send) == [(7, 3), (2**40, 1)]
    flight.close()


def test_sends_stay_in_the_file_until_the_store_has_counted_them(tmp_path: Path) -> None:
    die(tmp_path / "flight", "sending")
    Flight.open(tmp_path / "flight").close()
    second = Flight.open(tmp_path / "flight")
    assert len(second.in_send) == 2
    second.recovered()
    second.close()
    assert Flight.open(tmp_path / "flight").in_send == ()


def test_a_crash_that_was_counted_is_not_counted_again(tmp_path: Path) -> None:
    die(tmp_path / "flight", "routing")
    for _ in range(3):
        flight = Flight.open(tmp_path / "flight")
        assert flight.crashes(BODY) == 1
        flight.close()


def test_a_body_that_is_routed_well_is_forgiven(tmp_path: Path) -> None:
    die(tmp_path / "flight", "routing")
    flight = Flight.open(tmp_path / "flight")
    with flight.routing(BODY):
        pass
    assert flight.crashes(BODY) == 0
    flight.close()
    assert Flight.open(tmp_path / "flight").crashes(BODY) == 0


def test_an_exception_is_no_crash(tmp_path: Path) -> None:
    flight = Flight.open(tmp_path / "flight")
    with pytest.raises(ZeroDivisionError), flight.routing(BODY):
        raise ZeroDivisionError
    flight.close()
    assert Flight.open(tmp_path / "flight").crashes(BODY) == 0


def test_a_send_whose_outcome_could_not_be_kept_stays_marked(tmp_path: Path) -> None:
    flight = Flight.open(tmp_path / "flight")
    with pytest.raises(ZeroDivisionError), flight.sending(1, 1):
        raise ZeroDivisionError
    with flight.sending(2, 1) as mark:
        mark.keep()
    with flight.sending(3, 1):
        pass
    flight.close()
    assert sorted(Flight.open(tmp_path / "flight").in_send) == [(1, 1), (2, 1)]


def test_more_poison_than_rows_forgets_the_first(tmp_path: Path) -> None:
    path = tmp_path / "flight"
    bodies = [sha256(b"%d" % number).digest() for number in range(POISON + 1)]
    for body in bodies:
        flight = Flight.open(path)
        mark = flight.routing(body)
        mark.__enter__()
        flight.close()
    flight = Flight.open(path)
    assert [flight.crashes(body) for body in (bodies[0], bodies[1], bodies[-1])] == [0, 1, 1]


def test_slots_are_used_again_and_their_end_is_known(tmp_path: Path) -> None:
    flight = Flight.open(tmp_path / "flight")
    for number in range(SENDS * 2):
        with flight.sending(number + 1, 1):
            pass
    marks = [flight.sending(number + 1, 1) for number in range(SENDS)]
    for mark in marks:
        mark.__enter__()
    assert flight.full
    marks[0].__exit__(None, None, None)
    assert not flight.full


def test_a_file_of_another_shape_is_renewed(tmp_path: Path) -> None:
    (tmp_path / "flight").write_bytes(os.urandom(4096))
    flight = Flight.open(tmp_path / "flight")
    assert (flight.in_send, flight.crashes(BODY)) == ((), 0)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    Flight.open(tmp_path / "flight").close()
    assert (tmp_path / "flight").stat().st_mode & 0o777 == 0o600
