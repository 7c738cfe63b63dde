"""`passerelle run` under a supervisor of processes: states, signals, exit codes."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from pathlib import Path

from tests.api.project import ROUTE, write_project
from tests.cli.invoking import PATIENCE, Supervised, environment, passerelle, supervised


def test_it_says_ready_and_ends_with_0_when_asked_to_stop(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        engine.signal(signal.SIGTERM)
        engine.wait_for("STOPPING=1")
        assert engine.ended() == 0
    assert f"MAINPID={engine.process.pid}" in engine.told


def test_an_interrupt_drains_too(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        engine.signal(signal.SIGINT)
        assert engine.ended() == 0


def test_a_hangup_takes_changed_files_in(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        engine.forget()
        (tmp_path / "routes" / "notes.yaml").write_text(ROUTE.replace("has no id", "needs an id"))
        engine.signal(signal.SIGHUP)
        engine.wait_for("RELOADING=1")
        engine.wait_for("READY=1")
        versions = passerelle(tmp_path, "diff", "notes", "--list", "--json").json["versions"]
    assert any(line.startswith("MONOTONIC_USEC=") for line in engine.told)
    assert [row["author"] for row in versions] == ["signal:SIGHUP", "engine"]


def test_a_hangup_is_journalled(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        engine.forget()
        engine.signal(signal.SIGHUP)
        engine.wait_for("READY=1")
    stopped = passerelle(tmp_path, "tail", "--all")
    assert "configuration reloaded  everything  signal:SIGHUP" in stopped.out


def test_a_hangup_with_a_broken_file_keeps_what_runs(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        engine.forget()
        (tmp_path / "routes" / "notes.yaml").write_text("route: [")
        engine.signal(signal.SIGHUP)
        engine.wait_for("READY=1")
        assert passerelle(tmp_path, "status").code == 0
    assert "the running configuration stays" in engine.log


def test_the_watchdog_hears_of_it(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path, watchdog_seconds=0.4) as engine:
        engine.forget()
        engine.wait_for("WATCHDOG=1")
        engine.forget()
        engine.wait_for("WATCHDOG=1")


def test_a_wrong_configuration_ends_with_2_and_says_where(tmp_path: Path) -> None:
    config = write_project(tmp_path)
    config.write_text(config.read_text().replace("engine:", "engnie:"))
    ended = passerelle(tmp_path, "run")
    assert ended.code == 2
    assert 'config.yaml:1:1: error: unknown key "engnie"' in ended.err
    assert "Traceback" not in ended.err


def test_a_second_engine_on_the_store_ends_with_75(tmp_path: Path) -> None:
    write_project(tmp_path)
    with supervised(tmp_path) as engine:
        ended = passerelle(tmp_path, "run")
        still = passerelle(tmp_path, "status")
    assert (ended.code, still.code) == (75, 0)
    assert str(engine.process.pid) in ended.err


def test_a_disk_that_refuses_writes_ends_with_74(tmp_path: Path) -> None:
    write_project(tmp_path)
    full = subprocess.run(
        [sys.executable, "-m", "engine", "run"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64)),
    )  # fmt: skip
    assert full.returncode == 74
    assert "Traceback" not in full.stderr


def test_logs_are_json_lines_for_a_supervisor(engine: Supervised) -> None:
    lines = [json.loads(line) for line in engine.log.splitlines()]
    assert any(line["text"] == "ready" for line in lines)


def test_logs_are_as_the_configuration_says(tmp_path: Path) -> None:
    write_project(tmp_path, extra="logs: {level: error}\n")
    with supervised(tmp_path) as engine:
        engine.forget()
        engine.signal(signal.SIGHUP)
        engine.wait_for("READY=1")
        lines = [json.loads(line) for line in engine.log.splitlines()]
    assert "configuration in place" not in [line["text"] for line in lines]
