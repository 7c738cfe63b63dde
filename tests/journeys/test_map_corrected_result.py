"""A corrected result reaches the clinic as FHIR, after the one that it corrects."""

from __future__ import annotations

import json
from pathlib import Path

from tests.journeys.events import resource, result
from tests.journeys.test_map_subscribers import town
from tests.peers.emr import FAILED, OK


async def test_a_corrected_result_follows_the_one_that_it_corrects(tmp_path: Path) -> None:
    wish = "{events: laboratory-result-available, endpoint: emr, as: fhir}"
    async with town(tmp_path, "labo", "results", "laboratory-result", wish) as (engine, one, _, _):
        one.script = [FAILED, OK]
        await engine.sent(
            "labo", result("R1", status="F", value="5.90"), result("R2", status="C", value="4.20")
        )
        await engine.ended(2)
    bodies = [json.loads(each.body, parse_float=str) for each in one.requests]
    assert [resource(body, "DiagnosticReport")["status"] for body in bodies] == [
        "final",
        "final",
        "corrected",
    ]
    assert resource(bodies[-1], "Observation")["status"] == "corrected"
    assert resource(bodies[-1], "Observation")["valueQuantity"]["value"] == "4.20"
