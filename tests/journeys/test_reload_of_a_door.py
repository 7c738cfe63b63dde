"""A reload that changes a listener and the routes that listen there, both at once, leaves it listening."""

from __future__ import annotations

from pathlib import Path

from engine.runtime.receiving.listening import ChannelState
from tests.journeys.house import Plan, house

OTHER = """
route: other
from: {public: POST /v1/other}
to: [clinique-abc.emr]
"""


async def test_a_listener_that_changed_with_its_routes_is_started_anew_once(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with house(tmp_path, dev_certs, Plan({"emr": "{inbox: emr, phi: full}"})) as here:
        config = tmp_path / "config.yaml"
        config.write_text(config.read_text().replace("tls: server}", "tls: server, unmatched: filtered}"))
        (tmp_path / "routes" / "other.yaml").write_text(OTHER)

        changes = await here.engine.reloader.reload(author="test")

        assert changes.renewed == ("public",)
        assert [each.state for each in here.engine.supervisor.health()] == [ChannelState.RUNNING]
        assert (await here.post(here.event()))[0] == 202
