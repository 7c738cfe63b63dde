"""What a listener makes of what arrives: frames on real sockets, unreadable messages, limits, the sender's name."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import pytest

from channels.mllp.framing import HEAD_BYTES
from channels.mllp.listener import MllpLimits, MllpListenerTimeouts, SendingSystem
from channels.mllp.settings import FrameConfig
from engine.errors import BudgetExceeded, CommitUnknown, Unmatched
from engine.model import Disposition, Receipt, Reply
from engine.spi import Conversation, Exchange
from engine.testing.channels import RecordingIntake
from tests.channels.mllp.serving import listening
from tests.channels.mllp.wire import START, framed, message, plain, wire


def msa(answer: bytes) -> str:
    """Return the MSA segment of an answer."""
    return next(line for line in answer.decode("latin-1").split("\r") if line.startswith("MSA"))


async def test_what_is_handed_in_is_what_arrived() -> None:
    sent = message(charset="8859/1")
    async with listening(partner="hsj") as door, wire(door.address) as connection:
        await connection.ask(sent)
        handed = door.intake.messages[0]
        assert handed.body.data == sent
        assert (handed.codec, handed.partner, handed.control_id) == ("hl7v2", "hsj", "MSG00001")
        assert handed.content_type == "x-application/hl7-v2+er7"
        assert dict(handed.meta) == {"application": "SIH", "facility": "HSJ"}
        assert handed.peer is not None
        assert handed.peer.address.startswith("127.0.0.1:")


async def test_the_listeners_character_set_and_zone_travel_with_the_message() -> None:
    said = {"charset": "windows-1252", "zone": "America/Toronto"}
    async with (
        listening(charset=said["charset"], zone=said["zone"]) as door,
        wire(door.address) as connection,
    ):
        await connection.ask(message())
        handed = door.intake.messages[0]
        assert handed.content_type == "x-application/hl7-v2+er7; charset=windows-1252"
        assert dict(handed.meta) == {"application": "SIH", "facility": "HSJ", **said}


async def test_several_messages_in_one_write_are_served_in_order() -> None:
    async with listening() as door, wire(door.address) as connection:
        await connection.write(framed(*(message(f"M{number}") for number in range(50))))
        answers = [msa(await connection.read()) for _ in range(50)]
        assert answers == [f"MSA|AA|M{number}" for number in range(50)]
        assert door.intake.control_ids == [f"M{number}" for number in range(50)]
        assert door.intake.most == 1, "messages of one connection were served side by side"


async def test_a_frame_may_be_split_anywhere() -> None:
    stream = framed(message())
    async with listening() as door, wire(door.address) as connection:
        await door.until("connection")
        (serving,) = door.channel._callers
        reader = serving._reader
        for at in range(1, len(stream)):
            await connection.write(stream[:at])
            async with asyncio.timeout(30):
                while not (reader.begun and reader.held == at - 1):  # noqa: ASYNC110  it reads without telling anybody
                    await asyncio.sleep(0)
            await connection.write(stream[at:])
            assert msa(await connection.read()) == "MSA|AA|MSG00001"


async def test_keep_alive_bytes_between_messages_mean_nothing() -> None:
    async with listening() as door, wire(door.address) as connection:
        await connection.write(b"\r\n" + framed(message("A")) + b"\r\n\r\n" + framed(message("B")))
        assert [msa(await connection.read()), msa(await connection.read())] == ["MSA|AA|A", "MSA|AA|B"]
        assert not door.events("garbage")


async def test_garbage_before_a_message_is_counted_and_passed_over() -> None:
    async with listening() as door, wire(door.address) as connection:
        await connection.write(b"what is this" + framed(message()))
        assert msa(await connection.read()) == "MSA|AA|MSG00001"
        assert door.events("garbage") == 1


async def test_a_peer_that_speaks_no_mllp_is_cut_off() -> None:
    async with listening() as door, wire(door.address) as connection:
        await connection.write(b"x" * 200_000)
        assert await connection.ended() == b""
        assert not door.intake.messages


async def test_a_truncated_frame_is_counted_when_the_connection_closes() -> None:
    async with listening() as door:
        async with wire(door.address) as connection:
            await connection.write(START + message()[:40])
            connection.writer.write_eof()
            assert await connection.ended() == b""
        await door.until("truncated_frame")
        assert not door.intake.messages


async def test_two_messages_in_one_frame_are_refused_and_the_connection_stays_up() -> None:
    async with listening() as door, wire(door.address) as connection:
        answer = await connection.ask(message("A") + message("B"))
        assert plain(answer) == (
            "MSH|^~\\&|PASSERELLE|CIUSSS|SIH|HSJ|NOW||ACK^A01^ACK|ID|P|2.5.1\r"
            "MSA|AR|A|two messages in one frame: send each in a frame of its own\r"
            "ERR||MSH^2|100^Segment sequence error^HL70357|E|||"
            "two messages in one frame: send each in a frame of its own|"
            "two messages in one frame: send each in a frame of its own\r"
        )
        (kept,) = door.intake.messages
        assert kept.body.read() == message("A") + message("B")
        assert msa(await connection.ask(message("C"))) == "MSA|AA|C"


async def test_the_letters_msh_within_a_field_are_no_second_message() -> None:
    async with listening() as door, wire(door.address) as connection:
        assert msa(await connection.ask(message(body="NTE|1||MSH|x\r"))) == "MSA|AA|MSG00001"


@pytest.mark.parametrize("garbage", [b"", b"hello", b"PID|1\r", b"MSH", b"\xff\xfeM\x00S\x00H\x00|\x00"])
async def test_what_is_no_message_goes_to_the_intake_and_is_answered_ar(garbage: bytes) -> None:
    intake = RecordingIntake(Disposition.REFUSED)
    async with listening(intake) as door, wire(door.address) as connection:
        answer = plain(await connection.ask(garbage))
        assert answer.startswith("MSH|^~\\&|||||NOW||ACK|ID||\rMSA|A")
        assert intake.messages[0].body.data == garbage, "the bytes are kept by whoever refuses them"
        assert intake.messages[0].control_id == ""
        assert await connection.ask(message()) != b""


async def test_a_batch_is_handed_in_whole_and_answered_by_its_own_id() -> None:
    batch = (
        b"BHS|^~\\&|SIH|HSJ|PASSERELLE|CIUSSS|20260114093011||||B77\r"
        + message("A")
        + message("B")
        + b"BTS|2\r"
    )
    async with listening() as door, wire(door.address) as connection:
        assert msa(await connection.ask(batch)) == "MSA|AA|B77"
        assert door.intake.messages[0].body.data == batch
        assert door.intake.control_ids == ["B77"]


async def test_a_message_without_an_id_is_taken() -> None:
    async with listening() as door, wire(door.address) as connection:
        assert msa(await connection.ask(message(""))) == "MSA|AA|"
        assert door.intake.control_ids == [""]


async def test_an_id_that_no_standard_allows_is_refused() -> None:
    async with listening() as door, wire(door.address) as connection:
        answer = await connection.ask(message("x" * 200))
        assert b"MSA|AR|" + b"x" * 200 in answer
        assert b"ERR||MSH^1^10^1|102^" in answer


async def test_a_message_above_the_limit_is_refused_and_the_connection_stays_up() -> None:
    limits = MllpLimits(body=1000)
    async with listening(limits=limits) as door, wire(door.address) as connection:
        answer = plain(await connection.ask(message(body="OBX|1|ED|x||" + "y" * 100_000 + "\r")))
        assert "MSA|AR|MSG00001|the message is larger than this listener takes\r" in answer
        assert "ERR|||102^Data type error^HL70357|E" in answer
        assert [kept.body.size for kept in door.intake.messages] == [HEAD_BYTES]
        assert msa(await connection.ask(message("B"))) == "MSA|AA|B"


async def test_a_listener_with_a_higher_limit_takes_20_megabytes() -> None:
    large = message(body="OBX|1|ED|x||" + "y" * 20_000_000 + "\r")
    limits = MllpLimits(body=32 * 2**20)
    async with listening(limits=limits) as door, wire(door.address) as connection:
        assert msa(await connection.ask(large)) == "MSA|AA|MSG00001"
        assert door.intake.messages[0].body.data == large
        await door.intake.until_idle()


async def test_the_default_limit_refuses_20_megabytes() -> None:
    large = message(body="OBX|1|ED|x||" + "y" * 20_000_000 + "\r")
    async with listening() as door, wire(door.address) as connection:
        assert msa(await connection.ask(large)).startswith("MSA|AR|MSG00001|")
        assert [kept.body.size for kept in door.intake.messages] == [HEAD_BYTES]
        await door.intake.until_idle()


async def test_a_large_message_over_the_budget_is_dropped_and_asked_again() -> None:
    intake = RecordingIntake(admissions=[None, BudgetExceeded("too much is in flight")])
    large = message(body="OBX|1|ED|x||" + "y" * 2_000_000 + "\r")
    async with listening(intake) as door, wire(door.address) as connection:
        answer = await connection.ask(large)
        assert b"MSA|AE|MSG00001|" in answer
        assert b"|207^" in answer
        assert not intake.messages
        await intake.until_idle()
        assert msa(await connection.ask(message("B"))) == "MSA|AA|B"
        assert not door.events("refused_102")


async def test_a_listener_without_routes_says_that_nobody_takes_it() -> None:
    intake = RecordingIntake(admissions=[Unmatched("no route takes messages here")])
    async with listening(intake) as door, wire(door.address) as connection:
        answer = plain(await connection.ask(message()))
        assert "MSA|AR|MSG00001|no route takes messages here\r" in answer
        assert "ERR|||200^Unsupported message type^HL70357|E" in answer


async def test_an_unknown_commit_closes_without_a_word() -> None:
    intake = RecordingIntake(CommitUnknown("the commit was interrupted"))
    async with listening(intake) as door, wire(door.address) as connection:
        await connection.write(framed(message()))
        assert await connection.ended() == b""


async def test_other_frame_bytes() -> None:
    frame = FrameConfig(start=b"\x02", end=b"\x03", tail=b"")
    async with listening(frame=frame) as door, wire(door.address) as connection:
        await connection.write(b"\x02" + message() + b"\x03")
        async with asyncio.timeout(30):
            assert await connection.reader.readexactly(1) == b"\x02"
            answer = await connection.reader.readuntil(b"\x03")
        assert msa(answer.removesuffix(b"\x03")) == "MSA|AA|MSG00001"


async def test_a_sender_that_was_not_agreed_on_is_refused() -> None:
    sender = (SendingSystem(application="SIH", facility="CLSC"), SendingSystem(application="LABO"))
    async with listening(sender=sender) as door, wire(door.address) as connection:
        answer = plain(await connection.ask(message()))
        assert "MSA|AR|MSG00001|this sending application and facility do not send here\r" in answer
        assert "ERR||MSH^1^3^1|207^Application internal error^HL70357|E" in answer
        assert [kept.faults[0].path for kept in door.intake.messages] == ["MSH-3"]
        assert door.events("refused_207") == 1


@pytest.mark.parametrize(
    "sender",
    [
        SendingSystem(application="SIH"),
        SendingSystem(facility="HSJ"),
        SendingSystem(application="SIH", facility="HSJ"),
    ],
)
async def test_a_sender_that_was_agreed_on_is_served(sender: SendingSystem) -> None:
    async with listening(sender=(sender,)) as door, wire(door.address) as connection:
        assert msa(await connection.ask(message())) == "MSA|AA|MSG00001"


@pytest.mark.parametrize(
    ("said", "taken"), [("P", True), ("T", False), ("D", False), ("", False), ("T^A", False)]
)
async def test_training_stays_out_of_production(said: str, taken: bool) -> None:
    intake = RecordingIntake(Disposition.ACCEPTED if taken else Disposition.REFUSED)
    async with listening(intake, processing="P") as door, wire(door.address) as connection:
        answer = await connection.ask(message().replace(b"|P|2.5.1", f"|{said}|2.5.1".encode()))
        assert (msa(answer) == "MSA|AA|MSG00001") is taken
        faults = [[(fault.path, fault.code) for fault in kept.faults] for kept in door.intake.messages]
        assert faults == [[] if taken else [("MSH-11", "202")]]
        assert door.events("refused_202") == (not taken)


async def test_what_is_said_of_processing_is_p_t_or_d() -> None:
    async with listening(processing=("P", "T")) as door, wire(door.address) as connection:
        answer = await connection.ask(message().replace(b"|P|2.5.1", b"|T|2.5.1"))
        assert msa(answer) == "MSA|AA|MSG00001"


async def test_commit_blocks_come_before_the_acknowledgement() -> None:
    async with listening(commit_bytes=True) as door, wire(door.address) as connection:
        await connection.write(framed(message()))
        assert await connection.read() == b"\x06"
        assert msa(await connection.read()) == "MSA|AA|MSG00001"
        await connection.write(
            framed(b"\x06", message("B"))
        )  # the sender's own block for our acknowledgement
        assert await connection.read() == b"\x06"
        assert msa(await connection.read()) == "MSA|AA|B"
        assert door.intake.control_ids == ["MSG00001", "B"]


async def test_a_commit_block_is_negative_where_nothing_could_be_stored() -> None:
    intake = RecordingIntake(BudgetExceeded("the disk is nearly full"), Disposition.ACCEPTED)
    async with listening(intake, commit_bytes=True) as door, wire(door.address) as connection:
        await connection.write(framed(message()))
        assert await connection.read() == b"\x15"
        await connection.write(framed(message()))
        assert await connection.read() == b"\x06"


async def test_no_commit_block_before_the_commit() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with listening(intake, commit_bytes=True) as door, wire(door.address) as connection:
        await connection.write(framed(message()))
        await intake.until(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connection.reader.read(1)
        intake.open_gate()
        assert await connection.read() == b"\x06"


async def test_a_frame_that_trickles_is_cut_off() -> None:
    timeouts = MllpListenerTimeouts(frame=timedelta(seconds=0.1))
    async with listening(timeouts=timeouts) as door, wire(door.address) as connection:
        await connection.write(START + message()[:40])
        assert await connection.ended() == b""
        assert door.events("slow_frame") == 1


async def test_a_connection_that_stays_idle_is_closed() -> None:
    timeouts = MllpListenerTimeouts(idle=timedelta(seconds=0.1))
    async with listening(timeouts=timeouts) as door, wire(door.address) as connection:
        assert msa(await connection.ask(message())) == "MSA|AA|MSG00001"
        assert await connection.ended() == b""
        assert door.events("idle_closed") == 1


async def test_a_dead_peer_is_noticed_by_tcp() -> None:
    """The settings themselves; half a minute is too long for a test. Source: tcp(7), RFC 5482."""
    async with listening() as door, wire(door.address):
        await door.until("connection")
        (connection,) = door.channel._callers
        assert connection._transport is not None
        sock = connection._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15


async def test_more_connections_than_allowed_are_refused() -> None:
    async with listening(limits=MllpLimits(connections=1)) as door, wire(door.address) as first:
        assert msa(await first.ask(message())) == "MSA|AA|MSG00001"
        async with wire(door.address) as second:
            assert await second.ended() == b""
        assert msa(await first.ask(message("B"))) == "MSA|AA|B"


async def test_a_sender_that_reads_no_answers_feels_the_pace() -> None:
    intake = RecordingIntake()
    intake.close_gate()
    async with listening(intake) as door, wire(door.address) as connection:
        connection.writer.write(framed(*[message(body="NTE|1||" + "z" * 60_000 + "\r")] * 200))
        await intake.until(1)
        (serving,) = door.channel._callers
        async with asyncio.timeout(30):
            while not serving._paused:  # noqa: ASYNC110  reading pauses without telling anybody
                await asyncio.sleep(0.001)
        assert serving._reader.held < 1_000_000
        intake.open_gate()
        for _ in range(200):
            assert msa(await connection.read()) == "MSA|AA|MSG00001"


class RelayingIntake(RecordingIntake):
    """Answers with a partner's own answer."""

    def __init__(self, answer: Reply) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, message: object, exchange: Exchange) -> object:  # type: ignore[override]  # a double of one method
        assert isinstance(exchange, Conversation)
        return Receipt(Disposition.ACCEPTED, "01JD0000000000000001", exchange.relay(self._answer))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Reply(
                "AA", b"MSH|^~\\&|IDX|X|SIH|HSJ|20260114093012||RSP^K22|R1|P|2.5\rMSA|AA|OTHER\rQAK|1|OK\r"
            ),
            "MSH|^~\\&|IDX|X|SIH|HSJ|20260114093012||RSP^K22|R1|P|2.5\rMSA|AA|MSG00001\rQAK|1|OK\r",
        ),
        (
            Reply(
                "AE", b"MSH|^~\\&|IDX|X|SIH|HSJ|20260114093012||RSP^K22|R1|P|2.5\rMSA|AE|MSG00001\rQAK|1|AE\r"
            ),
            "MSH|^~\\&|IDX|X|SIH|HSJ|20260114093012||RSP^K22|R1|P|2.5\rMSA|AE|MSG00001\rQAK|1|AE\r",
        ),
    ],
)
async def test_a_partners_own_answer_is_relayed_under_the_senders_id(answer: Reply, expected: str) -> None:
    async with listening(RelayingIntake(answer)) as door, wire(door.address) as connection:
        assert (await connection.ask(message(kind="QBP^Q22"))).decode() == expected


@pytest.mark.parametrize(("commit", "application"), [(b"CA", "AA"), (b"CE", "AE"), (b"CR", "AR")])
async def test_a_partners_commit_is_relayed_as_the_applications_word(commit: bytes, application: str) -> None:
    said = b"MSH|^~\\&|IDX|X|SIH|HSJ|20260114093012||ACK|R1|P|2.5\rMSA|" + commit + b"|OTHER\r"
    async with listening(RelayingIntake(Reply("CA", said))) as door, wire(door.address) as connection:
        assert msa(await connection.ask(message())).startswith(f"MSA|{application}|MSG00001")


async def test_an_answer_in_another_language_is_relayed_as_an_acknowledgement() -> None:
    async with (
        listening(RelayingIntake(Reply("200", b'{"ok": true}'))) as door,
        wire(door.address) as connection,
    ):
        assert msa(await connection.ask(message())) == "MSA|AA|MSG00001"
