"""The broker starts, survives stop and kill, and leaves no process, port or folder behind."""

import contextlib
import ssl
from pathlib import Path

import aio_pika
import pytest

from engine.security.tls import TlsFiles, client_context
from tests.peers import rabbitmq as brokers
from tests.peers.ports import listens
from tests.peers.rabbitmq import BrokerFailed, RabbitMQ, rabbitmq
from tests.security.handshakes import files_of


def processes_that_mention(text: str) -> list[int]:
    """Return the pids whose environment holds the text; a broker's children inherit its folder as HOME."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


async def publish(url: str, queue: str, body: bytes) -> None:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(queue, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue, mandatory=True, timeout=10)


async def take(url: str, queue: str) -> bytes:
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        channel = await connection.channel()
        declared = await channel.declare_queue(queue, passive=True)
        message = await declared.get(timeout=10)
        assert message is not None
        await message.ack()
        return message.body


async def test_the_shared_broker_confirms_and_gives_back(shared_broker: RabbitMQ) -> None:
    queue = shared_broker.fresh_name("appointments")
    await publish(shared_broker.url, queue, b"one")
    assert await take(shared_broker.url, queue) == b"one"
    assert shared_broker.fresh_name("appointments") != queue


async def test_a_broker_of_ones_own_survives_stop_and_kill_and_leaves_nothing_behind() -> None:
    async with rabbitmq() as broker:
        folder = broker.folder
        await publish(broker.url, "q", b"kept")
        await broker.stop()
        assert not listens(broker.port)
        await broker.start()
        assert await take(broker.url, "q") == b"kept"
        await publish(broker.url, "q", b"kept again")
        await broker.kill()
        assert not listens(broker.port)
        await broker.start()
        assert await take(broker.url, "q") == b"kept again"
    assert broker.pids == ()
    assert processes_that_mention(str(folder)) == []
    assert not folder.exists()


async def test_a_broker_by_mutual_tls_refuses_who_has_no_certificate(
    tls_broker: RabbitMQ, dev_certs: Path
) -> None:
    known = client_context(files_of(dev_certs, "clinique-abc"))
    connection = await aio_pika.connect(tls_broker.url, ssl_context=known, timeout=10)
    await connection.close()
    with pytest.raises((aio_pika.exceptions.AMQPConnectionError, ssl.SSLError, ConnectionError)):
        await aio_pika.connect(
            tls_broker.url, ssl_context=client_context(TlsFiles(ca=dev_certs / "ca.pem")), timeout=10
        )


async def test_a_missing_broker_is_a_failure_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(brokers, "SERVER", tmp_path / "rabbitmq-server")
    with pytest.raises(BrokerFailed, match="apt-get install --no-install-recommends rabbitmq-server"):
        await RabbitMQ(tmp_path).start()


async def test_a_broker_that_cannot_start_quotes_its_log(tmp_path: Path) -> None:
    absent = TlsFiles(tmp_path / "absent.pem", tmp_path / "absent.key", tmp_path / "absent-ca.pem")
    with (
        contextlib.closing(RabbitMQ(tmp_path, tls=absent)) as broker,
        pytest.raises(BrokerFailed, match=r"(?s)ended while starting.*failed_to_prepare_configuration"),
    ):
        await broker.start()
    assert processes_that_mention(str(tmp_path)) == []
