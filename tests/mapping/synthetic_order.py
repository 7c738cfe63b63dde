"""Orders that nobody placed: ORM^O01, OMG^O19 and OML^O21 written from the standard, the same ones for the same seed.

The corpus has fewer than forty of each. Segments stand in the order of the message's grammar (HL7 v2.5.1 4.4.1 ORM,
4.4.4 OMG, 4.4.6 OML); the fields are those that senders fill and that the v2-to-FHIR guide maps.
"""

from __future__ import annotations

from random import Random
from typing import Final

KINDS: Final = ("ORM^O01", "OMG^O19", "OML^O21")
FAMILIES: Final = ("Tremblay", "Gagnon", "Côté", "O'Specimen", "Bélanger-Roy", "Exemple")
GIVENS: Final = ("Amélie", "Luc", "Zoé", "Marc-André", "Inès", "Théo")
SERVICES: Final = (
    "24323-8^Comprehensive metabolic panel^LN",
    "58410-2^CBC panel^LN^NFS^Numération^L",
    "630-4^Bacteria identified^LN",
    "3094-0^Urea nitrogen^LN",
    "24356-8^Urinalysis complete panel^LN^^^^2.74",
)
SPECIMENS: Final = ("119297000^Blood^SCT", "122575003^Urine^SCT", "119376003^Tissue^SCT^TIS^Tissu^L")
ANSWERS: Final = (
    "NM|3141-9^Body weight^LN||{number}|kg^kilogram^UCUM",
    "CWE|49541-6^Fasting status^LN||Y^Yes^HL70136|",
    "ST|8666-6^Comment to the laboratory^LN||drawn at home|",
    "DT|11778-8^Delivery date estimated^LN||2026{month:02d}1{digit}|",
)


def messages(kind: str, count: int = 40, seed: int = 4) -> list[bytes]:
    """Return `count` messages of that kind, one of `KINDS`, in UTF-8, each segment ended by a carriage return."""
    source = Random(f"{kind} {seed}")
    return [_message(kind, number, source).encode() for number in range(1, count + 1)]


def _message(kind: str, number: int, source: Random) -> str:
    structure = kind.replace("^", "_")
    at = _time(source)
    segments = [
        f"MSH|^~\\&|OE^1.2.40.0.9^ISO|HOSP^1.2.40.0.9.1^ISO|LIS|LAB|{at}-0500||{kind}^{structure}|S{number:05d}"
        "|P|2.5.1|||AL|NE|CAN|UNICODE UTF-8",
        *_patient(source, with_kin=kind != "ORM^O01"),
        *_visit(source),
    ]
    for item in range(1, source.choice((1, 1, 2, 3)) + 1):
        segments += _order(kind, number, item, at, source)
    return "".join(f"{segment}\r" for segment in segments)


def _patient(source: Random, *, with_kin: bool) -> list[str]:
    family, given = source.choice(FAMILIES), source.choice(GIVENS)
    sex = source.choice("FMU")
    number = source.randrange(100_000, 999_999)
    segments = [
        f"PID|1||{number}^^^HOSP&1.2.40.0.9.1&ISO^MR~{family[:4].upper()}{number}^^^RAMQ^JHN||{family}^{given}^A^^^^L||"
        f"19{source.randrange(30, 99)}0{source.randrange(1, 9)}15|{sex}||2106-3^White^HL70005|"
        f"{source.randrange(1, 999)} rue du Test^Apt {source.randrange(1, 40)}^Laval^QC^H7A 1A1^CAN^H||"
        f"^PRN^PH^^1^450^555{source.randrange(1000, 9999)}|||M^Married^HL70002||ACC{number}"
        "^^^HOSP^AN||||N^Not Hispanic^HL70189"
    ]
    if source.random() < 0.4:
        segments.append("PD1||||7001^Modèle^Ève^^^Dr^^^LIC&1.2.40.0.9.2&ISO^L^^^MD")
    if source.random() < 0.3:
        segments.append("NTE|1|P|speaks softly")
    if with_kin and source.random() < 0.5:
        phone = f"^PRN^PH^^1^514^555{source.randrange(1000, 9999)}"
        segments.append(
            f"NK1|1|{family}^{source.choice(GIVENS)}|MTH^Mother^HL70063|9 rue du Test^^Laval^QC|{phone}"
        )
    return segments


