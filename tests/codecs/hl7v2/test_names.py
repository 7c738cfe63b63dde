"""Names of fields and components, by version."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.names import component_name, component_type, field_name, field_type


@pytest.mark.parametrize(
    ("segment", "field", "version", "name"),
    [
        ("PID", 3, "2.5.1", "Patient identifier list"),
        ("MSH", 10, "2.1", "Message control ID"),
        ("OBX", 5, "2.8", "Observation value"),
        ("PID", 3, "2.9", "Patient identifier list"),
        ("PID", 3, "", "Patient ID internal ID"),
        ("ZPV", 1, "2.5", ""),
        ("PID", 99, "2.5", ""),
    ],
)
def test_a_field_has_the_name_of_its_version(segment: str, field: int, version: str, name: str) -> None:
    assert field_name(segment, field, version) == name


def test_components_are_named_through_their_data_type() -> None:
    assert field_type("PID", 5) == "XPN"
    assert (component_name("XPN", 1), component_type("XPN", 1)) == ("Family name", "FN")
    assert component_name("FN", 1) == "Surname"


def test_a_part_that_a_version_lacks_is_named_as_in_the_nearest_version_that_has_it() -> None:
    assert field_name("PID", 39, "2.3") == field_name("PID", 39, "2.5") != ""
