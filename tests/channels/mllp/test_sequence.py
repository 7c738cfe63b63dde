"""The sequence number protocol on the wire: MSH-13 in, MSA-4 out.

Source: HL7 v2.5.1 2.10.1, whose paragraphs are named by the tests.
"""

from __future__ import annotations

import pytest

from engine.errors import Transient
from engine.model import Disposition
from engine.testing.channels import RecordingIntake, StateInMemory
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import Wire, message, wire


async def asked(connection: Wire, number: str, control_id: str = "") -> str:
    """Send a message that bears a number; return the MSA segment of its answer."""
    answer = await connection.ask(message(control_id or f"M{number}", sequence=number))
    return answer.decode().split("\r")[1]


WRONG = "this is not the sequence number that is expected"


async def test_a_link_starts_with_the_number_of_its_first_message() -> None:
    """b 2: without a number yet, MSA-4 is -1; c: each accepted number is echoed."""
    async with listening(sequence=True) as door, wire(door.address) as connection:
        assert await asked(connection, "0") == "MSA|AA|M0||-1"
        assert await asked(connection, "41") == "MSA|AA|M41||41"
        assert await asked(connection, "42") == "MSA|AA|M42||42"
        assert await asked(connection, "0", "again") == "MSA|AA|again||43"
        assert door.intake.control_ids == ["M41", "M42"], "a question about the link is no message"


async def test_a_number_out_of_sequence_is_refused_and_not_handed_in() -> None:
    """d: MSA-4 tells the number that is expected."""
    async with listening(sequence=True) as door, wire(door.address) as connection:
        await asked(connection, "7")
        assert await asked(connection, "9") == f"MSA|AE|M9|{WRONG}|8"
        assert await asked(connection, "6") == f"MSA|AE|M6|{WRONG}|8"
        assert await asked(connection, "-7") == f"MSA|AE|M-7|{WRONG}|8"
        assert await asked(connection, "eight") == f"MSA|AE|Meight|{WRONG}|8"
        assert await asked(connection, "8") == "MSA|AA|M8||8"
        assert door.intake.control_ids == ["M7", "M8"]
        assert door.events("out_of_sequence") == 4


async def test_a_message_whose_acknowledgement_was_lost_may_come_again() -> None:
    """d 1: the same message under the same number meets the duplicate check; another one is refused."""
    intake = RecordingIntake(Disposition.ACCEPTED, Disposition.DUPLICATE)
    async with listening(intake, sequence=True) as door, wire(door.address) as connection:
        await asked(connection, "7")
        assert await asked(connection, "7") == "MSA|AA|M7||7"
        assert await asked(connection, "7", "other") == f"MSA|AE|other|{WRONG}|8"
        assert intake.control_ids == ["M7", "M7"]


async def test_minus_one_begins_anew() -> None:
    """e: the next positive number is the first one."""
    async with listening(sequence=True) as door, wire(door.address) as connection:
        await asked(connection, "7")
        assert await asked(connection, "-1") == "MSA|AA|M-1||-1"
        assert await asked(connection, "500") == "MSA|AA|M500||500"


async def test_the_expected_number_outlives_the_listener() -> None:
    state = StateInMemory()
    async with listening(state=state, sequence=True) as door, wire(door.address) as connection:
        await asked(connection, "7")
    async with listening(state=state, sequence=True) as door, wire(door.address) as connection:
        assert await asked(connection, "9") == f"MSA|AE|M9|{WRONG}|8"
        assert await asked(connection, "8") == "MSA|AA|M8||8"


async def test_a_refused_message_does_not_count() -> None:
    intake = RecordingIntake(Disposition.REFUSED, Disposition.ACCEPTED)
    async with listening(intake, sequence=True) as door, wire(door.address) as connection:
        assert (await asked(connection, "7")).startswith("MSA|AE|M7|")
        assert await asked(connection, "7", "mended") == "MSA|AA|mended||7"


class FullState(StateInMemory):
    """Cannot keep a value."""

    async def put(self, name: str, value: str) -> None:
        raise Transient("the disk is nearly full")


async def test_nothing_is_acknowledged_whose_number_is_not_durable() -> None:
    """c: the number is stored securely, then the message acknowledged."""
    async with listening(state=FullState(), sequence=True) as door, wire(door.address) as connection:
        assert (await asked(connection, "7")).startswith("MSA|AE|M7|")


async def test_each_application_has_numbers_of_its_own() -> None:
    async with listening(sequence=True) as door, wire(door.address) as connection:
        await asked(connection, "7")
        other = message("L1", sequence="1").replace(b"|SIH|", b"|LABO|")
        assert b"MSA|AA|L1||1\r" in await connection.ask(other)
        assert await asked(connection, "8") == "MSA|AA|M8||8"


@pytest.mark.parametrize("number", ["3", "3", "x"])
async def test_without_the_protocol_the_field_means_nothing(number: str) -> None:
    async with listening() as door, wire(door.address) as connection:
        assert await asked(connection, "9") == "MSA|AA|M9"
        assert await asked(connection, number) == f"MSA|AA|M{number}"
