"""A complement that travels inside a Bundle: valid R4, taken out again without a trace, believed only where told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codecs.fhir.check import structural_faults
from engine.spi import Carried
from engine.steps.travelling import with_complements, without_complements

COMPLEMENT = {"mapper": "visit", "version": "1", "side": "v2", "rest": "ZPA|secret"}
CARRIED = Carried("visit", "1", "v2", COMPLEMENT, dict)
NOTHING = Carried("visit", "1", "v2", None, dict)
ENVELOPE = {"id": "E7", "source": "/passerelle/door", "time": "2026-11-02T14:00:00Z"}


def bundle(kind: str = "collection") -> dict[str, Any]:
    entry: dict[str, Any] = {
        "fullUrl": "urn:uuid:0f3c9f6a-9e2f-4c5e-8a3e-3a1f0d1d2c3b",
        "resource": {"resourceType": "Patient", "name": [{"family": "Roy"}]},
    }
    if kind == "transaction":
        entry["request"] = {"method": "POST", "url": "Patient"}
    return {"resourceType": "Bundle", "type": kind, "entry": [entry]}


@pytest.mark.parametrize("kind", ["collection", "transaction"])
def test_a_bundle_with_a_complement_is_still_valid(kind: str) -> None:
    assert structural_faults(with_complements(bundle(kind), [CARRIED], ENVELOPE)) == ()


@pytest.mark.parametrize("kind", ["collection", "transaction"])
def test_what_was_put_in_comes_out_and_leaves_the_bundle_as_it_was(kind: str) -> None:
    whole = with_complements(bundle(kind), [NOTHING, CARRIED], ENVELOPE)
    assert without_complements(whole) == (bundle(kind), [COMPLEMENT])


def test_it_is_written_the_same_every_time() -> None:
    assert with_complements(bundle(), [CARRIED], ENVELOPE) == with_complements(bundle(), [CARRIED], ENVELOPE)


@pytest.mark.parametrize("root", [{"resourceType": "Patient"}, {"resourceType": "Bundle"}, [], "text"])
def test_what_is_no_bundle_with_entries_stays(root: Any) -> None:
    assert with_complements(root, [CARRIED], ENVELOPE) is root
    assert without_complements(root) == (root, [])


def test_where_nothing_was_left_nothing_travels() -> None:
    root = bundle()
    assert with_complements(root, [NOTHING], ENVELOPE) is root


@pytest.mark.parametrize("data", ["no base64!", "bm8ganNvbg==", "W10=", None])
def test_a_binary_that_holds_no_complement_is_left_alone(data: Any) -> None:
    whole = with_complements(bundle(), [CARRIED], ENVELOPE)
    whole["entry"][1]["resource"]["data"] = data
    assert without_complements(whole) == (whole, [])


def test_the_binaries_and_provenances_of_others_stay() -> None:
    other = bundle()
    other["entry"].append(
        {"fullUrl": "urn:x", "resource": {"resourceType": "Binary", "contentType": "text/plain"}}
    )
    other["entry"].append(
        {"resource": {"resourceType": "Provenance", "entity": [{"what": {"reference": "urn:x"}}]}}
    )
    whole = with_complements(other, [CARRIED], ENVELOPE)
    assert without_complements(whole) == (other, [COMPLEMENT])
