"""UC-09.2: RabbitMQ is stopped and started again in mid-flight, on the way in and on the way out; nothing is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aio_pika

from engine.model import State
from tests.journeys.house import House, Plan, house, until
from tests.peers.rabbitmq import RabbitMQ

COUNT = 60
ROUTE = "from: {public: POST /v1/appointments}"


async def publish(broker: RabbitMQ, queue: str, here: House, numbers: range) -> None:
    """Put events on the platform's queue, confirmed."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        for number in numbers:
            event = here.event(appointment=f"RDV-{number}")
            message = aio_pika.Message(
                json.dumps(event).encode(),
                content_type="application/cloudevents+json",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=event["id"],
            )
            await channel.default_exchange.publish(message, routing_key=queue)


async def drained(broker: RabbitMQ, queue: str, count: int) -> list[str]:
    """Take `count` messages from a queue and return their ids."""
    ids: list[str] = []
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        async with asyncio.timeout(30), found.iterator() as messages:
            async for message in messages:
                await message.ack()
                ids.append(message.message_id or "")
                if len(set(ids)) >= count:
                    break
    return ids


async def test_nothing_is_lost_and_every_copy_bears_the_same_id(
    broker_to_stop: RabbitMQ, tmp_path: Path, dev_certs: Path
) -> None:
    broker, into, out_of = broker_to_stop, broker_to_stop.fresh_name("in"), broker_to_stop.fresh_name("out")
    out = f'{{amqp: "{broker.url}", queue: {out_of}, declare: true, phi: full}}'
    inlet = f'  bus: {{amqp: "{broker.url}", queue: {into}, prefetch: 10, partner: platform}}\n'
    plan = Plan(
        {"queue": out},
        route=lambda text: text.replace(ROUTE, "from: [{public: POST /v1/appointments}, bus]"),
    )
    config = plan.write(tmp_path, dev_certs, 0)
    config.write_text(config.read_text().replace("listen:\n", "listen:\n" + inlet))
    async with house(tmp_path, dev_certs, plan) as here:
        await publish(broker, into, here, range(COUNT // 2))

        async def some_delivered() -> bool | None:
            rows = await here.deliveries()
            return True if any(row.delivery.state.terminal for row in rows) else None

        await until(some_delivered)
        await broker.stop()
        await broker.start()
        await publish(broker, into, here, range(COUNT // 2, COUNT))
        rows = await here.ended(COUNT, seconds=60)
        ids = await drained(broker, out_of, COUNT)
        tally = await here.engine.store.tally()

    assert {row.delivery.state for row in rows} == {State.DELIVERED_BY_FALLBACK}
    assert len(rows) == COUNT
    assert set(ids) == {row.delivery.message_id for row in rows}
    assert len(ids) <= COUNT + sum(row.delivery.unknown for row in rows)
    assert tally.conserved
