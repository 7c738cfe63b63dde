"""Questions over mutual TLS 1.3: Orthanc is asked by us, and findscu asks our relay, each with the right proof."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Permanent, Transient
from engine.security.tls import TlsFiles, client_context, server_context
from tests.channels.dicom.serving import listening
from tests.channels.dicom.test_inbound_dcmtk import by_name
from tests.channels.dicom_query.asked import Secured, asking, endpoint, relaying, written
from tests.channels.dicom_query.test_peers import upload
from tests.peers.dcmtk import DcmtkFailed, run_dcmtk, tls_arguments
from tests.peers.orthanc import orthanc
from tests.peers.ports import free_port

STUDY = {"StudyInstanceUID": "2.25.100"}
KEYS = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=TEST0001", "-k", "StudyInstanceUID")


def pair(certs: Path, name: str) -> TlsFiles:
    return TlsFiles(certs / f"{name}.pem", certs / f"{name}.key", certs / "ca.pem")


def ours(certs: Path) -> ssl.SSLContext:
    """Return our side of a connection that we open."""
    return client_context(pair(certs, "engine"))


def relay_of(certs: Path) -> Secured:
    return Secured(server_context(pair(certs, "engine")), by_name, ours(certs))


async def test_an_archive_is_searched_and_gives_what_it_holds(tmp_path: Path, dev_certs: Path) -> None:
    async with orthanc(tmp_path, aet="ARCHIVE", tls=pair(dev_certs, "clinique-abc")) as archive:
        for path in written(tmp_path, 2):
            await upload(archive, path.read_bytes())
        at: dict[str, Any] = {"port": archive.dicom_port, "host": "localhost", "tls": "engine"}
        async with asking(tmp_path, endpoint(**at), tls=ours(dev_certs)) as way:
            found = await way.ask(match={"PatientID": "TEST0001"})
            stages = {stage: remark for stage, well, remark in await way.channel.probe() if well}
        async with asking(tmp_path, endpoint(**at, ask="get", into="images"), tls=ours(dev_certs)) as way:
            brought = await way.ask(match=STUDY)
            ids = sorted(way.intake.control_ids)
    assert [each["0020000D"]["Value"] for each in found["results"]] == [["2.25.100"]]
    assert stages["tls"].startswith("TLSv1.3") and "echo" in stages
    assert (brought["completed"], ids) == (2, ["2.25.100.1", "2.25.100.2"])


async def test_an_archive_moves_a_study_to_a_listener_that_knows_its_certificate(
    tmp_path: Path, dev_certs: Path
) -> None:
    port = free_port()
    modality = {"AET": "PASSERELLE", "Host": "localhost", "Port": port, "UseDicomTls": True}
    server = server_context(pair(dev_certs, "engine"))
    async with (
        orthanc(
            tmp_path, aet="ARCHIVE", tls=pair(dev_certs, "clinique-abc"), modalities={"passerelle": modality}
        ) as archive,
        listening(
            tls_context=server,
            identify=by_name,
            callers={"ARCHIVE": "clinique-abc"},
            dicom=f"127.0.0.1:{port}",
        ) as door,
    ):
        await upload(archive, written(tmp_path, 1)[0].read_bytes())
        config = endpoint(
            archive.dicom_port, host="localhost", tls="engine", ask="move", move_to="PASSERELLE"
        )
        async with asking(tmp_path, config, tls=ours(dev_certs)) as way:
            moved = await way.ask(match=STUDY)
        [message] = door.intake.messages
    assert (moved["completed"], moved["failed"]) == (1, 0)
    assert (message.partner, message.control_id) == ("clinique-abc", "2.25.100.1")


@pytest.mark.parametrize("how", ["plain", "no certificate", "a stranger's", "another name", "another title"])
async def test_an_archive_that_does_not_know_us_is_not_asked(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path, how: str
) -> None:
    stranger = TlsFiles(stranger_certs / "engine.pem", stranger_certs / "engine.key", dev_certs / "ca.pem")
    ways = {
        "plain": None,
        "no certificate": client_context(TlsFiles(ca=dev_certs / "ca.pem")),
        "a stranger's": client_context(stranger),
    }
    codes = {"plain": ("closed",), "another name": ("identity",), "another title": ("rejected_1_7",)}
    async with orthanc(tmp_path, aet="ARCHIVE", tls=pair(dev_certs, "clinique-abc")) as archive:
        config = endpoint(
            archive.dicom_port,
            host="127.0.0.2" if how == "another name" else "localhost",
            ae_title="SOMEONE" if how == "another title" else "ARCHIVE",
            tls=None if how == "plain" else "engine",
        )
        async with asking(tmp_path, config, tls=ways.get(how, ours(dev_certs))) as way:
            with pytest.raises((Permanent, Transient)) as caught:
                await way.ask(match=STUDY)
    assert not getattr(caught.value, "sent", False)
    # who is refused hears of it, unless the connection is reset before that
    assert getattr(caught.value, "code", "") in codes.get(how, ("identity", "closed"))


async def test_a_relay_answers_who_proves_its_partner_and_proves_us_to_the_archive(
    tmp_path: Path, dev_certs: Path
) -> None:
    async with orthanc(tmp_path, aet="ARCHIVE", tls=pair(dev_certs, "clinique-abc")) as archive:
        await upload(archive, written(tmp_path, 1)[0].read_bytes())
        config = endpoint(archive.dicom_port, host="localhost", tls="engine")
        callers = {"CT1": "clinique-def"}
        async with relaying(tmp_path, config, secured=relay_of(dev_certs), callers=callers) as door:
            tls = tls_arguments(dev_certs, "clinique-def")
            said = await run_dcmtk(
                "findscu", "-v", *tls, *KEYS, "-aet", "CT1", "-aec", "PASSERELLE", "127.0.0.1", str(door.port)
            )
    assert "2.25.100" in said
    assert [each.actor for each in door.accesses] == ["partner:clinique-def"]


@pytest.mark.parametrize(
    ("how", "event"),
    [
        ("plain", "handshake_failed"),
        ("no certificate", "handshake_failed"),
        ("another authority", "handshake_failed"),
        ("another partner's certificate", "other_partner"),
        ("another title", "unknown_caller"),
        ("another called title", "unknown_called"),
    ],
)
async def test_a_relay_asks_nothing_for_who_is_not_who_they_say(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path, how: str, event: str
) -> None:
    proofs: dict[str, list[str | Path]] = {
        "plain": [],
        "no certificate": ["+tla", "+cf", dev_certs / "ca.pem"],
        "another authority": [
            *tls_arguments(stranger_certs, "clinique-def")[:3],
            "+cf",
            dev_certs / "ca.pem",
        ],
        "another partner's certificate": tls_arguments(dev_certs, "clinique-abc"),
    }
    proof = proofs.get(how, tls_arguments(dev_certs, "clinique-def"))
    calling = "CT2" if how == "another title" else "CT1"
    called = "SOMEONE" if how == "another called title" else "PASSERELLE"
    who = ("-aet", calling, "-aec", called)
    callers = {"CT1": "clinique-def"}
    async with relaying(tmp_path, endpoint(1), secured=relay_of(dev_certs), callers=callers) as door:
        with pytest.raises(DcmtkFailed):
            await run_dcmtk("findscu", "-v", *proof, *KEYS, *who, "127.0.0.1", str(door.port))
        await door.until(event)
    assert door.accesses == []


async def test_a_relay_whose_archive_is_somebody_else_says_that_it_cannot(
    tmp_path: Path, dev_certs: Path, stranger_certs: Path
) -> None:
    async with orthanc(tmp_path, aet="ARCHIVE", tls=pair(stranger_certs, "clinique-abc")) as archive:
        config = endpoint(archive.dicom_port, host="localhost", tls="engine")
        async with relaying(tmp_path, config, secured=relay_of(dev_certs)) as door:
            tls = tls_arguments(dev_certs, "clinique-def")
            who = ("-aet", "CT1", "-aec", "PASSERELLE", "127.0.0.1", str(door.port))
            said = await run_dcmtk("findscu", "-v", *tls, *KEYS, *who)
    assert "UnableToProcess" in said
