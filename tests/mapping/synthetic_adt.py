"""Invented admission messages of HL7 v2.5.1, chapter 3: forty of each trigger that the mapper takes, same for a seed.

They are written from 3.3 and 3.4: EVN, PID, PD1, NK1, PV1, PV2, AL1, DG1, OBX, GT1, IN1 with IN2, and MRG for A40. What
many senders leave empty is often empty here; deletions (`""`) and several spellings of one code appear.
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

STRUCTURES: Final = {
    "A01": "ADT_A01",
    "A02": "ADT_A02",
    "A03": "ADT_A03",
    "A04": "ADT_A01",
    "A05": "ADT_A05",
    "A06": "ADT_A06",
    "A07": "ADT_A06",
    "A08": "ADT_A01",
    "A11": "ADT_A09",
    "A13": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
    "A40": "ADT_A39",
}
ALLERGENS: Final = (
    "DA^Drug allergy^HL70127|70618^Pénicilline^RXNORM",
    "FA|F222^Arachide^L",
    "|^Latex",
    "MA|P",
)
SEVERITIES: Final = ("SV^Severe^HL70128", "MO", "MI^Mild^HL70128", "U", "")
DIAGNOSES: Final = (
    "J18.9^Pneumonie, sans précision^I10",
    "I10^Hypertension essentielle^I10C|Hypertension",
    "38341003^Hypertensive disorder^SCT",
    "|Douleur thoracique",
)
PLANS: Final = ("RAMQ^Régie de l'assurance maladie^L", "PRIV^Assurance privée", "BC")
KIN: Final = ("SPO^Spouse^HL70063", "MTH^Mother^HL70063", "SEL", "FND^Friend^HL70063", "")


def admissions(trigger: str, count: int = 40, seed: int = 301) -> tuple[str, ...]:
    """Return `count` ADT messages of one trigger ("A01"), segments ended by CR."""
    first = seed * 100_000 + int(trigger[1:]) * 1000
    return tuple(_message(Random(first + number), trigger, number) for number in range(count))


def _message(random: Random, trigger: str, number: int) -> str:
    kind = f"ADT^{trigger}^{STRUCTURES[trigger]}"
    segments = [header(random, kind, f"ADT{trigger}{number:04d}"), _event(random, trigger)]
    segments.append(_deleting(random, patient(random)))
    if trigger == "A40":
        segments.append(_merge(random))
        return "\r".join(segments) + "\r"
    segments += [_demographics(random)] if random.random() < 0.4 else []
    segments += [_kin(random, each + 1) for each in range(random.choice((0, 0, 1, 2)))]
    if trigger not in {"A28", "A31"} or random.random() < 0.3:
        segments.append(visit(random))
        segments += [_more_of_visit(random)] if random.random() < 0.4 else []
    if random.random() < 0.2:
        segments.append("OBX|1|NM|8302-2^Taille^LN||172|cm^centimètre^UCUM|150-200|N|||F|||20260104")
    segments += [_allergy(random, each + 1) for each in range(random.choice((0, 0, 1, 3)))]
    segments += [_diagnosis(random, each + 1) for each in range(random.choice((0, 1, 2)))]
    segments += _insurance(random) if random.random() < 0.4 else []
    return "\r".join(segments) + "\r"


def _event(random: Random, trigger: str) -> str:
    reason = random.choice(("", "01^Patient request^HL70062", "02"))
    operator = random.choice(("", doctor(random)))
    return (
        f"EVN|{random.choice((trigger, ''))}|{moment(random)}||{reason}|{operator}|{moment(random)}".rstrip(
            "|"
        )
    )


def _deleting(random: Random, segment: str) -> str:
    """Say of some patients that a thing known before is no more: HL7's null."""
    if random.random() < 0.8:
        return segment
    fields = segment.split("|")
    fields += [""] * (30 - len(fields))
    fields[random.choice((9, 16, 23))] = '""'
    fields[29], fields[30:] = random.choice((("", ["N"]), (day(random), ["Y"])))
    return "|".join(fields).rstrip("|")


