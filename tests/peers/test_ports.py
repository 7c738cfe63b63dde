"""Ports are free, private to this process, and below those that outgoing connections use."""

from tests.peers.ports import HIGHEST, LOWEST, free_port, listens


def test_ports_are_below_45000_free_and_never_given_twice() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(LOWEST <= port <= HIGHEST < 45_000 for port in ports)
    assert not any(listens(port) for port in ports)
