"""A process that has imported the product once, and forks a child per command.

Importing takes seconds, a fork milliseconds; the child then runs the command line's own `main`. With the argument
`marked` the product has its fault points marked. Commands are JSON objects, one a line, on standard input:
`{"argv": [...], "environ": {...}, "log": "path", "errors": "path"}`; without `errors` they go to `log`. Answers are
JSON objects on standard output: `{"pid": n}` for each command, in order, and `{"pid": n, "status": n}` for each child
that ended.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.crash.hook import arm_from_environment, install
from tests.crash.points import modules

_WAKE_READ, _WAKE_WRITE = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def main() -> None:
    """Serve until standard input is closed; then end what still runs."""
    if sys.argv[1:] == ["marked"]:
        install()
    for name, _ in modules():
        if not name.endswith("__main__"):
            importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(_WAKE_WRITE)
    living: set[int] = set()
    pending = b""
    _tell({"ready": True})
    while True:
        readable, _, _ = select.select([0, _WAKE_READ], [], [])
        if _WAKE_READ in readable:
            os.read(_WAKE_READ, 4096)
            _reap(living)
        if 0 in readable:
            received = os.read(0, 65536)
            if not received:
                break
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                living.add(_fork(json.loads(line)))
    for pid in living:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _reap(living: set[int]) -> None:
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            living.discard(pid)
            _tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def _fork(command: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        _tell({"pid": pid})
        return pid
    status = 70
    try:
        _become(command)
        from engine.cli import main as run

        run()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  # whatever ends it is told, and ends it
        traceback.print_exc()  # as the interpreter would; the fork must not run the nursery's own code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _become(command: dict[str, Any]) -> None:
    """Turn the fork into what a shell would have started."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setpgid(0, 0)
    log, errors = (
        os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for path in (command["log"], command.get("errors", command["log"]))
    )
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nowhere, 0), (log, 1), (errors, 2)):
        os.dup2(source, target)
    os.environ.update(command["environ"])
    arm_from_environment()
    sys.argv = ["passerelle", *command["argv"]]


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
