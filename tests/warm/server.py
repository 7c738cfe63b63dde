"""A process that has imported what many others would import, and forks one for each command.

Run as a file, `server.py SOCKET MODULE...`, so that nothing of this repository is imported before a fork that has its
own copy of it. A command is a connection: one line of JSON (`run`, `argv`, `cwd`, `environ`) with the three standard
files beside it; what it runs is a module, as `python -m` does, or an entry point, `module:function`. The answers are
`{"pid": n}`, and `{"status": n}` when it ended: an exit code, or less than 0 a signal. A caller that goes away before
takes what it asked for with it, and so does the end of standard input with everything.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from typing import Any

_MOST_FILES = 1024
"""More than the server ever has open."""
_WAKE_READ, _WAKE_WRITE = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def main() -> None:
    """Import, say so by an empty line, and serve."""
    address, *modules = sys.argv[1:]
    del sys.path[0]  # the folder of this file
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # the collector would touch, and so copy, every page in every fork
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(_WAKE_WRITE)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen(64)
        print(flush=True)
        _serve(door)


def _serve(door: socket.socket) -> None:
    living: dict[int, socket.socket] = {}
    while True:
        callers = {caller.fileno(): pid for pid, caller in living.items()}
        readable, _, _ = select.select([0, _WAKE_READ, door.fileno(), *callers], [], [])
        for gone in callers.keys() & readable:
            os.killpg(callers[gone], signal.SIGKILL)
        if _WAKE_READ in readable:
            os.read(_WAKE_READ, 4096)
            _reap(living)
        if door.fileno() in readable:
            caller, _ = door.accept()
            living[_forked(caller)] = caller
        if 0 in readable:
            break
    for pid in living:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _reap(living: dict[int, socket.socket]) -> None:
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with living.pop(pid) as caller:
                _tell(caller, {"status": os.waitstatus_to_exitcode(status)})


def _forked(caller: socket.socket) -> int:
    line, files, _, _ = socket.recv_fds(caller, 1 << 16, 3)
    while not line.endswith(b"\n"):
        line += caller.recv(1 << 16)
    pid = os.fork()
    if not pid:
        _become(json.loads(line), files)
    with suppress(PermissionError, ProcessLookupError):
        os.setpgid(pid, pid)  # as the fork does itself: whichever is first
    for file in files:
        os.close(file)
    _tell(caller, {"pid": pid})
    return pid


def _become(command: dict[str, Any], files: list[int]) -> None:
    """Turn the fork into the process that was asked for, and end it."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.closerange(3, _MOST_FILES)
        os.chdir(command["cwd"])
        os.environ.clear()
        os.environ.update(command["environ"])
        sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        sys.argv = command["argv"]
        _run(*command["run"].split(":"))
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  # whatever ends it is told, and ends it
        traceback.print_exc()  # as the interpreter would; the fork must not run the server's own code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _run(module: str, function: str = "") -> None:
    if function:
        getattr(importlib.import_module(module), function)()
    else:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _tell(caller: socket.socket, what: dict[str, int]) -> None:
    try:
        caller.sendall(json.dumps(what).encode() + b"\n")
    except OSError:
        return  # the caller ended first, and asks no more


if __name__ == "__main__":
    main()
