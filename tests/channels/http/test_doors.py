"""Which selectors name a door of an HTTP listener."""

from __future__ import annotations

import pytest

from channels.rest import RestListener


@pytest.mark.parametrize(
    ("selector", "well"),
    [
        ("POST /v1/appointments", True),
        ("", True),
        ("PSOT /v1", False),
        ("POST v1", False),
        ("GET /v1", False),
    ],
)
def test_a_configuration_cannot_name_what_is_no_door(selector: str, well: bool) -> None:
    listener = RestListener.model_validate({"rest": "127.0.0.1:0"})
    assert (listener.selector_fault(selector) == "") is well
