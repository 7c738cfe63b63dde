"""Images on: what a modality stored reaches the archive once, also when the archive was down, held or forgetful."""

from __future__ import annotations

import shutil
from pathlib import Path

from channels._dicom.commands import Command
from channels.dicom.commitment.information import NO_SUCH_INSTANCE, Reference, Report, write_report
from engine.model import State
from tests.channels.dicom.archive import IMPLICIT, Connection, archive
from tests.channels.dicom.instances import CT
from tests.channels.dicom.test_commitment_out import Provider, all_committed, told
from tests.channels.dicom.test_outbound_peers import pair
from tests.journeys.house import until
from tests.journeys.imaging import imaging, sent, study, written
from tests.peers.orthanc import Orthanc, orthanc
from tests.peers.ports import free_port

COMMITS = "confirm: storage_commitment"
REPORTS = 'reports: {{dicom: "127.0.0.1:{port}", confirmations: true, callers: {{{title}: pacs}}}}'


async def test_an_archive_that_is_down_for_a_while_gets_all_studies_once(tmp_path: Path) -> None:
    (tmp_path / "orthanc").mkdir()
    first, second, third = study(101, 4), study(102, 4, pixels=300_000), study(103, 2)
    async with orthanc(tmp_path / "orthanc", aet="STORE") as pacs:
        async with imaging(tmp_path, written(pacs.dicom_port)) as engine:
            await sent(engine, tmp_path, first)
            await pacs.until_stored(4)
            await pacs.kill()
            await sent(engine, tmp_path, second)
            await engine.in_state(State.RETRYING)
            await sent(engine, tmp_path, third)
            await pacs.start()
            rows = await engine.ended(10)
            assert {row.delivery.state for row in rows} == {State.DELIVERED}
            arrived = [each for row in rows for each in await engine.attempts(row) if each.code == "0000"]
            assert len(arrived) == 10, "each was taken once"
        assert set(await pacs.instances()) == {*first, *second, *third}


async def test_images_are_held_and_released(tmp_path: Path) -> None:
    async with archive() as pacs, imaging(tmp_path, written(pacs.port, title="ARCHIVE")) as engine:
        gates = engine.engine.gates
        await gates.hold("pacs", None, actor="uid:0")
        await sent(engine, tmp_path, study(104, 3))
        rows = await engine.rows()
        assert [row.delivery.state for row in rows] == [State.PENDING] * 3
        assert pacs.accepted_count == 0
        await gates.release("pacs", actor="uid:0")
        await engine.ended(3)
        assert len(pacs.kept) == 3


async def test_a_route_says_how_urgent_its_images_are(tmp_path: Path) -> None:
    urgent = "route: images\nfrom: images\nto: [{endpoint: pacs.archive, priority: high}]\n"
    async with archive() as pacs:
        config = written(pacs.port, title="ARCHIVE")
        async with imaging(tmp_path, config, route=urgent) as engine:
            await sent(engine, tmp_path, study(110, 1))
            await engine.ended(1)
        assert [each.command.number(0x0700) for each in pacs.kept] == [1]


# ------------------------------------------------------------- storage commitment