def _demographics(random: Random) -> str:
    clinic = random.choice(("Clinique du Parc^L^4401", "Clinique du Parc"))
    return f"PD1|{random.choice(('', 'S'))}||{clinic}|{doctor(random)}|||{random.choice(('', 'N'))}"


def _merge(random: Random) -> str:
    old = f"{random.randint(100000, 999999)}^^^{HOSPITAL}^MR"
    if random.random() < 0.3:
        old += f"~{random.randint(1000, 9999)}^^^LABO^PI"
    account = random.choice(("", f"C{random.randint(1000, 9999)}"))
    name = random.choice(("", f"{random.choice(FAMILIES)}^{random.choice(GIVENS)}"))
    return f"MRG|{old}||{account}||||{name}".rstrip("|")


def _kin(random: Random, number: int) -> str:
    name = f"{random.choice(FAMILIES)}^{random.choice(GIVENS)}"
    phone = random.choice(("", "514-555-0111", "^PRN^PH^^1^514^5550111"))
    address = random.choice(("", "12 rue du Lac^^Québec^QC^G1R 2B5^CAN^H"))
    role = random.choice(("", "C^Emergency Contact^HL70131", "N"))
    return f"NK1|{number}|{name}|{random.choice(KIN)}|{address}|{phone}||{role}".rstrip("|")


def _more_of_visit(random: Random) -> str:
    fields = [""] * 39
    fields[0] = "PV2"
    fields[3] = random.choice(("", "^Douleur abdominale", "R10.4^Douleur abdominale^I10"))
    fields[8], fields[9] = random.choice((("", ""), (day(random), day(random))))
    fields[12] = random.choice(("", "Bilan de santé"))
    fields[25] = random.choice(("", "1^Emergency^HL70217", "3"))
    fields[38] = random.choice(("", "A^Ambulance^HL70430", "C"))
    return "|".join(fields).rstrip("|")


def _allergy(random: Random, number: int) -> str:
    reaction = random.choice(("", "Urticaire", "Urticaire~Œdème"))
    first = f"AL1|{number}|{random.choice(ALLERGENS)}|{random.choice(SEVERITIES)}|{reaction}"
    return f"{first}|{random.choice(('', day(random)))}".rstrip("|")


def _diagnosis(random: Random, number: int) -> str:
    code = random.choice(DIAGNOSES)
    code += "" if "|" in code else "|"
    kind = random.choice(("A^Admitting^HL70052", "W", "F"))
    who = random.choice(("", f"|||||||||{number}|{doctor(random)}"))
    return f"DG1|{number}||{code}|{random.choice(('', moment(random)))}|{kind}{who}".rstrip("|")


def _insurance(random: Random) -> list[str]:
    family, given = random.choice(FAMILIES), random.choice(GIVENS)
    guarantor = (
        f"GT1|1|G{random.randint(100, 999)}|{family}^{given}||12 rue du Lac^^Québec^QC^G1R 2B5|418-555-0120"
    )
    fields = [""] * 50
    fields[0], fields[1] = "IN1", "1"
    fields[2] = random.choice(PLANS)
    fields[3], fields[4] = (
        f"A{random.randint(10, 99)}",
        random.choice(("Assureur Fictif", "Mutuelle Fictive^L")),
    )
    fields[8], fields[12] = random.choice((("G-12", "20260101"), ("", "")))
    fields[15] = random.choice(("", "HMO", "S"))
    fields[16], fields[17] = f"{family}^{given}", random.choice(("SEL^Self^HL70063", "SPO", ""))
    fields[18], fields[36] = "19700101", random.choice(("", f"P-{random.randint(1000, 9999)}"))
    fields[49] = random.choice(("", f"{random.randint(1000, 9999)}^^^RAMQ^JHN"))
    segments = [guarantor, "|".join(fields).rstrip("|")]
    return segments + ([f"IN2||000-000-{random.randint(100, 999)}"] if random.random() < 0.3 else [])
