"""A fork of a warm process is what a process of its own would be: folder, environment, modules, exit code, output."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.warm.calling import Warm


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm("json") as process:
        yield process


def run(warm: Warm, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program as the module `written` of a folder."""
    (folder / "written.py").write_text(program)
    environ = {"PATH": os.environ["PATH"], "ONLY": "this"}
    return warm.run("written", *arguments, cwd=folder, environ=environ, timeout=30)


def test_it_has_the_folder_the_environment_and_the_arguments_that_were_given(
    warm: Warm, tmp_path: Path
) -> None:
    told = run(
        warm,
        tmp_path,
        "import os, sys\nprint(os.getcwd(), os.environ['ONLY'], 'HOME' in os.environ, sys.argv[1:])",
        "a",
    )
    assert told.stdout == f"{tmp_path} this False ['a']\n"
    assert told.returncode == 0


def test_what_was_asked_for_is_imported_and_nothing_of_this_repository(warm: Warm, tmp_path: Path) -> None:
    program = "import sys\nprint(*(name in sys.modules for name in ('json', 'tests', 'engine')))"
    assert run(warm, tmp_path, program).stdout == "True False False\n"


def test_each_module_is_that_of_its_own_folder(warm: Warm, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "beside.py").write_text(f"NAME = {name!r}")
        assert run(warm, tmp_path / name, "import beside\nprint(beside.NAME)").stdout == f"{name}\n"


@pytest.mark.parametrize(
    ("program", "status", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit", 0, ""),
        ("import os\nos.kill(os.getpid(), 9)", -9, ""),
        ("raise ValueError('told')", 1, "ValueError: told\n"),
    ],
)
def test_it_ends_as_it_would_alone(warm: Warm, tmp_path: Path, program: str, status: int, said: str) -> None:
    told = run(warm, tmp_path, program)
    assert told.returncode == status
    assert told.stdout.endswith(said)


def test_what_takes_too_long_is_killed(warm: Warm, tmp_path: Path) -> None:
    (tmp_path / "written.py").write_text(
        "import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nsignal.pause()"
    )
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run("written", cwd=tmp_path, environ={}, timeout=2)
    assert not Path("/proc", (tmp_path / "pid").read_text(), "exe").exists()


def test_a_module_that_cannot_be_imported_is_told() -> None:
    with pytest.raises(RuntimeError, match="the warm process ended with 1"), Warm("no_such_module"):
        pass


COUNTER = """
import os, signal, sys
def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print(sys.argv, sys.stdin.read(), os.environ["NAMED"], os.getcwd(), flush=True)
    while "wait" in sys.argv:
        signal.pause()
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A program whose entry point says what it was given."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "counter.py").write_text(COUNTER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        with Warm("counter") as process:
            yield process.written(folder, "count", "counter:main")


def test_a_program_has_the_files_the_folder_and_the_environment_of_who_starts_it(
    program: Path, tmp_path: Path
) -> None:
    told = subprocess.run(
        [program, "a b"],
        input="in",
        cwd=tmp_path,
        env={**os.environ, "NAMED": "x"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"['count', 'a b'] in x {tmp_path}\n"


def test_a_signal_is_passed_on_and_the_exit_code_back(program: Path) -> None:
    with waiting(program) as process:
        process.terminate()
        assert process.wait(30) == 7


def test_who_is_killed_takes_its_fork_along(program: Path) -> None:
    with waiting(program) as process:
        process.kill()
        assert process.stdout is not None
        assert process.stdout.read() == "", "the output ends with the last that has it open"


@contextmanager
def waiting(program: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the program, and go on once it waits for a signal."""
    process = subprocess.Popen(
        [program, "wait"],
        env={**os.environ, "NAMED": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
