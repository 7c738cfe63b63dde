"""A disk that fills up in mid-traffic: intake refuses, deliveries go on, and room alone makes it well again."""

from __future__ import annotations

from pathlib import Path

from tests.disk.house import house
from tests.disk.mounting import fill, mounted

OWED = 60


async def test_a_full_disk_refuses_what_is_new_and_delivers_what_it_has(tmp_path: Path) -> None:
    project = tmp_path / "project"
    with mounted(project / "var", "900m") as var:
        ballast = var / "passerelle.db.ballast"
        async with house(project) as found:
            await found.owes(OWED)
            assert ballast.exists()
            filler = fill(var)
            found.faults += 1
            refused = found.sender.refused
            await found.until(lambda: not ballast.exists(), "the ballast was given up")
            found.receiver.held_open.set()
            await found.until(lambda: found.owed() <= 0, "what was owed was delivered")
            await found.until(lambda: found.sender.refused > refused + 50, "new orders were refused")
            accepted_when_full = found.sender.accepted
            assert found.child.running.poll() is None
            filler.unlink()
            await found.until(
                lambda: found.sender.accepted >= accepted_when_full + 100, "orders were accepted again"
            )
            await found.until(ballast.exists, "the ballast was taken again")
            report = await found.report()
    print(report)
    assert report.sound, str(report)
    assert report.pending == 0
