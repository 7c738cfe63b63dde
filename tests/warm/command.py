"""A program that a shell starts and a warm process runs: `command.py SOCKET ENTRY-POINT NAME [ARGUMENT]...`.

It hands over its files, folder and environment, passes signals on, and ends as the fork ends. It imports little: a
shell may start it often.
"""

import json
import os
import signal
import socket
import sys

PASSED_ON = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Return the exit code of the fork, or less than 0 the signal that ended it."""
    address, run, *argv = sys.argv[1:]
    command = {"run": run, "argv": argv, "cwd": os.getcwd(), "environ": dict(os.environ)}
    line = json.dumps(command).encode() + b"\n"
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # until it is known to whom
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        sent = socket.send_fds(server, [line], [0, 1, 2])
        server.sendall(line[sent:])
        with server.makefile("r") as answers:
            pid = json.loads(answers.readline())["pid"]
            for number in PASSED_ON:
                signal.signal(number, lambda number, _: os.kill(pid, number))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
            return int(json.loads(answers.readline())["status"])


if __name__ == "__main__":
    status = main()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)
