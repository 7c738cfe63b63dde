"""What journeys of mapped messages share: the shipped routes of events, messages of invented people, FHIR at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.emr import Emr, Received

SHIPPED = Path(__file__).parents[2] / "routes" / "events"
HEAD = "MSH|^~\\&|HIS|HSJ|PASSERELLE|CSP|20261102090000-0500||{kind}|{id}|P|2.5.1\r"
PERSON = "PID|1||{mrn}^^^HSJ^MR||Tremblay-Fictif^Zoé||19800101|F\r"
OPERATIONS = """
alerts:
  ops: {to: operations.alerts, settle: 1s}
"""


def shipped(*names: str) -> dict[str, str]:
    """Return shipped routes by name."""
    return {name: (SHIPPED / f"{name}.yaml").read_text() for name in names}


def only_form(route: str, mapper: str) -> str:
    """Return the shipped route that delivers, for events of one mapper."""
    entries = route.split("  - subscribers: ")
    kept = [entry for entry in entries[1:] if "map:" not in entry or f"mapper: {mapper}," in entry]
    rest = route[route.index("on_reject:") :]
    return "  - subscribers: ".join([entries[0], *(entry.split("on_reject:")[0] for entry in kept)]) + rest


def booking(
    control: str,
    *,
    trigger: str = "S12",
    appointment: str = "RDV-7",
    unit: str = "CLIN",
    status: str = "Booked",
) -> bytes:
    """Return an appointment as the hospital tells it, with a segment that is its own."""
    text = (
        HEAD.format(kind=f"SIU^{trigger}^SIU_S12", id=control)
        + f"SCH|P-{appointment}^HIS|{appointment}^HIS||||ROUTINE^Routine^HL70276|CHECKUP^Suivi annuel^HL70276"
        "|Normal^^HL70277|30|min|^^30^20261112093000-0500^20261112100000-0500"
        f"|||||4321^Roy^Alice^^^Dre||||4321^Roy^Alice^^^Dre|||||{status}\r"
        + PERSON.format(mrn="1234567")
        + "RGS|1\rAIS|1|A|CONSULT^Consultation^L|20261112093000-0500|||30|min\r"
        f"AIL|1|A|{unit}^12^^HSJ\rAIP|1|A|4321^Roy^Alice^^^Dre\rZRV|salle en rénovation|2\r"
    )
    return text.encode()


def freed(control: str, *, unit: str) -> bytes:
    """Return a time in the schedule of a unit that can be booked again."""
    return (
        HEAD.format(kind="SIU^S24^SIU_S12", id=control)
        + f"SCH||PLAGE-{unit}^HIS|||HORAIRE-2^Horaire^L|OPEN|||||^^^20261203080000-0500^20261203084000-0500\r"
        f"RGS|1\rAIL|1|A|{unit}^2^^HSJ|N||20261203080000-0500|||40|min\r"
    ).encode()


def admission(control: str, *, mrn: str = "1234567", sender_own: str = "") -> bytes:
    """Return an admission, with a sender's own segment where asked."""
    return (
        HEAD.format(kind="ADT^A01^ADT_A01", id=control)
        + "EVN|A01|20261102085900-0500\r"
        + PERSON.format(mrn=mrn)
        + "PV1|1|I|4EST^401^1\r"
        + sender_own
    ).encode()


def merge(control: str, *, mrn: str, gone: str) -> bytes:
    """Return the merge of one record into another."""
    return (
        HEAD.format(kind="ADT^A40^ADT_A39", id=control)
        + "EVN|A40|20261102085900-0500\r"
        + PERSON.format(mrn=mrn)
        + f"MRG|{gone}^^^HSJ^MR\r"
    ).encode()


def result(control: str, *, status: str, value: str) -> bytes:
    """Return a potassium as the laboratory tells it."""
    return (
        HEAD.format(kind="ORU^R01^ORU_R01", id=control)
        + PERSON.format(mrn="1234567")
        + "ORC|RE|P1001^DME|F2001^LIS\r"
        "OBR|1|P1001^DME|F2001^LIS|2823-3^Potassium^LN|||20261102081500-0500|||||||||9001^Essai^Rose"
        f"||||||20261102092500-0500||CH|{status}\r"
        f"OBX|1|NM|2823-3^Potassium^LN||{value}|mmol/L^^UCUM|3.5-5.1|N|||{status}\r"
    ).encode()


def event_in(request: Received) -> dict[str, Any]:
    """Return the CloudEvent that a subscriber got."""
    found: dict[str, Any] = json.loads(request.body)
    assert found["specversion"] == "1.0"
    return found


def resource(bundle: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return the only resource of a type in a Bundle."""
    [found] = [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]
    return dict(found)


def hooks(clinic: Emr) -> str:
    """Return the YAML of an endpoint that posts to a peer without TLS, on this machine only."""
    return f"{{webhook: {clinic.url}/hooks, phi: full}}"
