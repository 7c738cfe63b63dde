"""UC-09.2 A3: the queue takes over, then a notice by mail; when all fail, a dead letter and one alert."""

from __future__ import annotations

import json
from pathlib import Path

import aio_pika

from engine.model import State
from engine.store.protocol import Operation, Verb
from tests.journeys.house import House, Plan, house, until, webhook
from tests.peers.emr import BAD_REQUEST, OK, emr
from tests.peers.rabbitmq import RabbitMQ
from tests.peers.smtp import MailServer, smtp

SHORT = "retry: {backoff: 50ms..100ms, for: 300ms}"
PATIENT = ("Tremblay", "Camille", "TEST-0001", "RDV-", "1980-02-29", "555 0142")


def queue(broker: RabbitMQ, name: str) -> str:
    """Return the YAML of a clinic's quorum queue."""
    return f'{{amqp: "{broker.url}", queue: {name}, declare: true, phi: full, {SHORT}}}'


def relay(mail: MailServer) -> str:
    """Return the YAML of the mail relay."""
    return f"connections: {{relay: {{smtp: 127.0.0.1:{mail.port}, starttls: required, tls: engine}}}}"


MAIL = "{smtp: rdv@clinique-abc.example, phi: none, " + SHORT + "}"


async def taken(broker: RabbitMQ, name: str) -> aio_pika.abc.AbstractIncomingMessage:
    """Take one message from a queue."""
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        found = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        message = await found.get(timeout=10)
        await message.ack()
        return message


async def test_by_capability_a_clinic_without_a_server_gets_it_on_its_queue(
    tmp_path: Path, dev_certs: Path, shared_broker: RabbitMQ
) -> None:
    name = shared_broker.fresh_name("clinic")
    async with house(tmp_path, dev_certs, Plan({"queue": queue(shared_broker, name)})) as here:
        _, answer = await here.post(here.event())
        (row,) = await here.ended()
        message = await taken(shared_broker, name)
    assert row.delivery.state is State.DELIVERED_BY_FALLBACK
    assert message.message_id == answer["id"]
    assert json.loads(message.body)["appointment"]["id"] == "RDV-1"


async def test_by_availability_the_queue_takes_over_under_the_same_id_when_the_budget_is_spent(
    tmp_path: Path, dev_certs: Path, shared_broker: RabbitMQ
) -> None:
    name = shared_broker.fresh_name("clinic")
    async with emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic:
        plan = Plan({"emr": webhook(clinic, SHORT), "queue": queue(shared_broker, name)})
        async with house(tmp_path, dev_certs, plan) as here:
            _, answer = await here.post(here.event())
            (row,) = await here.ended()
            message = await taken(shared_broker, name)
            attempts = await here.attempts(row)
            told = await here.told()
    assert row.delivery.state is State.DELIVERED_BY_FALLBACK
    assert message.message_id == answer["id"]
    assert attempts[-1].endpoint == "clinique-abc.queue"
    assert len(attempts) >= 2
    assert told == []


async def test_after_a_time_the_queue_takes_over_though_the_budget_is_not_spent(
    tmp_path: Path, dev_certs: Path, shared_broker: RabbitMQ
) -> None:
    name = shared_broker.fresh_name("clinic")
    async with emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic:
        plan = Plan({"emr": webhook(clinic), "queue": queue(shared_broker, name)}, after="700ms")
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            (row,) = await here.ended()
    took = row.settled_ms - row.delivery.accepted_ms
    assert row.delivery.state is State.DELIVERED_BY_FALLBACK
    assert 700 <= took < 30_000


async def test_then_a_notice_without_content_goes_to_the_clinics_mail_address(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with (
        smtp(dev_certs) as mail,
        emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic,
    ):
        gone = '{amqp: "amqp://127.0.0.1:1", queue: gone, phi: full, ' + SHORT + "}"
        plan = Plan({"emr": webhook(clinic, SHORT), "queue": gone, "mail": MAIL}, connections=relay(mail))
        async with house(tmp_path, dev_certs, plan) as here:
            _, answer = await here.post(here.event())
            (sent,) = await mail.wait_for_mails(1)
            (row,) = await here.ended()
    text = sent.raw.decode()
    assert row.delivery.state is State.DELIVERED_BY_FALLBACK
    assert answer["id"] in sent.message["Message-ID"]
    assert sent.tls == "TLSv1.3"
    assert [datum for datum in PATIENT if datum in text] == []
    assert "Une notification vous attend" in str(sent.message["Subject"])


async def test_a_refusal_for_content_is_dead_without_a_fallback(
    tmp_path: Path, dev_certs: Path, shared_broker: RabbitMQ
) -> None:
    name = shared_broker.fresh_name("clinic")
    async with emr(dev_certs, name="clinique-abc", script=[BAD_REQUEST]) as clinic:
        plan = Plan({"emr": webhook(clinic), "queue": queue(shared_broker, name)})
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            (row,) = await here.ended()
            evidence = await here.engine.store.body(
                row.delivery.message, f"evidence:{row.delivery.sequence}:1"
            )
    assert (row.delivery.state, row.delivery.reason) == (State.DEAD, "400")
    assert len(clinic.requests) == 1
    assert evidence is not None
    assert b"unknown practitioner" in evidence.read()


async def dead_letters(here: House, count: int) -> None:
    """Post events of several appointments, all of which end as dead letters."""
    for number in range(count):
        await here.post(here.event(appointment=f"RDV-{number}"))
    await here.ended(count)


async def test_everything_down_is_one_alert_and_one_more_when_it_clears(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with emr(dev_certs, name="clinique-abc", script=[OK], present=False) as clinic:
        plan = Plan({"emr": webhook(clinic, SHORT + ", breaker: {failures: 3, open: 200ms}")}, settle="500ms")
        async with house(tmp_path, dev_certs, plan) as here:
            await dead_letters(here, 3)
            assert await here.told_times(1)
            rows = await here.deliveries()
            await clinic.start()
            for row in rows:
                assert row.delivery.state is State.DEAD
                operation = Operation(
                    Verb.RELEASE, row.delivery.sequence, "test", "repaired", here.engine.clock.now_ms()
                )
                here.engine.control.changed(await here.engine.store.operate(operation))
            await clinic.wait_for_requests(3)
            told = await here.told_times(2)

            async def quiet() -> bool | None:
                return None if here.engine.alerts.open else True

            await until(quiet)
            released = await here.deliveries()
    assert [text.split()[-1] for text in told] == ["opened", "cleared"]
    assert {text.split()[1] for text in told} == {"dead_letter:clinique-abc.emr"}
    assert {row.delivery.state for row in released} == {State.DELIVERED}
    ids = {request.headers["webhook-id"] for request in clinic.requests}
    assert ids == {row.delivery.message_id for row in rows}
