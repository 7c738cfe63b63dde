"""Rules of STYLE and ARCHITECTURE that ruff, mypy and import-linter cannot say, checked on every file."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import channels

ROOT = Path(__file__).parent.parent
PRODUCT = ("engine", "channels")
MAX_LINES = 500
MAX_FUNCTION_LINES = 50
VAGUE = {"utils", "util", "helpers", "helper", "manager", "base", "common", "data", "info", "misc"}
SUPPRESSION = re.compile(
    r"#\s*(?:type:\s*ignore|noqa)(?P<codes>\[[\w, -]+\]|:\s*[A-Z0-9, ]+)?(?P<reason>.*)$"
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def length_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    first = node.body[0]
    text = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    docstring = (first.end_lineno or 0) - first.lineno + 1 if text else 0
    return node.end_lineno - node.lineno + 1 - docstring


def test_no_file_is_longer_than_500_lines() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in python_files(*PRODUCT, "tests")}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    long = {
        f"{name_of(path)}:{node.lineno} {node.name}": length_without_docstring(node)
        for path in python_files(*PRODUCT, "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and length_without_docstring(node) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_file_has_a_vague_name() -> None:
    names = [name_of(path) for path in python_files(*PRODUCT, "tests") if path.stem.strip("_") in VAGUE]
    assert names == []


def test_every_suppression_says_why() -> None:
    silent = [
        f"{name_of(path)}:{number}"
        for path in python_files(*PRODUCT, "tests")
        if path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (found := SUPPRESSION.search(line))
        and not (found["codes"] and re.search(r"[a-z]{2}", found["reason"]))
    ]
    assert silent == []


def declared(*, kit: bool) -> set[str]:
    """Return the distributions that pyproject.toml promises, with those of the `test` extra for the test kit."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    entries = project["dependencies"] + (project["optional-dependencies"]["test"] if kit else [])
    return {re.split(r"[><=;\[ ]", entry)[0].lower().replace("_", "-") for entry in entries}


def third_party_imports(*files: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Yield (module, file, distributions that provide it) for each import of what is neither ours nor Python's."""
    providers = packages_distributions()
    for path in files:
        for module in imported_modules(ast.parse(path.read_text())):
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top not in PRODUCT:
                yield module, name_of(path), {one.lower().replace("_", "-") for one in providers.get(top, ())}


def test_every_third_party_import_is_a_declared_dependency() -> None:
    kit = ROOT / "engine" / "testing"  # its suites run under the pytest of whoever uses them
    plain, promised = declared(kit=False), declared(kit=True)
    missing = [
        f"{module} in {path}"
        for module, path, found in third_party_imports(*python_files(*PRODUCT))
        if not found & (promised if (ROOT / path).is_relative_to(kit) else plain)
    ]
    assert missing == []


def test_every_declared_dependency_is_imported_somewhere() -> None:
    used = set().union(*(found for _, _, found in third_party_imports(*python_files(*PRODUCT))))
    assert declared(kit=False) - used == {
        "tzdata"
    }  # tzdata is found by zoneinfo, where the system has no zones


def test_channels_is_ours_and_says_so() -> None:
    assert channels.PASSERELLE_CHANNELS is True


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel as it would be published."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("passerelle-*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_two_packages_and_nothing_else_at_the_top(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PRODUCT)


def test_the_wheel_holds_every_module_and_every_file_beside_them(wheel: zipfile.ZipFile) -> None:
    kept = {
        str(path.relative_to(ROOT))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert kept - set(wheel.namelist()) == set()


def test_the_wheel_ships_routes_and_mappings_as_package_data(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"engine/_shipped/{path.relative_to(ROOT)}"
        for folder in ("routes", "mappings")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    shipped = {name for name in wheel.namelist() if name.startswith("engine/_shipped/")}
    assert shipped == expected
    assert any(name.endswith(".yaml") for name in shipped)


def test_the_wheel_holds_no_key_and_no_certificate(wheel: zipfile.ZipFile) -> None:
    secrets = [name for name in wheel.namelist() if name.endswith((".key", ".pem", ".whsec", ".whsk"))]
    assert secrets == []


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    [points] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert "passerelle = engine.cli:main" in wheel.read(points).decode()
