"""The systemd unit: systemd itself finds nothing wrong, and the engine runs within its limits."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from engine.cli.exits import Exit
from engine.cli.run import run
from engine.cli.verbs import VERBS
from engine.config.settings import EngineSettings
from tests.api.project import CONFIG, ROUTE
from tests.cli.invoking import ROOT, Supervised

UNIT = ROOT / "deploy" / "passerelle.service"
README = ROOT / "deploy" / "README.md"
ANALYZE = "/usr/bin/systemd-analyze"
EXPOSURE = 15
"""Tenths of systemd's scale of 0 (shut) to 10 (unsafe) that the unit may not exceed."""
MADE_EXECUTABLE = re.compile(r"PROT_WRITE\|PROT_EXEC|mprotect\(.*PROT_EXEC|SHM_EXEC")
"""What MemoryDenyWriteExecute= refuses (systemd.exec(5))."""


class Directives(dict[str, list[str]]):
    """The directives of one section; systemd lets a name stand several times."""


def section(name: str) -> Directives:
    found = Directives()
    current = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == name and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that this machine has, and that systemd can therefore check."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("/opt/passerelle/bin/passerelle", sys.executable))
    return path


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_systemd_finds_nothing_wrong(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_find_a_misspelt_directive(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSecs="))
    assert "Unknown key" in analyze("verify", "--man=no", str(unit)).stderr


def test_little_is_exposed(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout


def test_only_a_wrong_configuration_is_not_started_again() -> None:
    service = section("Service")
    assert service["Restart"] == ["always"]
    assert service["RestartPreventExitStatus"] == [str(int(Exit.USAGE))]
    assert section("Unit")["StartLimitIntervalSec"] == ["0"]


def test_a_stop_is_given_longer_than_draining_takes() -> None:
    limit = int(section("Service")["TimeoutStopSec"][0])
    assert limit > EngineSettings().drain.total_seconds() + 5


def test_the_unit_uses_a_verb_and_a_variable_that_exist() -> None:
    service = section("Service")
    [start] = service["ExecStart"]
    assert start.split()[1] in VERBS
    [variable] = [line.partition("=")[0] for line in service["Environment"]]
    [config] = [each for each in run.params if each.name == "config"]
    assert config.envvar == variable


def project(folder: Path) -> tuple[Path, Path]:
    """Write the project as deploy/README.md lays it out below `folder`; return its folder and that of its state."""
    [text] = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    settings = text.replace("/var/lib", f"{folder}/var/lib").replace("/run/", f"{folder}/run/")
    assert yaml.safe_load(settings).keys() == {"engine", "store", "api"}
    etc, state = folder / "etc" / "passerelle", folder / "var" / "lib" / "passerelle"
    (etc / "routes").mkdir(parents=True)
    (etc / "routes" / "notes.yaml").write_text(ROUTE)
    (etc / "config.yaml").write_text(settings + CONFIG.replace("engine: {name: test}\n", ""))
    state.mkdir(parents=True)
    return etc, state


def test_nothing_but_the_state_is_written(tmp_path: Path) -> None:
    etc, state = project(tmp_path)
    for path in (etc, etc / "routes"):
        path.chmod(0o555)
    before = sorted(etc.rglob("*"))
    with Supervised(state, more={"PASSERELLE_CONFIG": str(etc / "config.yaml")}) as engine:
        engine.wait_for("READY=1")
        sockets = list((tmp_path / "run").rglob("*.sock"))
    assert sorted(etc.rglob("*")) == before
    assert [path.name for path in sockets] == ["passerelle.sock"]
    assert (state / "passerelle.db").is_file()


def test_the_engine_needs_no_memory_that_is_writable_and_executable(tmp_path: Path) -> None:
    etc, state = project(tmp_path)
    calls = tmp_path / "calls"
    tracer = ["strace", "-D", "-f", "-qq", "-e", "trace=mmap,mprotect,pkey_mprotect,shmat", "-o", str(calls)]
    traced = Supervised(state, more={"PASSERELLE_CONFIG": str(etc / "config.yaml")}, under=tracer)
    with traced as engine:
        engine.wait_for("READY=1")
    lines = calls.read_text().splitlines()
    assert any("PROT_READ|PROT_EXEC" in line for line in lines)
    assert [line for line in lines if MADE_EXECUTABLE.search(line)] == []


def test_the_unit_is_no_file_that_only_systemd_can_read() -> None:
    parser = configparser.RawConfigParser(strict=False, comment_prefixes="#")
    parser.read_string(UNIT.read_text())
    assert parser.sections() == ["Unit", "Service", "Install"]
