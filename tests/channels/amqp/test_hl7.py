"""HL7 v2 through a broker, byte for byte: published with its content type, taken in with its sender's id."""

from __future__ import annotations

from pathlib import Path

import pytest

from channels.amqp.model import AmqpEndpoint
from channels.amqp.outbound import AmqpOutbound
from engine.model import Attempt, Body
from engine.testing.channels import RecordingIntake, channel_context
from tests.channels.amqp.test_inbound import admin, consuming, publish
from tests.peers.rabbitmq import RabbitMQ

ER7 = "x-application/hl7-v2+er7"
MESSAGE = b"MSH|^~\\&|ADT|HSJ^1.2^ISO|RIS|LABO|20260114||ADT^A01|MSG00001|P|2.3\rPID|1||\xe9\r"


async def test_a_message_goes_through_a_broker_byte_for_byte(shared_broker: RabbitMQ, tmp_path: Path) -> None:
    intake = RecordingIntake()
    async with consuming(shared_broker.url, intake, tmp_path, queue="hl7-through"):
        config = AmqpEndpoint.model_validate({"amqp": shared_broker.url, "queue": "hl7-through"})
        async with AmqpOutbound(config, channel_context(tmp_path)) as channel:
            body = Body.of(MESSAGE, ER7)
            attempt = Attempt(1, "01JD0000000000000001", 1, "a.b", body, ER7, 5.0, kind="ADT^A01")
            assert (await channel.send(attempt)).code == "ack"
        await intake.until(1)
    (message,) = intake.messages
    assert message.body.read() == MESSAGE
    assert (message.codec, message.content_type, message.control_id) == ("hl7v2", ER7, "MSG00001")
    assert (message.meta["application"], message.meta["facility"]) == ("ADT", "HSJ")
    assert message.meta["type"] == "ADT^A01"


@pytest.mark.parametrize(
    ("content_type", "codec", "control_id"),
    [
        ("application/hl7-v2; charset=windows-1252", "hl7v2", "MSG00001"),
        ("application/json", "json", "m-1"),
    ],
)
async def test_the_content_type_says_what_it_is(
    shared_broker: RabbitMQ, tmp_path: Path, content_type: str, codec: str, control_id: str
) -> None:
    intake = RecordingIntake()
    async with (
        consuming(shared_broker.url, intake, tmp_path, queue=f"hl7-{codec}"),
        admin(shared_broker) as broker,
    ):
        await publish(broker, f"hl7-{codec}", MESSAGE, content_type=content_type, message_id="m-1")
        await intake.until(1)
    assert (intake.messages[0].codec, intake.messages[0].control_id) == (codec, control_id)


async def test_a_listener_that_says_hl7_takes_any_content_type(
    shared_broker: RabbitMQ, tmp_path: Path
) -> None:
    intake = RecordingIntake()
    async with (
        consuming(shared_broker.url, intake, tmp_path, queue="hl7-said", codec="hl7v2"),
        admin(shared_broker) as broker,
    ):
        await publish(broker, "hl7-said", b"bonjour", message_id="m-2")
        await intake.until(1)
    assert (intake.messages[0].codec, intake.messages[0].control_id) == ("hl7v2", "m-2")
