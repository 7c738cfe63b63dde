"""Every combination of MSH-15 and MSH-16 with every outcome, and the very bytes that are answered.

The acknowledgements are written here from the standard, never made by the product. Source: HL7 v2.5.1 2.9.2 (original
mode), 2.9.3 (enhanced mode), 2.15.8 (MSA), 2.15.5 (ERR), tables 0008 (MSA-1), 0155 (MSH-15/16), 0357 (ERR-3).
"""

from __future__ import annotations

import itertools

import pytest

from engine.errors import Transient
from engine.model import Disposition
from engine.testing.channels import RecordingIntake
from engine.testing.intake import Line
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import framed, message, plain, wire

HEAD = "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01^ACK|ID|P|2.5.1\r"
CONTENT = "ERR|||102^Data type error^HL70357|E|||ends before it starts|ends before it starts\r"
BUSY_TEXT = "the message could not be stored; send it again"
BUSY = f"ERR|||207^Application internal error^HL70357|E|||{BUSY_TEXT}|{BUSY_TEXT}\r"
BYTES = {
    "AA": f"{HEAD}MSA|AA|MSG00001\r",
    "CA": f"{HEAD}MSA|CA|MSG00001\r",
    "AE": f"{HEAD}MSA|AE|MSG00001|ends before it starts\r{CONTENT}",
    "CE": f"{HEAD}MSA|CE|MSG00001|ends before it starts\r{CONTENT}",
    "AE 207": f"{HEAD}MSA|AE|MSG00001|{BUSY_TEXT}\r{BUSY}",
    "CE 207": f"{HEAD}MSA|CE|MSG00001|{BUSY_TEXT}\r{BUSY}",
}
ACCEPTED = {  # 2.9.3: the commit acknowledgement first, then the application's, each under its own condition
    ("", ""): ["AA"],
    ("AL", "AL"): ["CA", "AA"],
    ("AL", "NE"): ["CA"],
    ("AL", "ER"): ["CA"],
    ("AL", "SU"): ["CA", "AA"],
    ("AL", ""): ["CA"],
    ("NE", "AL"): ["AA"],
    ("NE", "NE"): [],
    ("NE", "ER"): [],
    ("NE", "SU"): ["AA"],
    ("NE", ""): [],
    ("ER", "AL"): ["AA"],
    ("ER", "NE"): [],
    ("ER", "ER"): [],
    ("ER", "SU"): ["AA"],
    ("ER", ""): [],
    ("SU", "AL"): ["CA", "AA"],
    ("SU", "NE"): ["CA"],
    ("SU", "ER"): ["CA"],
    ("SU", "SU"): ["CA", "AA"],
    ("SU", ""): ["CA"],
    ("", "AL"): ["AA"],
    ("", "NE"): [],
    ("", "ER"): [],
    ("", "SU"): ["AA"],
}
REFUSED = {  # content at fault: the application says so; where it may not, the commit acknowledgement does
    ("", ""): ["AE"],
    ("AL", "AL"): ["CA", "AE"],
    ("AL", "NE"): ["CE"],
    ("AL", "ER"): ["CA", "AE"],
    ("AL", "SU"): ["CE"],
    ("AL", ""): ["CE"],
    ("NE", "AL"): ["AE"],
    ("NE", "NE"): [],
    ("NE", "ER"): ["AE"],
    ("NE", "SU"): [],
    ("NE", ""): [],
    ("ER", "AL"): ["AE"],
    ("ER", "NE"): ["CE"],
    ("ER", "ER"): ["AE"],
    ("ER", "SU"): ["CE"],
    ("ER", ""): ["CE"],
    ("SU", "AL"): ["CA", "AE"],
    ("SU", "NE"): [],
    ("SU", "ER"): ["CA", "AE"],
    ("SU", "SU"): [],
    ("SU", ""): [],
    ("", "AL"): ["AE"],
    ("", "NE"): [],
    ("", "ER"): ["AE"],
    ("", "SU"): [],
}
NOT_STORED = {  # nothing is durable: no commit acknowledgement may be positive
    ("", ""): ["AE 207"],
    ("AL", "AL"): ["CE 207"],
    ("AL", "NE"): ["CE 207"],
    ("AL", "ER"): ["CE 207"],
    ("AL", "SU"): ["CE 207"],
    ("AL", ""): ["CE 207"],
    ("NE", "AL"): ["AE 207"],
    ("NE", "ER"): ["AE 207"],
    ("ER", "AL"): ["CE 207"],
    ("ER", "NE"): ["CE 207"],
    ("ER", "ER"): ["CE 207"],
    ("ER", "SU"): ["CE 207"],
    ("ER", ""): ["CE 207"],
    ("SU", "AL"): ["AE 207"],
    ("SU", "ER"): ["AE 207"],
    ("", "AL"): ["AE 207"],
    ("", "ER"): ["AE 207"],
}
DEAF = [
    ("NE", "NE"),
    ("NE", "SU"),
    ("NE", ""),
    ("SU", "NE"),
    ("SU", "SU"),
    ("SU", ""),
    ("", "NE"),
    ("", "SU"),
]
"""Who does not want to hear that nothing could be stored."""


