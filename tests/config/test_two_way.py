"""A two-way mapper is compiled once for all projects whose names lead to the same files, and anew for the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.two_way import two_way
from engine.errors import ConfigurationError
from tests.config.project import write

OWN = "mappings/invoice.yaml"


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """The folders of two projects that have no mapper of their own."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "two"


def test_projects_share_what_is_shipped(roots: tuple[Path, Path]) -> None:
    one, two = roots
    assert two_way(one, "invoice") is two_way(two, "invoice")


def test_a_projects_own_file_is_its_own_from_when_it_is_there(roots: tuple[Path, Path]) -> None:
    one, two = roots
    shipped = two_way(one, "invoice")
    write(one, OWN, "rules: nothing\n")
    with pytest.raises(ConfigurationError):
        two_way(one, "invoice")
    assert two_way(two, "invoice") is shipped


def test_shapes_of_a_projects_own_make_a_shipped_mapper_its_own(roots: tuple[Path, Path]) -> None:
    one, two = roots
    shipped = two_way(one, "invoice")
    write(one, "mappings/shapes.yaml", "shapes: nothing\n")
    with pytest.raises(ConfigurationError):
        two_way(one, "invoice")
    assert type(two_way(two, "invoice")) is type(shipped)


def test_what_is_no_mapper_or_maps_one_way_is_none(roots: tuple[Path, Path]) -> None:
    one, _ = roots
    write(one, "mappings/single.yaml", "document: {a: 1}\n")
    assert two_way(one, "single") is None
    assert two_way(one, "no-such-mapper") is None
