"""`python -m tests.crash`: kill an engine again and again on this machine, and print what became of every message."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.crash.campaign import HTTP, MLLP, UNFINISHED, Campaign, Plan, Transport
from tests.crash.checker import check, read_sent, read_tried
from tests.crash.forking import Forks

TRANSPORTS = {"http": HTTP, "mllp": MLLP}


def main() -> int:
    """Run the campaign, or check journals that lie in a folder; exit with 0 when every guarantee held."""
    options = _options().parse_args()
    if options.check is not None:
        return _check_again(options.check, options.kills, TRANSPORTS[options.over])
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="passerelle-crash-") as folder:
        plan = Plan(options.kills, options.accepted, seed=options.seed)
        forks = Forks()
        try:
            outcome = asyncio.run(Campaign(Path(folder), forks, plan, TRANSPORTS[options.over]).run())
        finally:
            forks.close()
    print(outcome)
    enough = min(outcome.unacknowledged) >= 1 and min(outcome.unfinished) >= UNFINISHED
    return 0 if outcome.report.sound and outcome.report.pending == 0 and enough else 1


def _check_again(folder: Path, kills: int, transport: Transport) -> int:
    """Read sender.journal, receiver.journal and var/passerelle.db of a stopped engine."""
    report = check(
        read_sent(folder / "sender.journal"),
        read_tried(folder / "receiver.journal"),
        transport.read(folder / "var/passerelle.db"),
        conserved=True,  # `passerelle reconcile` says it; here only the three journals are compared
        faults=kills,
    )
    print(report)
    return 0 if report.sound else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument(
        "--over",
        choices=sorted(TRANSPORTS),
        default="http",
        help="what the orders travel by, in and out (http)",
    )
    parser.add_argument("--kills", type=int, default=20, help="how often to kill -9 (20)")
    parser.add_argument("--accepted", type=int, default=100, help="messages accepted between two kills (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (1)")
    parser.add_argument(
        "--folder", type=Path, help="where to put the store: a folder on the disk to be tried"
    )
    parser.add_argument(
        "--check", type=Path, metavar="FOLDER", help="only compare the journals of an earlier run"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
