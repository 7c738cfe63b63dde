"""Who may come without TLS: addresses in the networks of a written exception, however the kernel writes them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from channels._tcp.caller import REFUSED_PLAINTEXT, caller_of, listed

NETWORKS = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3:4000", True),
        ("10.2.2.3:4000", False),
        ("[::ffff:10.1.2.3]:4000", True),
        ("[::ffff:10.2.2.3]:4000", False),
        ("[fd00::1%eth0]:4000", True),
        ("[fe80::1%eth0]:4000", False),
    ],
)
def test_an_address_is_in_the_networks_however_it_is_written(address: str, expected: bool) -> None:
    assert listed(address, NETWORKS) is expected
    caller = caller_of(None, address, identify=lambda certificate: None, plaintext=NETWORKS)
    assert caller.refusal == ("" if expected else REFUSED_PLAINTEXT)
    assert caller.place == address.rpartition(":")[0]
