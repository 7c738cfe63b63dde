"""Images by the web: stored at the engine, carried on to an archive, searched and fetched by who may, and asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.model import State
from tests.channels.dicom_query.asked import written
from tests.channels.dicomweb.archive import archive
from tests.channels.dicomweb.fetching import dechunked, parts_of
from tests.channels.dicomweb.instances import STUDY, get, instance, related, stow
from tests.channels.http.wire import Got, post, wire
from tests.journeys.hospital import Hospital, hospital
from tests.peers.dcmqrscp import dcmqrscp

CONFIG = """
listen:
  web: {{dicomweb: "127.0.0.1:0", partner: radiology, read: [radiology], root: /dicom-web}}
partners:
  radiology: {{}}
  pacs: {{endpoints: {{web: {{dicomweb: "{url}/dicom-web", phi: full}}}}}}
"""
ROUTE = "route: images\nfrom: web\nto: [pacs.web]\n"

ASKED = """
listen:
  ask: {{rest: "127.0.0.1:0"}}
  images: {{dicom: "127.0.0.1:0"}}
partners:
  pacs:
    endpoints:
      find: {{dicom_query: "127.0.0.1:{port}", ae_title: ARCHIVE, phi: full}}
      fetch: {{dicom_query: "127.0.0.1:{port}", ae_title: ARCHIVE, ask: get, into: images, phi: full}}
  clinic: {{endpoints: {{web: {{dicomweb: "{url}/dicom-web", phi: full}}}}}}
"""
FIND = "route: find\nfrom: {ask: POST /find}\nacknowledge: delivered\nto: [pacs.find]\n"
FETCH = "route: fetch\nfrom: {ask: POST /fetch}\nto: [pacs.fetch]\n"
BROUGHT = "route: brought\nfrom: images\nto: [clinic.web]\n"


async def ask(engine: Hospital, listener: str, request: bytes) -> Got:
    async with wire(engine.engine.supervisor.addresses[listener]) as client:
        await client.write(request)
        got = await client.read()
        if got.headers.get("transfer-encoding") != "chunked":
            return got
        return Got(got.status, got.headers, await dechunked(client))


async def test_what_was_stored_is_carried_on_found_fetched_and_journalled(tmp_path: Path) -> None:
    files = {f"2.25.{number}": instance(f"2.25.{number}", pixels=200_000) for number in (1, 2)}
    async with (
        archive() as pacs,
        hospital(tmp_path, CONFIG.format(url=pacs.server.url), {"images": ROUTE}) as engine,
    ):
        stored = await ask(engine, "web", stow(related(*files.values()), path="/dicom-web/studies"))
        assert stored.status == 200
        again = await ask(engine, "web", stow(related(files["2.25.1"]), path="/dicom-web/studies"))
        assert again.status == 200, "a copy is no news"
        rows = await engine.ended(2)
        assert [row.delivery.state for row in rows] == [State.DELIVERED] * 2
        assert len(await pacs.accepted()) == 2

        found = await ask(engine, "web", get("/dicom-web/studies?PatientID=TEST0001&PatientName=essai*"))
        assert [each["0020000D"]["Value"] for each in found.json] == [[STUDY]]
        assert found.json[0]["00201208"]["Value"] == [2]
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        fetched = await ask(engine, "web", get(f"/dicom-web/studies/{STUDY}", accept=accept))
        contents = [content for _, content in parts_of(fetched)]
        assert [each[-200_000:] for each in contents] == [each[-200_000:] for each in files.values()]

        journal = await engine.engine.store.journal.rows()
        seen = [(row.action, row.actor) for row in journal if row.action.startswith("images-")]
        assert seen == [
            ("images-searched", "partner:radiology"),
            ("images-read", "partner:radiology"),
        ]
        (read,) = [row for row in journal if row.action == "images-read"]
        assert set(read.detail.split()[2:]) == {row.delivery.message_id for row in rows}


async def test_a_question_by_rest_is_answered_by_the_archive_and_a_study_brought(tmp_path: Path) -> None:
    routes = {"find": FIND, "fetch": FETCH, "brought": BROUGHT}
    async with dcmqrscp(tmp_path) as pacs, archive() as clinic:
        await pacs.store(*written(tmp_path, 3))
        config = ASKED.format(port=pacs.port, url=clinic.server.url)
        async with hospital(tmp_path, config, routes) as engine:
            found = await ask(engine, "ask", posted("/find", match={"PatientID": "TEST0001"}))
            assert found.status == 200
            assert [each["0020000D"]["Value"] for each in found.json["results"]] == [["2.25.100"]]
            wrong = await ask(engine, "ask", posted("/find", match={"NoSuchKeyword": "1"}))
            assert wrong.status == 502, "the archive could not be asked that"
            fetched = await ask(engine, "ask", posted("/fetch", match={"StudyInstanceUID": "2.25.100"}))
            assert fetched.status == 202
            await engine.ended(3, route="brought")
            assert len(await clinic.accepted()) == 3


def posted(path: str, **question: Any) -> bytes:
    return post(json.dumps(question).encode(), path=path)
