"""Fixtures that every room's tests may use: development certificates, and brokers for the whole run."""

import os
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from engine.security.certificates import make_dev_certificates
from tests.peers.rabbitmq import RabbitMQ, running_rabbitmq
from tests.security.handshakes import files_of

# How long one example takes says what else the machine does; and `make test` tries the same examples every time, so
# that a change is judged by itself: `make soak` is what looks for examples that nobody has seen.
settings.register_profile("passerelle", deadline=None, derandomize=True)
settings.load_profile("passerelle")

# Whoever makes a TLS context reads the system's 140 authorities, 70 ms each time, twice in every process that imports
# aiohttp. Tests trust none of them: what a test trusts, it names. Set before the first import that makes one.
os.environ["SSL_CERT_FILE"] = os.devnull
os.environ["SSL_CERT_DIR"] = os.devnull

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and every child inherits it: Ctrl-C could not be tried.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Who ends a run by SIGTERM, as `timeout` does, wants its servers ended too: fixtures end them as after Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)

TESTS = Path(__file__).parent
ALONE = frozenset({"crash", "disk", "power"})
"""Rooms that kill, fill or cut what they test: one after the other, or they would take each other's time."""
FIRST = (*sorted(ALONE), "mutants")
"""What takes longest begins first, so that the processes of `make test` end together."""

BROKERS = frozenset({"shared_broker", "tls_broker"})
"""A broker takes nine seconds of work to start: the files that share one are one group."""

CLINICS = ("clinique-abc", "clinique-def", "clinique-ghi")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the long rooms to the front, and name what one process runs as a whole: a room of faults, or a file."""
    rooms = {path: path.relative_to(TESTS).parts[0] for path in {item.path for item in items}}
    items.sort(key=lambda item: FIRST.index(rooms[item.path]) if rooms[item.path] in FIRST else len(FIRST))
    if not config.pluginmanager.hasplugin("xdist"):
        return
    brokered = {item.path for item in items if not BROKERS.isdisjoint(getattr(item, "fixturenames", ()))}
    groups = {path: _group(path, room, brokered) for path, room in rooms.items()}
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))


def _group(path: Path, room: str, brokered: Collection[Path]) -> str:
    if room in ALONE:
        return "faults"
    if room in FIRST:
        return room
    return "brokers" if path in brokered else path.relative_to(TESTS).as_posix()


@pytest.fixture(scope="session")
def dev_certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `passerelle certs dev` makes it: ca, engine, and a pair and a `.whsec` per clinic. Read only."""
    folder = tmp_path_factory.mktemp("certs")
    make_dev_certificates(folder, CLINICS)
    return folder


@pytest.fixture(scope="session")
def stranger_certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same names from an authority that nobody trusts."""
    folder = tmp_path_factory.mktemp("strangers")
    make_dev_certificates(folder, CLINICS)
    return folder


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[RabbitMQ]:
    """One RabbitMQ for all tests that neither stop it nor count its queues; take names from `fresh_name`."""
    with running_rabbitmq() as broker:
        yield broker


@pytest.fixture
def broker_to_stop(shared_broker: RabbitMQ) -> Iterator[RabbitMQ]:
    """The shared broker for a test that stops and starts it; whatever came of it, it runs for the tests after."""
    yield shared_broker
    if not shared_broker.is_running:
        shared_broker.start_and_wait()


@pytest.fixture(scope="session")
def tls_broker(dev_certs: Path) -> Iterator[RabbitMQ]:
    """One RabbitMQ by mutual TLS 1.3, with the engine's certificate, for all tests that do not stop it."""
    with running_rabbitmq(tls=files_of(dev_certs, "engine")) as broker:
        yield broker
