"""References are resolved within a document as R4 2.36.4.1 says."""

from __future__ import annotations

from typing import Any

from engine.codecs.fhir import Resources, resolve

URN = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"
BASE = "https://x.example/fhir"


def resource(kind: str, name: str, version: str = "", **members: Any) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "id": name,
        **({"meta": {"versionId": version}} if version else {}),
        **members,
    }


def bundle(*entries: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    listed = [{"fullUrl": url, "resource": one} if url else {"resource": one} for url, one in entries]
    return {"resourceType": "Bundle", "type": "collection", "entry": listed}


def test_a_full_url_is_found_as_it_stands() -> None:
    there = resource("Patient", "1")
    root = bundle((URN, there), (f"{BASE}/Patient/2", resource("Patient", "2")))
    assert resolve(root, URN) is there
    assert resolve(root, f"{BASE}/Patient/2") is root["entry"][1]["resource"]
    assert resolve(root, f"{BASE}/Patient/3") is None
    assert resolve(root, "https://y.example/fhir/Patient/2") is None


def test_a_relative_reference_is_looked_for_on_the_server_of_its_source() -> None:
    here, there = resource("Patient", "1"), resource("Patient", "1")
    source = resource("Encounter", "e")
    root = bundle(
        ("https://y.example/Patient/1", there), (f"{BASE}/Patient/1", here), (f"{BASE}/Encounter/e", source)
    )
    assert resolve(root, "Patient/1", source) is here
    assert resolve(root, "Patient/1") is None


def test_a_relative_reference_is_found_anywhere_where_one_entry_only_can_be_meant() -> None:
    there = resource("Patient", "1")
    source = resource("Encounter", "e")
    root = bundle((URN, there), ("", source))
    assert resolve(root, "Patient/1", source) is there
    assert resolve(root, "Patient/1#part", source) is there
    assert resolve(root, "Group/1", source) is None


def test_a_version_is_told_from_the_others() -> None:
    first, second = resource("Patient", "1", "1"), resource("Patient", "1", "2")
    root = bundle((f"{BASE}/Patient/1", first), (f"{BASE}/Patient/1", second))
    assert resolve(root, f"{BASE}/Patient/1/_history/2") is second
    assert resolve(root, f"{BASE}/Patient/1") is first
    assert resolve(root, f"{BASE}/Patient/1/_history/3") is None


def test_contained_resources_are_found_from_what_contains_them_and_from_each_other() -> None:
    inner, other = resource("Patient", "p"), resource("Practitioner", "d")
    source = resource("Encounter", "e", contained=[inner, other])
    resources = Resources(
        bundle(("", source), ("", resource("Encounter", "f", contained=[resource("Patient", "p")])))
    )
    assert resources.find("#p", source) is inner
    assert resources.find("#d", inner) is other
    assert resources.find("#", inner) is source
    assert resources.find("#nobody", source) is None
    assert resolve(source, "#p") is inner


def test_what_is_no_reference_leads_nowhere() -> None:
    root = bundle((URN, resource("Patient", "1")))
    assert [resolve(root, text) for text in ("", "Patient", "1", "Patient/", "patient/1", "Patient?x=1")] == [
        None
    ] * 6
    assert resolve({"resourceType": "Bundle", "entry": ["x", {"resource": 1}]}, "Patient/1") is None
