"""Invented scheduling messages of HL7 v2.5.1, chapter 10: SIU^S12 to S24 and S26, forty of each, the same for a seed.

They are written from 10.3 and 10.6: one SCH, TQ1, notes, a patient with a visit, one to three RGS groups with
services, general resources, locations and personnel, each with its notes. What many senders leave empty is often
empty here, and several spellings of one status appear.
"""

from __future__ import annotations

from random import Random
from typing import Final

from tests.mapping.synthetic_patients import HOSPITAL, doctor, header, moment, patient, visit

TRIGGERS: Final = tuple(f"S{number}" for number in (*range(12, 25), 26))
STATUS: Final = {"S15": "Cancelled", "S16": "Dc", "S17": "Deleted", "S23": "Blocked", "S26": "Noshow"}
STATUSES: Final = (
    "Booked^Booked^HL70278",
    "Booked",
    "BOOKED",
    "Scheduled",
    "Pending",
    "Waitlist^^HL70278",
    "",
)
SERVICES: Final = (
    "44388-7^Colonoscopie^LN",
    "71020^Radiographie du thorax^L^XR^Chest^C4",
    "CONSULT^Consultation en cardiologie^L",
    "34117-2",
)
REASONS: Final = ("", "CHECKUP^Suivi annuel^HL70276", "ROUTINE^Routine^HL70276", "^Douleur à l'épaule")
TYPES: Final = ("", "Normal^Routine schedule request^HL70277", "Normal", "Tentative^^HL70277")
UNITS: Final = ("min", "min^minute^ISO+", "MIN^Minutes^L", "m")
NOTES: Final = (
    "À jeun depuis minuit",
    "Apporter la carte d'assurance",
    "Interprète requis \\T\\ fauteuil roulant",
)


def appointments(trigger: str, count: int = 40, seed: int = 512) -> tuple[str, ...]:
    """Return `count` SIU messages of one trigger ("S12"), segments ended by CR."""
    first = seed * 100_000 + int(trigger[1:]) * 1000
    return tuple(_message(Random(first + number), trigger, number) for number in range(count))


def _message(random: Random, trigger: str, number: int) -> str:
    start = moment(random)
    segments = [header(random, f"SIU^{trigger}^SIU_S12", f"SIU{trigger}{number:04d}")]
    segments.append(_schedule(random, trigger, start))
    if random.random() < 0.3:
        segments.append(f"TQ1|1||||||{start}|{moment(random)}|R")
    segments += _notes(random)
    if trigger not in {"S23", "S24"} or random.random() < 0.3:
        segments.append(patient(random))
        segments += [visit(random)] if random.random() < 0.4 else []
    for group in range(random.choice((1, 1, 2, 3))):
        segments += _resources(random, trigger, group + 1, start)
    return "\r".join(segments) + "\r"


def _schedule(random: Random, trigger: str, start: str) -> str:
    fields = [""] * 28
    fields[0] = "SCH"
    placer = f"RDV{random.randint(1000, 9999)}"
    fields[1] = random.choice((placer, f"{placer}^{HOSPITAL.replace('&', '^')}", ""))
    fields[2] = random.choice((f"F{random.randint(1000, 9999)}", f"F{random.randint(1000, 9999)}^SCHED"))
    fields[5] = random.choice(("", "", f"S{random.randint(100, 999)}"))
    fields[6] = random.choice(("ROUTINE^Routine^HL70276", "OFFICE^Office visit", "Add"))
    fields[7], fields[8] = random.choice(REASONS), random.choice(TYPES)
    fields[9], fields[10] = random.choice((("30", random.choice(UNITS)), ("15", "min"), ("", "")))
    fields[11] = random.choice((f"^^30^{start}^{moment(random)}", f"^^^{start}", f"1^^^{start}^^R"))
    fields[12] = random.choice(("", doctor(random)))
    fields[16], fields[17] = random.choice((("", ""), (doctor(random), "514-555-0142^WPN^PH")))
    fields[20] = random.choice(("", "", doctor(random)))
    fields[25] = STATUS.get(trigger) or random.choice(STATUSES)
    fields[26] = random.choice(("", f"ORD{random.randint(100, 999)}^CPOE"))
    return "|".join(fields).rstrip("|")


def _notes(random: Random) -> list[str]:
    return [f"NTE|{n + 1}|P|{random.choice(NOTES)}" for n in range(random.choice((0, 0, 1, 2)))]


def _resources(random: Random, trigger: str, number: int, start: str) -> list[str]:
    segments = [f"RGS|{number}|{random.choice('AUX')}"]
    status = STATUS.get(trigger) or random.choice(("Booked", "Confirmed", "", "Booked^^HL70278"))
    action = random.choice("AUX")
    unit = random.choice(UNITS)
    if random.random() < 0.8:
        code = random.choice(SERVICES)
        segments.append(f"AIS|{number}|{action}|{code}|{start}|||20|{unit}|NO|{status}".rstrip("|"))
        segments += _notes(random)
    if random.random() < 0.3:
        kind = random.choice(("EQ^Équipement^L", "EQUIP"))
        segments.append(
            f"AIG|1|{action}|E{random.randint(10, 99)}^Appareil^L|{kind}||||{start}|||20|{unit}||{status}"
        )
    if random.random() < 0.7:
        room = f"CLIN{random.randint(1, 9)}^{random.randint(100, 130)}^^CHUX"
        segments.append(
            f"AIL|1|{action}|{room}|C^Clinique^HL70305||{start}|||20|{unit}||{status}".rstrip("|")
        )
    for each in range(random.choice((0, 1, 1, 2))):
        role = random.choice(("D^Médecin^HL70182", "PRIMARY", "N^Infirmière^L"))
        segments.append(
            f"AIP|{each + 1}|{action}|{doctor(random)}|{role}||{start}|0|min|20|{unit}|NO|{status}"
        )
        segments += _notes(random)
    return segments
