"""Invented patients, visits and staff in HL7 v2.5.1, for the generators of pharmacy and billing messages.

Names, numbers and addresses are made up from short lists; the authorities are under the OID arc of examples.
"""

from __future__ import annotations

from random import Random
from typing import Final

FAMILIES: Final = (
    "Tremblay",
    "Gagnon",
    "Roy",
    "Côté",
    "Bouchard",
    "O'Neill",
    "Nguyen",
    "Lavoie",
    "Fortin",
    "Ouellet",
)
GIVENS: Final = ("Marie", "Zoé", "Louis", "Anaïs", "Émile", "Nora", "Hugo", "Chloé", "Samuel", "Inès")
CITIES: Final = (("Montréal", "QC", "H2X 1Y4"), ("Québec", "QC", "G1R 2B5"), ("Gatineau", "QC", "J8X 3X7"))
HOSPITAL: Final = "CHUX&2.16.840.1.113883.19.4&ISO"


def header(random: Random, kind: str, control_id: str) -> str:
    """Return an MSH whose MSH-9 is `kind` ("RDE^O11^RDE_O11") and whose MSH-10 is `control_id`."""
    sender = random.choice(
        ("CPOE|CHUX", "PHARM^2.16.840.1.113883.19.4.1^ISO|CHUX^2.16.840.1.113883.19.4^ISO")
    )
    receiver = random.choice(("ROBOT|CHUX", "GESTION|RESEAU"))
    tail = random.choice(("", "", "|||AL|NE|CAN|UNICODE UTF-8|fr^French^ISO639"))
    return f"MSH|^~\\&|{sender}|{receiver}|{moment(random)}||{kind}|{control_id}|P|2.5.1{tail}"


def moment(random: Random) -> str:
    """Return a DTM with a precision and an offset as senders have them."""
    day = f"2026{random.randint(1, 12):02d}{random.randint(1, 28):02d}"
    time = f"{random.randint(0, 23):02d}{random.choice((0, 15, 30, 45)):02d}"
    return day + random.choice((time + "00", time + "00-0500", time, time + "12-0400"))


def day(random: Random) -> str:
    """Return a date of 2026."""
    return f"2026{random.randint(1, 12):02d}{random.randint(1, 28):02d}"


def doctor(random: Random) -> str:
    """Return an XCN of an invented member of staff."""
    number, family, given = f"{random.randint(10000, 99999)}", random.choice(FAMILIES), random.choice(GIVENS)
    return random.choice(
        (
            f"{number}^{family}^{given}",
            f"{number}^{family}^{given}^M^^Dr^MD^^{HOSPITAL}^L^^^LN",
            f"{number}^{family}^{given}^^^Dr^^^CMQ&2.16.840.1.113883.19.7&ISO^L^^^MD",
        )
    )


def patient(random: Random) -> str:
    """Return a PID with one or two identifiers, and an address and telephones most of the time."""
    family, given = random.choice(FAMILIES), random.choice(GIVENS)
    number = f"{random.randint(100000, 999999)}"
    identifiers = f"{number}^^^{HOSPITAL}^MR"
    if random.random() < 0.6:
        card = f"{family[:3].upper()}Z{random.randint(10000000, 99999999)}"
        identifiers += f"~{card}^^^RAMQ&2.16.840.1.113883.19.5&ISO^JHN"
    city, province, code = random.choice(CITIES)
    address = f"{random.randint(1, 999)} rue des Érables^app. {random.randint(1, 40)}^{city}^{province}^{code}^CAN^H"
    phones = f"514-555-{random.randint(100, 199):04d}^PRN^PH~^NET^Internet^{given.lower()}@courriel.example"
    account = f"C{random.randint(1000, 9999)}^^^{HOSPITAL}^AN" if random.random() < 0.6 else ""
    fields = [
        "PID",
        "1",
        "",
        identifiers,
        "",
        f"{family}^{given}^{random.choice(('', 'M', 'Luc'))}^^{random.choice(('', 'Mme'))}^^L",
        random.choice(("", f"{random.choice(FAMILIES)}^^^^^^M")),
        f"{random.randint(1930, 2024)}{random.randint(1, 12):02d}{random.randint(1, 28):02d}",
        random.choice("FMUO"),
        "",
        "",
        address if random.random() < 0.8 else "",
        "",
        phones if random.random() < 0.7 else "",
        random.choice(("", f"418-555-{random.randint(100, 199):04d}^WPN^PH")),
        random.choice(("", "fr^French^ISO639", "en^English^ISO639")),
        random.choice(("", "M^Married^HL70002", "S")),
        "",
        account,
    ]
    return "|".join(fields).rstrip("|")


def visit(random: Random) -> str:
    """Return a PV1: class, place, doctors, service, visit number, and times of stay for some."""
    number = f"V{random.randint(100000, 999999)}^^^{HOSPITAL}^VN"
    fields = [""] * 46
    fields[0], fields[1] = "PV1", "1"
    fields[2] = random.choice("IIOEP")
    fields[3] = f"{random.choice(('4N', 'URG', 'SI'))}^{random.randint(100, 499)}^{random.choice('AB')}^CHUX"
    fields[4] = random.choice(("", "E", "R"))
    fields[7] = doctor(random)
    fields[8] = random.choice(("", doctor(random)))
    fields[10] = random.choice(("MED", "SUR", "CAR", ""))
    fields[14] = random.choice(("", "7", "1"))
    fields[17] = random.choice(("", doctor(random)))
    fields[19] = number
    fields[20] = random.choice(("", "RAMQ^20260101", "PRIV"))
    fields[44] = moment(random)
    fields[45] = random.choice(("", "", moment(random)))
    return "|".join(fields).rstrip("|")
