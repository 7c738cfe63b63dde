"""`dicom echo` and `dicom send` with DCMTK's server: what a command shows is what a delivery would meet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.cli.exits import Exit
from engine.security.certificates import make_dev_certificates
from engine.security.tls import TlsFiles
from tests.cli.invoking import Ended, Shell
from tests.codecs.dicom.samples import IMPLICIT, ct, part10, shipped
from tests.peers.ports import free_port
from tests.peers.storescp import storescp


async def ran(shell: Shell, *arguments: str) -> Ended:
    """Run a verb in a thread, since it has an event loop of its own."""
    return await asyncio.to_thread(shell, "dicom", *arguments)


async def test_echo_tells_each_stage(shell: Shell) -> None:
    async with storescp(shell.folder) as server:
        ended = await ran(
            shell, "echo", f"127.0.0.1:{server.port}", "--ae", "STORE", "--json", "--count", "2"
        )
    assert ended.code == Exit.OK
    [first, second] = ended.json["echoes"]
    assert [each["stage"] for each in first["stages"]] == ["dns", "tcp", "tls", "association", "echo"]
    assert first["well"] and second["well"]


async def test_echo_says_why_nobody_answers(shell: Shell) -> None:
    ended = await ran(shell, "echo", f"127.0.0.1:{free_port()}")
    assert ended.code == Exit.FAILED
    assert any(line.split()[:2] == ["tcp", "no"] for line in ended.out.splitlines())


async def test_instances_arrive_as_they_are(shell: Shell) -> None:
    folder = shell.folder / "study"
    folder.mkdir()
    (folder / "a.dcm").write_bytes(part10(ct(SOPInstanceUID="1.2.3.1")))
    (folder / "b.dcm").write_bytes(part10(ct(SOPInstanceUID="1.2.3.2"), IMPLICIT))
    jpeg = next(path for path in shipped() if path.name == "JPEG2000.dcm").read_bytes()
    (folder / "c.dcm").write_bytes(jpeg)
    async with storescp(shell.folder) as server:
        target = f"127.0.0.1:{server.port}"
        ended = await ran(shell, "send", target, "study", "--ae", "STORE", "--connections", "2", "--json")
        came = server.files()
    assert (ended.code, ended.json["sent"], ended.json["codes"]) == (Exit.OK, 3, {"0000": 3})
    known = [path.read_bytes() for path in folder.iterdir()]
    assert sorted(data[-100:] for data in came) == sorted(data[-100:] for data in known)


async def test_what_was_not_stored_is_told_file_by_file(shell: Shell) -> None:
    (shell.folder / "a.dcm").write_bytes(part10(ct()))
    (shell.folder / "b.dcm").write_bytes(b"no instance")
    async with storescp(shell.folder) as server:
        ended = await ran(shell, "send", f"127.0.0.1:{server.port}", "a.dcm", "b.dcm", "--ae", "STORE")
    assert ended.code == Exit.FAILED
    assert ended.out.startswith("2 in ") and "0000 1" in ended.out and "  b.dcm: " in ended.out
    absent = await ran(shell, "send", f"127.0.0.1:{free_port()}", "a.dcm")
    assert absent.code == Exit.FAILED and "nobody listens" in absent.out


CONFIG = """
engine: {{name: here, env: test}}
tls:
  us: {{cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}}
partners:
  pacs:
    endpoints:
      archive: {{dicom: "localhost:{port}", ae_title: STORE, tls: us, phi: full}}
"""


@pytest.fixture
def certs(tmp_path: Path) -> Path:
    folder = tmp_path / "certs"
    make_dev_certificates(folder, [])
    return folder


async def test_an_endpoint_of_the_project_is_reached_as_it_is_configured(shell: Shell, certs: Path) -> None:
    files = TlsFiles(certs / "engine.pem", certs / "engine.key", certs / "ca.pem")
    (shell.folder / "a.dcm").write_bytes(part10(ct()))
    async with storescp(shell.folder, tls=files) as server:
        (shell.folder / "config.yaml").write_text(CONFIG.format(port=server.port))
        echoed = await ran(shell, "echo", "pacs.archive")
        sent = await ran(shell, "send", "pacs.archive", "a.dcm")
        plain = await ran(shell, "echo", f"127.0.0.1:{server.port}", "--ae", "STORE")
        came = server.files()
    assert echoed.code == Exit.OK and "TLSv1.3" in echoed.out
    assert sent.code == Exit.OK and len(came) == 1
    assert plain.code == Exit.FAILED
    unknown = await ran(shell, "echo", "pacs.nothing")
    assert unknown.code == Exit.NOTHING and "pacs.nothing" in unknown.err
    named = await ran(shell, "echo", "pacs.archive", "--ae", "OTHER")
    assert named.code == Exit.USAGE
