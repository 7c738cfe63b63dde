"""UC-09.2: a clinic that offers only TLS 1.2, or comes from another authority, is refused with a readable cause."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from engine.model import State
from tests.journeys.house import Plan, house, webhook
from tests.peers.emr import OK, emr

SHORT = "retry: {backoff: 50ms..100ms, for: 200ms}"


@pytest.mark.parametrize(
    ("case", "cause"),
    [
        ("tls 1.2", "no TLS 1.3"),
        ("stranger", "not signed by"),
    ],
)
async def test_the_cause_can_be_read(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path, case: str, cause: str
) -> None:
    certs = stranger_certs if case == "stranger" else dev_certs
    newest = ssl.TLSVersion.TLSv1_2 if case == "tls 1.2" else ssl.TLSVersion.TLSv1_3
    async with emr(certs, name="clinique-abc", script=[OK], newest_tls=newest) as clinic:
        plan = Plan({"emr": webhook(clinic, SHORT)})
        async with house(tmp_path, dev_certs, plan) as here:
            await here.post(here.event())
            (row,) = await here.ended()
            attempts = await here.attempts(row)
            probed = await here.engine.control.live.probe("clinique-abc.emr")
    assert row.delivery.state is State.DEAD
    assert clinic.requests == []
    assert cause in attempts[0].remark
    assert any(cause in remark for stage, well, remark in probed if stage == "tls" and not well)