def _visit(source: Random) -> list[str]:
    if source.random() < 0.2:
        return []
    visit = source.randrange(10_000, 99_999)
    segments = [
        f"PV1|1|{source.choice('IOE')}|3W^{source.randrange(1, 60)}^A^HOSP||||8001^Essai^Jean^^^Dr^^^LIC"
        f"&1.2.40.0.9.2&ISO^L^^^MD||||MED|||||||||{visit}^^^HOSP^VN|||||||||||||||||||||||||{_time(source)}"
    ]
    if source.random() < 0.5:
        segments.append(
            f"IN1|1|PLAN{visit}^Assurance Exemple^L|C{visit % 97}|Compagnie Exemple|1 place Test^^Laval^QC|||G{visit}"
            f"||||20250101|20261231||HMO|Exemple^Luc|SEL^Self^HL70063|19700101|||||||||||||||||||POL{visit}"
        )
    if source.random() < 0.3:
        segments.append("AL1|1|DA^Drug^HL70127|7980^Penicillin^RXNORM|SV^Severe^HL70128|hives|20200101")
    return segments


def _order(kind: str, number: int, item: int, at: str, source: Random) -> list[str]:
    placer = f"P{number:04d}{item}^OE^1.2.40.0.9^ISO"
    filler = f"F{number:04d}{item}^LIS^1.2.40.0.10^ISO"
    control, status, filled = source.choice(
        (("NW", "", ""), ("NW", "IP", ""), ("CA", "CA", filler), ("XO", "", filler), ("SC", "CM", filler))
    )
    by = "9001^Prescripteur^Rose^^^Dr^MD^^LIC&1.2.40.0.9.2&ISO^L^^^MD"
    timing = f"1^^^{at}^^{source.choice('SRA')}" if kind == "ORM^O01" else ""
    segments = [
        f"ORC|{control}|{placer}|{filled}|G{number:04d}^OE|{status}||{timing}||{at}|8101^Saisie^Guy||{by}|3W|^WPN^PH^^1^450^5551234"
        f"|{at}||||||Clinique Test^L^^^^LIC&1.2.40.0.9.2&ISO^FI^^^C77|5 rue du Soin^^Laval^QC^H7A 2B2^CAN^B"
        "|^WPN^PH^^1^450^5554321|6 rue du Soin^^Laval^QC"
    ]
    if kind != "ORM^O01":
        segments.append(f"TQ1|1||||||{at}|20261231|{source.choice(('S^Stat^HL70485', 'R^Routine^HL70485'))}")
    if control != "CA" or source.random() < 0.5:
        segments += _request(kind, placer, filled, item, at, by, timing, source)
    return segments


def _request(
    kind: str, placer: str, filled: str, item: int, at: str, by: str, timing: str, source: Random
) -> list[str]:
    source_field = "BLD&Blood&HL70070" if kind == "ORM^O01" else ""
    segments = [
        f"OBR|{item}|{placer}|{filled}|{source.choice(SERVICES)}||{at}|{at}|||7101^Piqueur^Lou|{source.choice('LOAG')}||"
        f"suspected infection|{at}|{source_field}|{by}|^WPN^PH^^1^450^5551234|||||||LAB|||{timing}|9002^Copie^Max|||"
        "R50.9^Fever^I10C|"
    ]
    if source.random() < 0.5:
        segments.append("NTE|1|L|please call the ward|RE^Remark^HL70364")
    if source.random() < 0.6:
        segments.append(f"DG1|1||R50.9^Fever, unspecified^I10C||{at}|W")
    for place in range(1, source.choice((0, 1, 2, 3)) + 1):
        answer = source.choice(ANSWERS).format(
            number=source.randrange(400, 990) / 10, month=source.randrange(1, 13), digit=source.randrange(10)
        )
        segments.append(f"OBX|{place}|{answer}|||||O|||{at}")
        if source.random() < 0.2:
            segments.append("NTE|1||asked by telephone")
    if kind != "ORM^O01" and source.random() < 0.8:
        segments.append(
            f"SPM|1|S{source.randrange(10_000, 99_999)}&OE&1.2.40.0.9&ISO||{source.choice(SPECIMENS)}"
            "||EDTA^EDTA^HL70371|VENIP^Venipuncture^HL70488|368208006^Left arm^SCT|||P^Patient^HL70369"
            f"|4.5^mL&milliliter&UCUM||drawn fasting|||{at}^{at}|{at}||Y||||||1|GTUB^Green tube^HL70378"
        )
    return segments


def _time(source: Random) -> str:
    month, day = source.randrange(1, 13), source.randrange(1, 29)
    return f"2026{month:02d}{day:02d}{source.randrange(24):02d}{source.randrange(60):02d}00"
