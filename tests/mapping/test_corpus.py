"""Every message of the corpus comes back byte for byte from the mapper of its type, by itself and over FHIR."""

from __future__ import annotations

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import PasserelleError
from engine.mapping.laws import check_across, check_create, check_getput
from tests.mapping.test_laws import ZONE, mapper_named, same_bytes
from tests.mapping.trips import corpus

TYPES = {
    "appointment": ("SIU_S12", "SIU_S13", "SIU_S14", "SIU_S15", "SIU_S17", "SIU_S26"),
    "patient-encounter": tuple(f"ADT_A{number:02}" for number in (1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 28, 31, 40)),
    "laboratory-result": ("ORU_R01",),
    "order": ("ORM_O01", "OMG_O19", "OML_O21"),
    "medication": ("RDE_O11", "RDS_O13"),
    "invoice": ("DFT_P03",),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_every_message_of_the_corpus_comes_back(name: str) -> None:
    mapper = mapper_named(name)
    wrong = []
    for file, body in corpus(*TYPES[name]):
        try:
            root = parse(body)
        except PasserelleError:
            continue  # no mapper ever sees what the codec refuses
        assert write(root) == body
        found = (
            check_getput(mapper, "v2", root, same_bytes)
            or check_create(mapper, "v2", mapper.get("v2", root).data)
            or check_across(mapper, root, same_bytes, zone=ZONE)
        )
        if found:
            wrong.append(f"{file}: {found}")
    assert wrong == []
