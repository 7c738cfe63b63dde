"""The golden folders of all shipped mappers, both ways: a document of each side (`message.hl7`, `event.json`, ...).

They lie in `mappings/golden/MAPPER/NAME`, so a mapper gets its tests by files alone (`passerelle map check` does, too).
Times without an offset belong to UTC here.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from engine.cli.map.goldens import Golden, differences, goldens
from engine.config.two_way import two_way
from engine.mapping.two_way import TwoWayMapper

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "mappings" / "golden").glob("*/"))
EACH = [(folder.name, golden) for folder in FOLDERS for golden in goldens(ROOT, folder.name)]


@cache
def shipped(name: str) -> TwoWayMapper:
    """Return a shipped mapper, loaded once."""
    found = two_way(ROOT, name)
    assert isinstance(found, TwoWayMapper), f"{name} is no two-way mapper"
    return found


@pytest.mark.parametrize(
    ("mapper", "golden"), [pytest.param(*each, id=f"{each[0]}/{each[1].name}") for each in EACH]
)
def test_it_is_mapped_both_ways_as_its_files_say(mapper: str, golden: Golden) -> None:
    assert list(differences(shipped(mapper), golden)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_mapper_has_goldens_of_every_side(folder: Path) -> None:
    sides = shipped(folder.name).sides
    assert any(set(golden.sides) == sides for golden in goldens(ROOT, folder.name))
