"""Answers that are none, partners that misbehave, and messages that cannot be sent: never a wrong delivery."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from channels.mllp.endpoint import AckTable, MllpTimeouts
from channels.mllp.settings import FrameConfig
from engine.errors import MalformedMessage, Rejected, Transient
from engine.testing.peers_mllp import framed, mllp_peer
from tests.channels.mllp.sending import Confirmations, attempt, endpoint
from tests.channels.mllp.wire import message

ACK = b"MSH|^~\\&|RIS|IMAGERIE|SIH|HSJ|20260114093012||ACK|R1|P|2.5.1\rMSA|%s|%s\r"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"OK", "garbage"),
        (b"", "garbage"),
        (b"MSH|^~\\&|RIS\rPID|1\r", "garbage"),
        (ACK % (b"XX", b"MSG00001"), "garbage"),
        (ACK % (b"", b"MSG00001"), "garbage"),
        (ACK % (b"AA", b"OTHER"), "wrong_ack"),
        (ACK % (b"CA", b"OTHER"), "wrong_ack"),
        (ACK % (b"AA", b""), "wrong_ack"),
        (ACK % (b"AA", b"MSG0000"), "wrong_ack"),
        (ACK % (b"AA", b"MSG000011"), "wrong_ack"),
    ],
    ids=[
        "text",
        "nothing",
        "no-msa",
        "unknown-code",
        "no-code",
        "another",
        "another-commit",
        "no-id",
        "shorter",
        "longer",
    ],
)
async def test_what_is_not_its_own_answer_leaves_an_unknown_outcome(answer: bytes, code: str) -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        peer.script = lambda received: [answer]
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message()))
        assert (caught.value.sent, caught.value.code) == (True, code)
        assert caught.value.reply is not None
        assert caught.value.reply.body == answer, "what was said instead is evidence"
        peer.script = None
        await channel.send(attempt(message()))
        if code == "wrong_ack":
            assert peer.opened() == 2, "a connection that answered for another message was used again"


async def test_bytes_outside_of_a_frame_leave_an_unknown_outcome() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        peer.script = lambda received: []
        task = asyncio.create_task(channel.send(attempt(message())))
        await peer.until_reached()
        for writer in peer._writers:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(Transient) as caught:
            await task
        assert (caught.value.sent, caught.value.code) == (True, "garbage")


async def test_an_answer_without_an_end_is_cut_off_at_the_limit() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        peer.script = lambda received: [b"y" * (2**20 + 1)]
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message()))
        assert (caught.value.sent, caught.value.code) == (True, "garbage")


async def test_an_answer_that_comes_after_its_time_reaches_nobody() -> None:
    confirm = Confirmations()
    timeouts = MllpTimeouts(reply=timedelta(seconds=0.1))
    async with mllp_peer() as peer, endpoint(peer.port, timeouts=timeouts, confirm=confirm) as channel:
        peer.script = lambda received: []
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message("LATE")))
        assert (caught.value.sent, caught.value.code) == (True, "timeout")
        peer.script = lambda received: [ACK % (b"AR", b"NEXT")]
        peer.say(ACK % (b"AA", b"LATE"))
        with pytest.raises(Rejected):
            await channel.send(attempt(message("NEXT")))
        assert peer.opened() == 2, "a connection that timed out was used again"


async def test_an_answer_that_is_given_twice_says_nothing_new() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        peer.script = lambda received: [ACK % (b"AA", b"MSG00001")] * 2
        await channel.send(attempt(message()))
        peer.script = lambda received: [ACK % (b"AA", b"MSG00002")]
        assert (await channel.send(attempt(message("MSG00002")))).code == "AA"
        assert peer.opened() == 1


async def test_a_partner_that_repeats_no_id_is_answered_in_turn_where_the_endpoint_says_so() -> None:
    table = AckTable(match="in_turn", reason="the analyser leaves MSA-2 empty")
    async with mllp_peer() as peer, endpoint(peer.port, ack=table) as channel:
        peer.script = lambda received: [ACK % (b"AA", b"")]
        assert (await channel.send(attempt(message()))).code == "AA"
        peer.script = lambda received: [ACK % (b"AR", b"whatever")]
        with pytest.raises(Rejected):
            await channel.send(attempt(message()))


async def test_in_turn_an_answer_beyond_the_turn_ends_the_connection() -> None:
    table = AckTable(match="in_turn", reason="the analyser leaves MSA-2 empty")
    async with mllp_peer() as peer, endpoint(peer.port, ack=table) as channel:
        peer.script = lambda received: [ACK % (b"AA", b"")] * 2
        await channel.send(attempt(message()))
        async with asyncio.timeout(30):
            while peer.live():  # noqa: ASYNC110  the partner tells nobody that it was left
                await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{}", "malformed"),
        (message(""), "no_control_id"),
        (message(body="OBX|1|ST|x||a\x1c\rb\r"), "unframeable"),
    ],
)
async def test_what_cannot_be_sent_is_rejected_before_it_is(content: bytes, code: str) -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        with pytest.raises(Rejected) as caught:
            await channel.send(attempt(content))
        assert caught.value.code == code
        assert isinstance(caught.value, MalformedMessage) == (code == "malformed")
        assert not peer.received


async def test_an_endpoints_character_set_is_written_and_named() -> None:
    sent = message(charset="UNICODE UTF-8", body="PID|1||1||Côté^Zoé\r")
    async with mllp_peer() as peer, endpoint(peer.port, charset="8859/1") as channel:
        await channel.send(attempt(sent))
        assert peer.received[0] == message(charset="8859/1", body="") + "PID|1||1||Côté^Zoé\r".encode(
            "latin-1"
        )


async def test_what_the_partners_character_set_lacks_is_dead_or_made_plainer() -> None:
    sent = message(charset="UNICODE UTF-8", body="PID|1||1||Cœur\r")
    async with mllp_peer() as peer:
        async with endpoint(peer.port, charset="8859/1") as channel:
            with pytest.raises(Rejected):
                await channel.send(attempt(sent))
            assert not peer.received
        async with endpoint(peer.port, charset="8859/1", unmappable="transliterate") as channel:
            await channel.send(attempt(sent))
            assert peer.received[0].endswith(b"PID|1||1||Coeur\r")


async def test_commit_blocks_are_no_answers() -> None:
    async with mllp_peer() as peer, endpoint(peer.port, commit_bytes=True) as channel:
        peer.script = lambda received: [b"\x06", ACK % (b"AA", b"MSG00001")] if len(received) > 1 else []
        reply = await channel.send(attempt(message()))
        assert reply.code == "AA"
        async with asyncio.timeout(30):
            while len(peer.received) < 2:  # noqa: ASYNC110  the partner tells nobody what it received
                await asyncio.sleep(0.001)
        assert peer.received[1] == b"\x06", "the partner's acknowledgement is answered by a block too"


async def test_a_commit_block_is_enough_where_no_other_answer_is_due() -> None:
    async with mllp_peer() as peer, endpoint(peer.port, commit_bytes=True) as channel:
        peer.script = lambda received: [b"\x06"]
        assert (await channel.send(attempt(message(accept="NE", application="NE")))).code == "ACK"


async def test_a_negative_commit_block_is_tried_again() -> None:
    async with mllp_peer() as peer, endpoint(peer.port, commit_bytes=True) as channel:
        peer.script = lambda received: [b"\x15"]
        with pytest.raises(Transient) as caught:
            await channel.send(attempt(message()))
        assert (caught.value.sent, caught.value.code) == (False, "nak")


async def test_an_idle_connection_is_closed() -> None:
    timeouts = MllpTimeouts(idle=timedelta(seconds=0.1))
    async with mllp_peer() as peer, endpoint(peer.port, timeouts=timeouts) as channel:
        await channel.send(attempt(message()))
        async with asyncio.timeout(30):
            while peer.live():  # noqa: ASYNC110  the partner tells nobody that it was left
                await asyncio.sleep(0.001)


async def test_one_connection_serves_many_messages() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        for number in range(20):
            await channel.send(attempt(message(f"M{number}")))
        assert peer.opened() == 1
        assert [arrival.message_id for arrival in await peer.arrivals()] == [f"M{n}" for n in range(20)]


async def test_messages_side_by_side_have_a_connection_each() -> None:
    async with mllp_peer() as peer, endpoint(peer.port) as channel:
        peer.script = lambda received: [] if b"|FIRST|" in received else [ACK % (b"AA", b"SECOND")]
        first = asyncio.create_task(channel.send(attempt(message("FIRST"))))
        await peer.until_reached()
        assert (await channel.send(attempt(message("SECOND")))).code == "AA"
        assert peer.opened() == 2
        peer.say(ACK % (b"AA", b"FIRST"))
        assert (await first).code == "AA"


async def test_other_frame_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x03")
        writer.write(b"\x02" + ACK % (b"AA", b"MSG00001") + b"\x03")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        frame = FrameConfig(start=b"\x02", end=b"\x03", tail=b"")
        async with endpoint(port, frame=frame) as channel:
            assert (await channel.send(attempt(message()))).code == "AA"


def test_the_scripted_partner_frames_as_the_standard_says() -> None:
    assert framed(b"x") == b"\x0bx\x1c\x0d"
