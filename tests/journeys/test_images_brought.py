"""A study that is fetched by C-GET is told of as a whole, once, like one that a modality sends."""

from __future__ import annotations

import json
from pathlib import Path

from engine.model import State
from tests.channels.dicom_query.asked import written
from tests.journeys.hospital import hospital
from tests.journeys.test_dicomweb import FETCH, ask, posted
from tests.peers.dcmqrscp import dcmqrscp

CONFIG = """
listen:
  ask: {{rest: "127.0.0.1:0"}}
  images: {{dicom: "127.0.0.1:0", unmatched: filtered, group: {{by: study, quiet: 1s}}}}
partners:
  pacs:
    endpoints:
      fetch: {{dicom_query: "127.0.0.1:{port}", ae_title: ARCHIVE, ask: get, into: images, phi: full}}
  clinic: {{endpoints: {{studies: {{inbox: studies, phi: full}}}}}}
"""
STUDIES = """
route: studies
from: {images: study}
accept: {events: [imaging-study-stored]}
to: [clinic.studies]
"""


async def test_a_study_that_is_fetched_is_told_of_once(tmp_path: Path) -> None:
    async with dcmqrscp(tmp_path) as pacs:
        await pacs.store(*written(tmp_path, 3))
        routes = {"fetch": FETCH, "studies": STUDIES}
        async with hospital(tmp_path, CONFIG.format(port=pacs.port), routes) as engine:
            fetched = await ask(engine, "ask", posted("/fetch", match={"StudyInstanceUID": "2.25.100"}))
            assert fetched.status == 202
            [row] = await engine.ended(1, route="studies")
            body = await engine.engine.store.body(row.delivery.message, "raw")

    assert row.delivery.state is State.DELIVERED
    assert body is not None
    event = json.loads(body.read())
    assert (event["type"], event["id"]) == ("imaging-study-stored", "2.25.100/1")
    assert event["data"]["study"]["instanceCount"] == 3
