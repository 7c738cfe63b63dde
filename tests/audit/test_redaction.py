"""What people type into a reason may name somebody; what leaves does not."""

from __future__ import annotations

import pytest

from engine.audit.redaction import MASK, redacted


@pytest.mark.parametrize(
    "text",
    [
        "TREC 8002 2912",
        "trec80022912",
        "046-454-286",
        "camille@example.org",
        "+1 418 555 0142",
        "(418) 555-0142",
        "418.555.0142",
    ],
)
def test_what_looks_like_a_person_is_masked(text: str) -> None:
    assert redacted(f"about {text}, today") == f"about {MASK}, today"


@pytest.mark.parametrize(
    "text",
    [
        "06H00GVB3400BYHB29QR exercise",
        "clinic.emr 503 in 12 ms",
        "appointments 1060 bytes",
        "2026-11-02T09:00:00-05:00",
        "route:notes",
    ],
)
def test_ids_times_and_names_of_endpoints_stay(text: str) -> None:
    assert redacted(text) == text
