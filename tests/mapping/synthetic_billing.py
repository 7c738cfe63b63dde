"""Invented billing messages of HL7 v2.5.1, chapter 6: DFT^P03 (post detail financial transactions).

A seed gives the same messages always. Each has one to four FT1, and some of PR1, DG1, GT1 and IN1, as 6.4.2 allows;
fields that senders leave empty are empty here too, and some that no mapper need carry are filled.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.mapping.synthetic_patients import (
    FAMILIES,
    GIVENS,
    HOSPITAL,
    day,
    doctor,
    header,
    moment,
    patient,
    visit,
)

SERVICES: Final = (
    ("99213", "Office visit, level 3", "C4", "112.50"),
    ("80053", "Comprehensive metabolic panel", "C4", "150.00"),
    ("71045", "Radiographie du thorax, une incidence", "C4", "98"),
    ("08090", "Examen ordinaire", "RAMQ", "42.15"),
)
DIAGNOSES: Final = (
    ("J02.9", "Pharyngite aiguë", "I10"),
    ("E11.9", "Type 2 diabetes mellitus", "I10"),
    ("I10", "Essential hypertension", "I10"),
)


def charges(count: int = 40, seed: int = 603) -> tuple[str, ...]:
    """Return `count` DFT^P03 messages, segments ended by CR."""
    return tuple(_message(Random(seed * 1000 + number), f"DFT{number:05d}") for number in range(count))


def _message(random: Random, control_id: str) -> str:
    recorded = moment(random)
    operator = random.choice(("", f"|||{doctor(random)}"))
    segments = [
        header(random, "DFT^P03^DFT_P03", control_id),
        f"EVN|P03|{recorded}{operator}",
        patient(random),
    ]
    if random.random() < 0.8:
        segments.append(visit(random))
    for number in range(1, random.choice((1, 1, 2, 3, 4)) + 1):
        segments.append(_transaction(random, number))
        segments += _procedure(random) if random.random() < 0.3 else []
    if random.random() < 0.5:
        segments += [_diagnosis(random, number) for number in range(1, random.choice((1, 2)) + 1)]
    if random.random() < 0.25:
        segments.append(_guarantor(random))
    if random.random() < 0.6:
        segments += [_insurance(random, number) for number in range(1, random.choice((1, 1, 2)) + 1)]
    return "\r".join(segments) + "\r"


def _transaction(random: Random, number: int) -> str:
    code, text, system, price = random.choice(SERVICES)
    quantity = random.choice(("1", "1", "1", "2"))
    posted = day(random)
    fields = [""] * 32
    fields[0], fields[1] = "FT1", str(number)
    fields[2] = random.choice(("", f"TX{random.randint(10000, 99999)}"))
    fields[3] = random.choice(("", "", f"LOT{random.randint(10, 99)}"))
    fields[4] = random.choice((posted, moment(random)))
    fields[5] = random.choice(("", posted))
    fields[6] = random.choice(("CG", "CG", "CG", "CD", "PY", "AJ"))
    fields[7] = f"{code}^{text}^{system}"
    fields[8] = random.choice(("", "", "Acte facturé"))
    fields[10] = quantity
    fields[11] = random.choice(("", f"{price}&CAD", price))
    fields[12] = random.choice(("", f"{price}&CAD"))
    fields[13] = random.choice(("", "RAD^Radiologie^L", "LAB"))
    fields[14] = random.choice(("", "", "RAMQ^Régie^L"))
    fields[16] = random.choice(("", "4N^201^A^CHUX", "URG"))
    fields[18] = random.choice(("", "O", "I"))
    fields[19] = random.choice(
        ("", "~".join("^".join(each) for each in random.sample(DIAGNOSES, 2)), "J02.9")
    )
    fields[20] = random.choice(("", doctor(random)))
    fields[21] = random.choice(("", doctor(random)))
    fields[22] = random.choice(("", f"{price}&CAD"))
    fields[23] = random.choice(("", f"FIL{random.randint(10000, 99999)}^LAB"))
    fields[24] = random.choice(("", "", doctor(random)))
    fields[25] = random.choice(("", f"{code}^{text}^{system}"))
    fields[26] = random.choice(("", "", "26^Professional component^C4", "LT~59"))
    fields[29] = random.choice(("", "", "02242903^Acétaminophène 500 mg^HC-DIN"))
    return "|".join(fields).rstrip("|")


def _procedure(random: Random) -> list[str]:
    code, text, system, _ = random.choice(SERVICES)
    surgeon = random.choice(("", doctor(random)))
    return [f"PR1|1||{code}^{text}^{system}||{moment(random)}|||||||{surgeon}".rstrip("|")]


def _diagnosis(random: Random, number: int) -> str:
    code, text, system = random.choice(DIAGNOSES)
    fields = [""] * 22
    fields[0], fields[1], fields[3] = "DG1", str(number), f"{code}^{text}^{system}"
    fields[5] = random.choice(("", day(random)))
    fields[6] = random.choice("FAW")
    fields[15] = random.choice(("", str(number)))
    fields[16] = random.choice(("", doctor(random)))
    fields[20] = random.choice(("", "", f"DX{random.randint(1000, 9999)}^DPI"))
    return "|".join(fields).rstrip("|")


def _guarantor(random: Random) -> str:
    name = f"{random.choice(FAMILIES)}^{random.choice(GIVENS)}"
    address = "5 rue du Parc^^Québec^QC^G1R 2B5^CAN^H"
    return f"GT1|1|G{random.randint(100, 999)}|{name}||{address}|418-555-0123^PRN^PH||||||SEL^Self^HL70063"


def _insurance(random: Random, number: int) -> str:
    fields = [""] * 50
    fields[0], fields[1] = "IN1", str(number)
    fields[2] = random.choice(("RAMQ^Régime public^L", "PRIV^Régime privé^L"))
    fields[3] = f"A{random.randint(100, 999)}^^^{HOSPITAL}^NIIP"
    fields[4] = random.choice(("Assureur exemple", "Mutuelle fictive^L"))
    fields[5] = random.choice(("", "10 rue de l'Assurance^^Lévis^QC^G6V 1A1^CAN^B"))
    fields[7] = random.choice(("", "418-555-0150^WPN^PH"))
    fields[8] = random.choice(("", f"GR{random.randint(100, 999)}"))
    fields[9] = random.choice(("", "Groupe exemple"))
    fields[12] = random.choice(("", "20260101"))
    fields[13] = random.choice(("", "20261231"))
    fields[15] = random.choice(("", "HMO^Health maintenance organization^HL70086"))
    fields[16] = f"{random.choice(FAMILIES)}^{random.choice(GIVENS)}"
    fields[17] = random.choice(("SEL^Self^HL70063", "SPO^Spouse^HL70063"))
    fields[18] = random.choice(("", "19700214"))
    fields[19] = random.choice(("", "5 rue du Parc^^Québec^QC^G1R 2B5^CAN^H"))
    fields[22] = random.choice(("", str(number)))
    fields[36] = f"POL{random.randint(10000, 99999)}"
    fields[49] = random.choice(("", f"M{random.randint(1000, 9999)}^^^{HOSPITAL}^MB"))
    return "|".join(fields).rstrip("|")
