"""FHIR R4 examples: the official ones where the corpus stands beside the repository, else a few synthetic ones."""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "fhir-r4"

PATIENT = b"""{
  "resourceType": "Patient", "id": "p1", "active": true,
  "text": {"status": "generated", "div": "<div xmlns=\\"http://www.w3.org/1999/xhtml\\">Ida Kern</div>"},
  "identifier": [{"use": "usual", "system": "urn:oid:1.2.36.146", "value": "12345"}],
  "name": [{"use": "official", "family": "Kern", "given": ["Ida", null], "_given": [null, {"extension":
    [{"url": "http://x.example/why", "valueCode": "masked"}]}]}],
  "birthDate": "1970-05", "_birthDate": {"id": "b1"}, "gender": "female"
}"""
OBSERVATION = b"""{
  "resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "weight"},
  "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-01-14T09:30:00+01:00",
  "valueQuantity": {"value": 1.50, "unit": "kg"},
  "referenceRange": [{"low": {"value": 1E2}, "high": {"value": 100000000000000000000.0000001}}]
}"""
BUNDLE = b"""{
  "resourceType": "Bundle", "type": "collection",
  "entry": [
    {"fullUrl": "https://x.example/fhir/Patient/p1", "resource": %s},
    {"fullUrl": "https://x.example/fhir/Observation/o1", "resource": %s}
  ]
}""" % (PATIENT, OBSERVATION)

SYNTHETIC = {
    "Patient-synthetic.json": PATIENT,
    "Observation-synthetic.json": OBSERVATION,
    "Bundle-synthetic.json": BUNDLE,
}


def examples() -> dict[str, bytes]:
    """Return file name -> bytes."""
    return SYNTHETIC | {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*.json"))}
