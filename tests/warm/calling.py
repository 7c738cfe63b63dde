"""Runs modules and programs as forks of a warm process: they begin where their imports would have ended."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

SERVER = Path(__file__).with_name("server.py")
COMMAND = Path(__file__).with_name("command.py")


class Warm:
    """A process that has imported some modules, for as long as the block lasts. Threads may share it."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="passerelle-warm-")
        self.address = f"{self._folder.name}/socket"
        command = [sys.executable, str(SERVER), self.address, *self._modules]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for whoever has it
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            self.__exit__()
            raise RuntimeError(f"the warm process ended with {self._process.returncode}")
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def written(self, folder: Path, name: str, entry_point: str) -> Path:
        """Write a program that runs an entry point (`module:function`) for whoever starts it; return its path."""
        words = [sys.executable, "-IS", str(COMMAND), self.address, entry_point, name]
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)
        return program

    def run(
        self, module: str, *arguments: str, cwd: Path, environ: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a module to its end; `stdout` has what it wrote on both outputs.

        Raises:
            subprocess.TimeoutExpired: it ran longer than `timeout` seconds, and was killed.
        """
        command = {"run": module, "argv": [module, *arguments], "cwd": str(cwd), "environ": dict(environ)}
        with (
            tempfile.TemporaryFile() as said,
            open(os.devnull, "rb") as nothing,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.connect(self.address)
            files = [nothing.fileno(), said.fileno(), said.fileno()]
            line = json.dumps(command).encode() + b"\n"
            sent = socket.send_fds(server, [line], files)
            server.sendall(line[sent:])
            with server.makefile("r") as answers:
                pid = json.loads(answers.readline())["pid"]
                server.settimeout(timeout)
                try:
                    status = json.loads(answers.readline())["status"]
                except TimeoutError as error:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                    server.recv(1024)
                    raise subprocess.TimeoutExpired([module, *arguments], timeout) from error
            said.seek(0)
            return subprocess.CompletedProcess([module, *arguments], status, said.read().decode(), "")
