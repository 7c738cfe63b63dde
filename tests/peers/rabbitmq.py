"""Start a private RabbitMQ node: its own ports, folder, cookie and epmd; the distribution's service is never touched.

`async with rabbitmq() as broker` gives a node to one test, which may stop, kill and start it again in mid-flight. A
start takes five to nine seconds of work, so tests that only need a broker share one by the session fixtures
`shared_broker` and `tls_broker`, and one that stops and starts it takes `broker_to_stop`.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio.to_thread

from engine.security.tls import TlsFiles, client_context
from tests.peers.ports import free_port

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER = PASSWORD = "eng"
START_SECONDS = 90.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05
_HEADER = (
    b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1 4.2.2; the server answers with a method frame, which begins with 1
)


class BrokerFailed(Exception):
    """The broker is not installed, did not start or did not stop; the text says what to do and quotes its log."""


class RabbitMQ:
    """One node, stopped at first; with `tls` it listens by mutual TLS 1.3 only.

    The state survives `stop` and `kill`, so quorum queues and durable messages are there after the next `start`.
    """

    def __init__(self, folder: Path, *, tls: TlsFiles | None = None) -> None:
        self.folder = folder
        self.tls = tls
        self.port = free_port()
        self._node_port = free_port()
        self._epmd_port = free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self._names = 0

    @property
    def url(self) -> str:
        """Where a client connects, credentials included."""
        scheme = "amqps" if self.tls else "amqp"
        return f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{self.port}/"

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that this object started and that have not ended."""
        started = (one for one in (self._epmd, self._node) if one is not None)
        return tuple(one.pid for one in started if one.poll() is None)

    @property
    def is_running(self) -> bool:
        return self._node is not None and self._node.poll() is None

    def fresh_name(self, prefix: str) -> str:
        """Return a name for a queue or an exchange that no other test of this broker uses."""
        self._names += 1
        return f"{prefix}-{self._names}"

    async def start(self) -> None:
        """Start the node and return once it speaks AMQP."""
        await anyio.to_thread.run_sync(self.start_and_wait)

    async def stop(self) -> None:
        """Shut the node down in order and return once it has ended."""
        await anyio.to_thread.run_sync(self.stop_and_wait)

    async def kill(self) -> None:
        """End the node as a power cut would."""
        await anyio.to_thread.run_sync(self.kill_and_wait)

    def start_and_wait(self) -> None:
        if not SERVER.exists():
            raise BrokerFailed(
                f"{SERVER} is missing: this test needs a real RabbitMQ. "
                "Run `make test` as root, or: apt-get install --no-install-recommends rabbitmq-server"
            )
        self._configure()
        environment = self._environment()
        with (self.folder / "output.txt").open("ab") as output:
            if self._epmd is None or self._epmd.poll() is not None:
                self._epmd = _spawn(
                    ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                    environment,
                    output.fileno(),
                )
                self._await_epmd()
            self._node = _spawn([str(SERVER)], environment, output.fileno())
        self._await_amqp(self._node)

    def stop_and_wait(self) -> None:
        self._end_node(signal.SIGTERM)

    def kill_and_wait(self) -> None:
        self._end_node(signal.SIGKILL)

    def close(self) -> None:
        """End the node and the epmd that is private to it, whatever state they are in."""
        try:
            self._end_node(signal.SIGTERM)
        finally:
            if self._epmd is not None:
                _end(self._epmd, signal.SIGTERM)
                self._epmd = None

    def _end_node(self, how: signal.Signals) -> None:
        if self._node is None:
            return
        node, self._node = self._node, None
        _end(node, how)

    def _configure(self) -> None:
        lines = [
            f"default_user={USER}",
            f"default_pass={PASSWORD}",
            f"log.file={self.folder / 'rabbit.log'}",
            "log.console=false",
            "disk_free_limit.absolute=50MB",
        ]
        if self.tls is None:
            lines.append(f"listeners.tcp.1=127.0.0.1:{self.port}")
        else:
            lines += [
                "listeners.tcp=none",
                f"listeners.ssl.1=127.0.0.1:{self.port}",
                f"ssl_options.cacertfile={self.tls.ca}",
                f"ssl_options.certfile={self.tls.cert}",
                f"ssl_options.keyfile={self.tls.key}",
                "ssl_options.verify=verify_peer",
                "ssl_options.fail_if_no_peer_cert=true",
                "ssl_options.versions.1=tlsv1.3",
            ]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.folder / "enabled_plugins").write_text("[].\n")

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_CRASH_DUMP": str(folder / "crash.dump"),
            "RUNNING_UNDER_SYSTEMD": "yes",  # no shell in between: the pid is the broker's own
            "RABBITMQ_NODENAME": f"r{self.port}@127.0.0.1",  # no name to resolve: a bare system may lack /etc/hosts
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_DIST_PORT": str(self._node_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(folder / "feature_flags"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 -setcookie passerelle -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _await_epmd(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._epmd_port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise BrokerFailed(f"epmd does not listen on {self._epmd_port}.\n{self._log()}") from None
            time.sleep(_POLL_SECONDS)

    def _await_amqp(self, node: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._speaks_amqp():
            if node.poll() is not None:
                raise BrokerFailed(f"RabbitMQ ended while starting (exit {node.returncode}).\n{self._log()}")
            if time.monotonic() > deadline:
                raise BrokerFailed(f"RabbitMQ was not ready after {START_SECONDS:.0f} s.\n{self._log()}")
            time.sleep(_POLL_SECONDS)

    def _speaks_amqp(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain:
                if self.tls is None:
                    plain.sendall(_HEADER)
                    return plain.recv(1) == b"\x01"
                with client_context(self.tls).wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                    secure.sendall(_HEADER)
                    return secure.recv(1) == b"\x01"
        except (ConnectionError, TimeoutError, ssl.SSLError):
            return False

    def _log(self) -> str:
        """Quote the end of what the broker wrote: without it a failed start cannot be understood."""
        paths = [self.folder / "output.txt", self.folder / "rabbit.log"]
        return "\n".join(
            f"{path}:\n{path.read_text(errors='replace')[-6000:]}" for path in paths if path.exists()
        )


@contextmanager
def running_rabbitmq(*, tls: TlsFiles | None = None) -> Iterator[RabbitMQ]:
    """Start a node, for code without an event loop (the session fixture); ended and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="passerelle-rabbitmq-"))
    broker = RabbitMQ(folder, tls=tls)
    try:
        broker.start_and_wait()
        yield broker
    finally:
        broker.close()
        shutil.rmtree(folder)


@asynccontextmanager
async def rabbitmq(*, tls: TlsFiles | None = None) -> AsyncIterator[RabbitMQ]:
    """Start a node of one's own, to be stopped, killed and started again; ended and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="passerelle-rabbitmq-"))
    broker = RabbitMQ(folder, tls=tls)
    try:
        await broker.start()
        yield broker
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(broker.close)
        shutil.rmtree(folder)


def _spawn(command: list[str], environment: dict[str, str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, not the broker's
    )


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise BrokerFailed(
            f"process {process.pid} did not end within {STOP_SECONDS:.0f} s of {how.name}"
        ) from None
