"""Invented pharmacy messages of HL7 v2.5.1, chapter 4A: RDE^O11 (encoded orders) and RDS^O13 (dispenses).

A seed gives the same messages always. Each order has its own mix of ORC, TQ1, RXO, RXE, RXR, RXC, RXD, NTE and OBX,
as 4A.3.5 and 4A.3.9 allow; fields that senders leave empty are empty here too, and some that no
mapper need carry are filled.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.mapping.synthetic_patients import HOSPITAL, day, doctor, header, moment, patient, visit

DRUGS: Final = (
    (
        "02242903",
        "Acétaminophène 500 mg, comprimé",
        "HC-DIN",
        "500",
        "mg",
        "TAB^Tablet^HL70292",
        "TAB^tablet^UCUM",
    ),
    (
        "197361",
        "Amoxicillin 500 MG Oral Capsule",
        "RXNORM",
        "500",
        "mg",
        "CAP^Capsule^HL70292",
        "CAP^capsule^UCUM",
    ),
    ("00071015523", "Atorvastatin 10 MG Oral Tablet", "NDC", "10", "mg", "TAB", "TAB^tablet^UCUM"),
    (
        "308056",
        "Salbutamol 100 mcg/dose, inhaler",
        "RXNORM",
        "100",
        "ug",
        "INH^Inhaler^L",
        "{puff}^puff^UCUM",
    ),
    (
        "1807632",
        "Sodium chloride 9 mg/mL infusion",
        "RXNORM",
        "9",
        "mg/mL",
        "SOL^Solution^HL70292",
        "mL^millilitre^UCUM",
    ),
)
ROUTES: Final = (
    "PO^Oral^HL70162",
    "IV^Intravenous^HL70162",
    "IH^Inhalation^HL70162",
    "SC",
    "PR^Rectal^HL70162",
)
PATTERNS: Final = ("BID", "TID", "Q6H", "QHS", "Q8H&every 8 hours&HL70335", "PRN")
NOTES: Final = ("Avec nourriture", "Adjust to renal function", "Prendre avec un grand verre d'eau")


def prescriptions(count: int = 40, seed: int = 411) -> tuple[str, ...]:
    """Return `count` RDE^O11 messages, segments ended by CR."""
    return tuple(
        _message(Random(seed * 1000 + number), "RDE^O11^RDE_O11", f"RDE{number:05d}")
        for number in range(count)
    )


def dispenses(count: int = 40, seed: int = 413) -> tuple[str, ...]:
    """Return `count` RDS^O13 messages, segments ended by CR."""
    return tuple(
        _message(Random(seed * 1000 + number), "RDS^O13^RDS_O13", f"RDS{number:05d}")
        for number in range(count)
    )


def _message(random: Random, kind: str, control_id: str) -> str:
    segments = [header(random, kind, control_id), patient(random)]
    if random.random() < 0.7:
        segments.append(visit(random))
    if random.random() < 0.25:
        segments.append("AL1|1|DA^Drug allergy^HL70127|70618^Penicillin^RXNORM|SV^Severe^HL70128|Hives")
    for number in range(random.choice((1, 1, 1, 2, 3))):
        segments += _order(random, number, dispensed=kind.startswith("RDS"))
    return "\r".join(segments) + "\r"


def _order(random: Random, number: int, *, dispensed: bool) -> list[str]:
    drug = random.choice(DRUGS)
    placer = f"ORD{random.randint(10000, 99999)}"
    segments = [_common(random, placer, dispensed)]
    if random.random() < 0.5:
        segments.append(_timing(random, 1))
    if random.random() < 0.4:
        segments += [_requested(random, drug), _route(random)]
        segments += [f"NTE|1|P|{random.choice(NOTES)}"] if random.random() < 0.4 else []
    if not dispensed or random.random() < 0.5:
        segments += _encoded(random, drug)
    if dispensed:
        segments += _dispensed(random, drug, number)
    elif random.random() < 0.15:
        segments.append("OBX|1|NM|29463-7^Body weight^LN||72|kg^kilogram^UCUM|||||F")
    return segments


def _common(random: Random, placer: str, dispensed: bool) -> str:
    fields = [""] * 25
    fields[0], fields[1] = (
        "ORC",
        "RE" if dispensed else random.choice(("NW", "NW", "NW", "XO", "DC", "HD", "RF")),
    )
    fields[2] = random.choice((placer, f"{placer}^CPOE^2.16.840.1.113883.19.4.1^ISO"))
    fields[3] = random.choice(("", f"FIL{random.randint(10000, 99999)}^PHARM"))
    fields[4] = random.choice(("", "", f"GRP{random.randint(100, 999)}^CPOE"))
    fields[5] = random.choice(("", "IP", "SC", "CM", "HD"))
    fields[9] = moment(random)
    fields[10] = random.choice(("", doctor(random)))
    fields[11] = random.choice(("", "", doctor(random)))
    fields[12] = doctor(random)
    fields[14] = random.choice(("", "514-555-0188^WPN^PH"))
    fields[15] = random.choice(("", moment(random)))
    fields[16] = random.choice(("", "", "ADR^Adverse reaction^L"))
    fields[17] = random.choice(("", "MED^Médecine^L"))
    fields[21] = random.choice(("", f"Hôpital exemple^L^^^^{HOSPITAL}^XX^^^H1"))
    fields[22] = random.choice(("", "", "1 boul. du Test^^Montréal^QC^H2X 3E4^CAN^B"))
    fields[23] = random.choice(("", "", "514-555-0100^WPN^PH"))
    return "|".join(fields).rstrip("|")


def _timing(random: Random, number: int) -> str:
    fields = [""] * 15
    fields[0], fields[1] = "TQ1", str(number)
    fields[2] = random.choice(("", "1^tablet", "2^mL"))
    fields[3] = random.choice(PATTERNS)
    fields[4] = random.choice(("", "", "0800"))
    fields[6] = random.choice(("", "10^d", "7^d"))
    fields[7] = random.choice(("", moment(random)))
    fields[8] = random.choice(("", "", moment(random)))
    fields[9] = random.choice(("", "R^Routine^HL70485", "S^Stat^HL70485", "A"))
    fields[10] = random.choice(("", "", "if pain over 4/10"))
    fields[11] = random.choice(("", "", "Take on rising"))
    fields[14] = random.choice(("", "", "20"))
    return "|".join(fields).rstrip("|")


def _requested(random: Random, drug: tuple[str, ...]) -> str:
    code, text, system, strength, unit, form, give = drug
    fields = [""] * 29
    fields[0], fields[1] = "RXO", f"{code}^{text}^{system}"
    fields[2], fields[3] = random.choice((("1", ""), ("1", "2"), ("2.5", "")))
    fields[4], fields[5] = give, random.choice(("", form))
    fields[6] = random.choice(("", "^Check interactions"))
    fields[7] = random.choice(("", "^Prendre un comprimé deux fois par jour"))
    fields[9] = random.choice(("", "G", "N", "T"))
    fields[11], fields[12] = random.choice((("", ""), ("20", give), ("30", give)))
    fields[13] = random.choice(("", "0", "3"))
    fields[14] = random.choice(("", doctor(random)))
    fields[18], fields[19] = random.choice((("", ""), (strength, unit)))
    fields[20] = random.choice(("", "J02.9^Pharyngite aiguë^I10"))
    fields[21], fields[22] = random.choice((("", ""), ("125", "mL/h^millilitre per hour^UCUM")))
    return "|".join(fields).rstrip("|")


def _encoded(random: Random, drug: tuple[str, ...]) -> list[str]:
    code, text, system, strength, unit, form, give = drug
    fields = [""] * 41
    fields[0] = "RXE"
    fields[1] = random.choice(("", f"1^QD^^{day(random)}"))
    fields[2] = f"{code}^{text}^{system}"
    fields[3], fields[4] = random.choice((("1", ""), ("1", "2"), ("0.5", "")))
    fields[5], fields[6] = give, random.choice(("", form))
    fields[7] = random.choice(("", "^Un comprimé matin et soir", "^Take with food~^Avoid alcohol"))
    fields[9] = random.choice(("", "0", "G"))
    fields[10], fields[11] = random.choice((("", ""), ("20", give), ("30", give)))
    fields[12] = random.choice(("", "0", "2"))
    fields[13] = random.choice(("", "", doctor(random)))
    fields[14] = random.choice(("", doctor(random)))
    fields[15] = random.choice(("", f"RX{random.randint(10000, 99999)}"))
    fields[16], fields[17] = random.choice((("", ""), ("2", "1")))
    fields[18] = random.choice(("", moment(random)))
    fields[19] = random.choice(("", "4^tablet", "2000^mg"))
    fields[21] = random.choice(("", "", "^Keep refrigerated"))
    fields[22] = random.choice(("", "", "H1"))
    fields[23], fields[24] = random.choice((("", ""), ("125", "mL/h^millilitre per hour^UCUM")))
    fields[25], fields[26] = random.choice((("", ""), (strength, unit)))
    fields[27] = random.choice(("", "J02.9^Pharyngite aiguë^I10"))
    fields[31] = random.choice(("", "", "02247521^Générique^HC-DIN"))
    fields[40] = random.choice(("", "PHX^Pharmacie exemple^L"))
    segments = ["|".join(fields).rstrip("|")]
    segments += [_timing(random, 1)] if random.random() < 0.6 else []
    segments.append(_route(random))
    return segments + (_components(random) if random.random() < 0.25 else [])


def _route(random: Random) -> str:
    site = random.choice(("", "LA^Left Arm^HL70163"))
    method = random.choice(("", "IVP^IV Push^HL70165", "CH^Chew^HL70165"))
    return f"RXR|{random.choice(ROUTES)}|{site}||{method}".rstrip("|")


def _components(random: Random) -> list[str]:
    return [
        "RXC|B|1807632^Sodium chloride 9 mg/mL^RXNORM|1000|mL^millilitre^UCUM",
        f"RXC|A|8588^Potassium chloride^RXNORM|{random.choice(('20', '40'))}|mmol^millimole^UCUM|2|mmol/mL",
    ]


def _dispensed(random: Random, drug: tuple[str, ...], number: int) -> list[str]:
    code, text, system, strength, unit, form, give = drug
    fields = [""] * 34
    fields[0], fields[1], fields[2], fields[3] = "RXD", str(number), f"{code}^{text}^{system}", moment(random)
    fields[4], fields[5], fields[6] = random.choice(("10", "30", "1.5")), give, random.choice(("", form))
    fields[7] = f"RX{random.randint(10000, 99999)}"
    fields[8] = random.choice(("", "2"))
    fields[9] = random.choice(("", "Given in a blister", "Premier service~Conseil donné"))
    fields[10] = random.choice(("", doctor(random)))
    fields[11] = random.choice(("", "G", "N"))
    fields[12] = random.choice(("", "3^tablet"))
    fields[15] = random.choice(("", "^Un comprimé matin et soir"))
    fields[16], fields[17] = random.choice((("", ""), (strength, unit)))
    fields[18] = random.choice(("", f"LOT{random.randint(100, 999)}"))
    fields[19] = random.choice(("", "20271231"))
    fields[20] = random.choice(("", "PFI^Pharma fictive^MVX"))
    fields[21] = random.choice(("", "J02.9^Pharyngite aiguë^I10"))
    fields[30] = random.choice(("", "PHX^Pharmacie exemple^L"))
    fields[33] = random.choice(("", "FF^First Fill^L"))
    segments = ["|".join(fields).rstrip("|")]
    segments += [f"NTE|1|P|{random.choice(NOTES)}"] if random.random() < 0.3 else []
    return [*segments, _route(random)]