def modality(port: int) -> dict[str, dict[str, object]]:
    """Return the engine as Orthanc knows it."""
    known = {"AET": "PASSERELLE", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    return {"engine": known}


async def test_orthanc_commits_itself_to_every_instance(tmp_path: Path) -> None:
    (tmp_path / "orthanc").mkdir()
    port = free_port()
    sends = study(105, 5)
    async with orthanc(tmp_path / "orthanc", aet="STORE", modalities=modality(port)) as pacs:
        reports = "  " + REPORTS.format(port=port, title="STORE")
        config = written(pacs.dicom_port, listen=reports, endpoint=COMMITS)
        async with imaging(tmp_path, config) as engine:
            await sent(engine, tmp_path, sends)
            rows = await engine.ended(5)
            assert [(row.delivery.state, row.delivery.attempts) for row in rows] == [(State.DELIVERED, 1)] * 5
            [attempt] = await engine.attempts(rows[0])
            assert "taken with 0000" in attempt.remark


TLS = """
tls:
  engine: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
"""


async def test_orthanc_commits_itself_over_mutual_tls(tmp_path: Path, dev_certs: Path) -> None:
    (tmp_path / "orthanc").mkdir()
    shutil.copytree(dev_certs, tmp_path / "certs")
    port = free_port()
    known = {"engine": {**modality(port)["engine"], "Host": "localhost", "UseDicomTls": True}}
    async with orthanc(
        tmp_path / "orthanc", aet="STORE", modalities=known, tls=pair(dev_certs, "clinique-abc")
    ) as pacs:
        reports = "  " + REPORTS.format(port=port, title="STORE").replace("}}", "}, tls: engine}") + TLS
        config = written(pacs.dicom_port, listen=reports, endpoint=f"tls: engine, {COMMITS}")
        config = config.replace(f"127.0.0.1:{pacs.dicom_port}", f"localhost:{pacs.dicom_port}").replace(
            "pacs: {", 'pacs: {certificates: [{issuer: certs/ca.pem, san: "dns:clinique-abc.localhost"}], '
        )
        async with imaging(tmp_path, config) as engine:
            await sent(engine, tmp_path, study(108, 2))
            rows = await engine.ended(2)
            assert [(row.delivery.state, row.delivery.attempts) for row in rows] == [(State.DELIVERED, 1)] * 2


async def test_orthanc_asks_us_and_hears_what_we_hold(tmp_path: Path) -> None:
    (tmp_path / "orthanc").mkdir()
    port = free_port()
    async with orthanc(tmp_path / "orthanc", aet="STORE", modalities=modality(port)) as pacs:
        config = written(pacs.dicom_port, port=port, listener="commitment: {reports: {STORE: pacs.archive}}")
        async with imaging(tmp_path, config) as engine:
            await sent(engine, tmp_path, study(106, 2))
            for uids, status in (
                (["2.25.1060001", "2.25.1060002"], "Success"),
                (["2.25.1060009"], "Failure"),
            ):
                assert await committed(pacs, uids) == status


async def committed(pacs: Orthanc, uids: list[str]) -> str:
    """Have Orthanc ask for commitment, and return what it heard."""
    asked = await pacs.ask(
        "/modalities/engine/storage-commitment",
        {"DicomInstances": [[CT, uid] for uid in uids], "Timeout": 10},
    )

    async def heard() -> str | None:
        status = (await pacs.ask(asked["Path"]))["Status"]
        return status if status != "Pending" else None

    return await until(heard)


class Forgetful:
    """Takes requests for commitment, and says nothing yet; `asked` is the newest by the UID of its first instance."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[str, tuple[Reference, ...]]] = {}

    def __call__(self, connection: Connection, command: Command, data: bytes, context_id: int) -> bool:
        provider = Provider(all_committed, status=0)
        provider.keeps_silent = True
        provider(connection, command, data, context_id)
        [(_, transaction, references)] = provider.asked
        self.asked[references[0].sop_instance] = (transaction, references)
        return True


async def test_after_a_restart_a_report_confirms_and_what_failed_is_sent_again_alone(tmp_path: Path) -> None:
    sends = study(107, 3)
    kept, lost, other = sends
    forgetful = Forgetful()
    async with archive() as pacs:
        pacs.script.asked = forgetful
        port = free_port()
        reports = "  " + REPORTS.format(port=port, title="ARCHIVE")
        config = written(pacs.port, title="ARCHIVE", listen=reports, endpoint=COMMITS)
        async with imaging(tmp_path, config) as engine:
            await sent(engine, tmp_path, sends)

            async def all_taken() -> bool | None:
                states = [row.delivery.state for row in await engine.rows()]
                return states == [State.AWAITING] * 3 or None

            await until(all_taken)
        before = dict(forgetful.asked)
        async with imaging(tmp_path, config) as engine:
            for transaction, references in before.values():
                failed = {each: NO_SUCH_INSTANCE for each in references if each.sop_instance == lost}
                result = Report(transaction, [each for each in references if each not in failed], failed)
                data = write_report(result, IMPLICIT)
                assert await told(tmp_path, port, data, event_type=result.event_type) == 0

            async def asked_again() -> bool | None:
                again = forgetful.asked.get(lost)
                return (again is not None and again != before.get(lost)) or None

            await until(asked_again)
            transaction, references = forgetful.asked[lost]
            assert [each.sop_instance for each in references] == [lost]
            report = write_report(Report(transaction, references, {}), IMPLICIT)
            assert await told(tmp_path, port, report) == 0
            rows = await engine.ended(3)
            assert {row.delivery.state for row in rows} == {State.DELIVERED}
        times = [each.command.sop_instance for each in pacs.kept]
    assert sorted(times) == sorted([kept, lost, lost, other]), "only what was lost was sent again"
