"""SIU over MLLP -> event -> FHIR R4 -> HTTP: the shipped mapper `appointment` between one MLLP door and one webhook."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import processes
from bench.speech import END, START
from bench.throughput import Bench, Passed, conserved
from bench.wire import LANE_MARK, MARK, REPOSITORY
from engine.security.certificates import make_dev_certificates

CONNECTIONS = (1, 8, 32)
WORDS = ("--speech", "mllp", "--message", "booking", "--lanes", 32)

_CONFIG = """\
engine: {{name: bench, zone: America/Toronto}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  agenda: {{mllp: 127.0.0.1:{port}, partner: hsj, limits: {{connections: 300}}}}
metrics: 127.0.0.1:{metrics}
partners:
  hsj: {{}}
  clinic:
    endpoints:
      agenda: {{webhook: "http://127.0.0.1:{sink}/fhir", {sign}, limits: {{concurrency: 16}}, phi: full}}
"""
_SIGN = 'sign: {standard_webhooks: "${file:certs/clinic.whsec}"}'
_ROUTE = """\
route: booked
from: agenda
accept: {types: [SIU]}
steps:
  - map: {mapper: appointment, to: fhir}
to: [clinic.agenda]
"""


class Booking:
    """An SIU^S12 with its number as the appointment's id, and the sending application, which makes the lane."""

    _MESSAGE = (
        b"MSH|^~\\&|" + LANE_MARK + b"%(lane)04d|HSJ|AGENDA|CLINIQUE|20260114093012-0500||SIU^S12^SIU_S12|"
        b"S%(number)08d|P|2.5.1||||||UNICODE UTF-8\r"
        b"SCH|" + MARK + b"%(number)08d|F-" + MARK + b"%(number)08d|||CEDULE-1|BOOKED^Booked^HL70276"
        b"|CHECKUP^Suivi annuel^HL70276|ROUTINE^Routine^HL70277|30|MIN^minutes^ISO+"
        b"|^^30^20260212090000-0500^20260212093000-0500|||||1234^Fictif^Julie^^^Dr|^WPN^PH^^1^418^5550100"
        b"||||5678^Fictif^Luc|||||Booked^^HL70278\r"
        b"PID|1||1234567^^^HSJ^MR~FICZ12345678^^^RAMQ^JHN||Fictive^Zelie^Anne^^Mme||19700131|F|||12 rue des Erables"
        b"^app 3^Quebec^QC^G1R 2S5^CAN^H||^PRN^PH^^1^418^5550101|^WPN^PH^^1^418^5550102|fra|M|||||||||||||||\r"
        b"PV1|1|O|3W^312^1^HSJ||||1234^Fictif^Julie^^^Dr|5678^Fictif^Luc^^^Dr||MED||||1|||1234^Fictif^Julie|OUT|V123456\r"
        b"RGS|1|A|R1\r"
        b"AIS|1|A|CONS^Consultation^L|20260212090000-0500|||30|MIN^minutes^ISO+||BOOKED^Booked^HL70278\r"
        b"AIL|1|A|3W^312^1^HSJ|CLINIC^Clinic^L||20260212090000-0500|||30|MIN^minutes^ISO+\r"
        b"AIP|1|A|1234^Fictif^Julie^^^Dr|ATND^Attending^HL70286||20260212090000-0500|||30|MIN^minutes^ISO+\r"
    )

    def __init__(self) -> None:
        self.size = len(self.message(1, 1))

    def message(self, number: int, lane: int) -> bytes:
        """Return the message alone."""
        return self._MESSAGE % {b"number": number, b"lane": lane}

    def request(self, number: int, lane: int) -> bytes:
        """Return the message in its frame."""
        return START + self.message(number, lane) + END


def write(folder: Path, sink: int) -> int:
    """Write the project with the mappers as they are shipped; return the port of its door."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    make_dev_certificates(folder / "certs", ["clinic"])
    port = processes.free_port()
    config = _CONFIG.format(port=port, metrics=processes.free_port(), sink=sink, sign=_SIGN)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "routes/booked.yaml").write_text(_ROUTE, encoding="utf-8")
    shutil.copytree(REPOSITORY / "mappings", folder / "mappings", dirs_exist_ok=True)
    return port


def booking_round(folder: Path, seconds: float) -> Iterator[tuple[str, Passed]]:
    """Measure SIU to FHIR by number of connections; give name and figures."""
    with ExitStack() as stack:
        bench = Bench(folder, stack)
        port = write(folder / "booking", bench.sink_port)
        process = stack.enter_context(processes.engine(folder / "booking"))
        bench.warm(port, *WORDS)
        for count in CONNECTIONS:
            yield "engine", bench.measure(process, port, count, seconds, *WORDS)
        conserved(folder / "booking")
        process.stop()
