"""What the mappers make of events passes our structural check, and fhir.resources R4B, which we never use otherwise.

Known difference: the other knows nothing beside the value of an extension (`_valueDateTime`), which R4 allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from engine.codecs.fhir import structural_faults
from engine.codecs.json import write_json
from tests.mapping.test_fhir_emitting import GOLDEN, MAPPERS
from tests.mapping.trips import shipped

_BESIDE = re.compile("_value[A-Z][A-Za-z]+")


def _documents(name: str) -> Iterator[Any]:
    for path in sorted((GOLDEN / name).glob("*/event.json")):
        yield shipped(name).put("fhir", json.loads(path.read_text()), zone="America/Toronto")


def _refused(document: Any) -> Iterator[str]:
    """Yield where and why the other refuses resources of a Bundle."""
    for entry in document["entry"]:
        resource = entry["resource"]
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate_json(write_json(resource))
        except ValidationError as error:
            for one in error.errors():
                if one["type"] == "extra_forbidden" and _BESIDE.fullmatch(str(one["loc"][-1])):
                    continue
                yield f"{resource['resourceType']}.{'.'.join(map(str, one['loc']))}: {one['type']}"


@pytest.mark.parametrize("name", MAPPERS)
def test_what_the_mappers_make_is_taken_by_both(name: str) -> None:
    for document in _documents(name):
        assert structural_faults(document) == ()
        assert list(_refused(document)) == []