def cases() -> list[tuple[str, str, Line, list[str]]]:
    """Return every combination with what is answered."""
    tables: list[tuple[Line, dict[tuple[str, str], list[str]]]] = [
        (Disposition.ACCEPTED, ACCEPTED),
        (Disposition.REFUSED, REFUSED),
        (Transient("the disk is nearly full"), NOT_STORED),
    ]
    return [(*asked, line, codes) for (line, table) in tables for asked, codes in table.items()]


def test_the_tables_have_every_combination() -> None:
    every = set(itertools.product(["", "AL", "NE", "ER", "SU"], repeat=2))
    assert set(ACCEPTED) == set(REFUSED) == {*NOT_STORED, *DEAF} == every


@pytest.mark.parametrize(("accept", "application", "line", "codes"), cases())
async def test_the_answers_are_those_that_were_asked_for(
    accept: str, application: str, line: Line, codes: list[str]
) -> None:
    intake = RecordingIntake(line, Disposition.ACCEPTED)
    async with listening(intake) as door, wire(door.address) as connection:
        await connection.write(framed(message(accept=accept, application=application)))
        answers = [await connection.read() for _ in codes]
        assert [plain(answer) for answer in answers] == [BYTES[code] for code in codes]
        marker = await connection.ask(message("MSG00002"))
        assert b"MSA|AA|MSG00002\r" in marker, "more was answered than was asked for"
        assert intake.control_ids == ["MSG00001", "MSG00002"]


@pytest.mark.parametrize(("accept", "application"), DEAF)
async def test_a_sender_that_hears_nothing_is_cut_where_nothing_could_be_stored(
    accept: str, application: str
) -> None:
    intake = RecordingIntake(Transient("the disk is nearly full"))
    async with listening(intake) as door, wire(door.address) as connection:
        await connection.write(framed(message(accept=accept, application=application)))
        assert await connection.ended() == b""
        assert intake.control_ids == ["MSG00001"]


async def test_the_listener_may_keep_to_the_original_mode() -> None:
    async with listening(acks="original") as door, wire(door.address) as connection:
        answer = await connection.ask(message(accept="AL", application="AL"))
        assert plain(answer) == BYTES["AA"]


async def test_the_listener_may_ask_for_the_enhanced_mode() -> None:
    async with listening(acks="enhanced") as door, wire(door.address) as connection:
        assert plain(await connection.ask(message())) == BYTES["CA"]


async def test_the_two_acknowledgements_are_messages_of_their_own() -> None:
    async with listening() as door, wire(door.address) as connection:
        await connection.write(framed(message(accept="AL", application="AL")))
        commit, application = await connection.read(), await connection.read()
        assert commit.split(b"|")[9] != application.split(b"|")[9]


async def test_a_duplicate_is_answered_with_what_the_intake_kept() -> None:
    intake = RecordingIntake()
    async with listening(intake) as door, wire(door.address) as connection:
        await connection.write(framed(message(accept="AL", application="AL")))
        first = [await connection.read(), await connection.read()]
        stored = intake.returned[0].reply
        assert stored == first[0] + b"\x1c\r" + first[1], "the stored form holds both, without their frames"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            "2.1",
            "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK|ID|P|2.1\r"
            "MSA|AE|MSG00001|ends before it starts\r"
            "ERR|^^^102&Data type error&HL70357\r",
        ),
        (
            "2.3",
            "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01|ID|P|2.3\r"
            "MSA|AE|MSG00001|ends before it starts\r"
            "ERR|^^^102&Data type error&HL70357\r",
        ),
        (
            "2.8",
            "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01^ACK|ID|P|2.8\r"
            "MSA|AE|MSG00001\r"
            "ERR|||102^Data type error^HL70357|E|||ends before it starts|ends before it starts\r",
        ),
    ],
)
async def test_an_error_is_told_in_the_senders_version(version: str, expected: str) -> None:
    async with listening(RecordingIntake(Disposition.REFUSED)) as door, wire(door.address) as connection:
        assert plain(await connection.ask(message(version=version))) == expected


async def test_the_senders_own_delimiters_are_used() -> None:
    sent = b"MSH$%~\\&$SIH$HSJ$PASSERELLE$CIUSSS$20260114093011$$ADT%A01$MSG00001$P$2.5.1\rPID$1\r"
    async with listening() as door, wire(door.address) as connection:
        answer = (await connection.ask(sent)).decode().split("\r")
        assert answer[1] == "MSA$AA$MSG00001"
        assert answer[0].startswith("MSH$%~\\&$PASSERELLE$CIUSSS$SIH$HSJ$")
        assert "$ACK%A01%ACK$" in answer[0]
