"""A project to be measured: the shipped route and mapping between one door and one clinic, all else as by default."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from bench.wire import REPOSITORY
from engine.security.certificates import make_dev_certificates

_ROUTE = "appointment-to-clinic"

_CONFIG = """\
engine: {{name: bench}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  public: {{{listen}, limits: {{connections: 300}}}}
profiles:
  patient-hooks: {{timeout: 30s, retry: {{backoff: 2s..5m, for: 24h}}}}
alerts:
  ops: {{to: operations.alerts, settle: 30s}}
metrics: 127.0.0.1:{metrics}
{tls}partners:
  platform:
    identifiers: {{permit: "99999"}}
{trust}  operations:
    endpoints:
      alerts: {{inbox: operations}}
"""
_PARTNER = """\
  clinic{name}:
    identifiers: {{permit: "{permit}"}}
    zone: America/Toronto
    endpoints:
      emr: {{{way}, limits: {{concurrency: {concurrency}}}, phi: full}}
"""
_TLS = """\
tls:
  server: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem, clients: required}
  engine: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
"""
_TRUST = '    certificates: [{issuer: certs/ca.pem, san: "dns:platform.localhost"}]\n'


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs from run to run."""

    listen: str
    way: str
    metrics: int = 0
    concurrency: int = 16
    secure: bool = False
    ordered: bool = False
    clinics: int = 1
    routes: int = 1
    away: bool = False
    files: bool = False


def write(folder: Path, shape: Shape) -> None:
    """Write the project; certificates too, which a signed webhook needs in any case."""
    folder.mkdir(parents=True, exist_ok=True)
    make_dev_certificates(folder / "certs", ["platform", "clinic"])
    config = _CONFIG.format(
        listen=shape.listen,
        metrics=shape.metrics,
        tls=_TLS if shape.secure else "",
        trust=_TRUST if shape.secure else "",
    )
    for which in range(shape.clinics):
        config += _PARTNER.format(
            name=f"-{which}" if which else "",
            permit=f"{1234 + which:05d}",
            way=shape.way,
            concurrency=shape.concurrency,
        )
    if shape.away:
        # Nobody listens there: what is stored for it waits.
        way = "webhook: http://127.0.0.1:1/hooks"
        config += _PARTNER.format(name="-away", permit="00001", way=way, concurrency=shape.concurrency)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    shutil.copytree(REPOSITORY / "mappings", folder / "mappings", dirs_exist_ok=True)
    _write_routes(folder / "routes", shape)


def _write_routes(folder: Path, shape: Shape) -> None:
    folder.mkdir(exist_ok=True)
    text = (REPOSITORY / f"routes/{_ROUTE}.yaml").read_text(encoding="utf-8")
    if shape.files:
        text = text.replace("from: {public: POST /v1/appointments}", "from: public")
    if shape.ordered:
        # One lane per patient instead of one per appointment: what overtakes is seen.
        text = text.replace("order_by: msg.appointment.id", "order_by: msg.patient.identifiers[0].value")
        text = text.replace("    supersede: {version: source.appointment.version, kind: keep_first}\n", "")
        text = text.replace('    recall: meta.event.type == "appointment-cancelled"\n', "")
    (folder / f"{_ROUTE}.yaml").write_text(text, encoding="utf-8")
    for which in range(1, shape.routes):
        other = text.replace(f"route: {_ROUTE}", f"route: other-{which}")
        other = other.replace("POST /v1/appointments", f"POST /v1/other/{which}")
        (folder / f"other-{which}.yaml").write_text(other, encoding="utf-8")


def rest_to_webhook(folder: Path, sink: int, *, secure: bool = False, **more: object) -> int:
    """Write the project REST -> map -> webhook; return the port of its door."""
    from bench.processes import free_port

    port = free_port()
    scheme, profile = ("https", ", tls: engine") if secure else ("http", "")
    sign = 'sign: {standard_webhooks: "${file:certs/clinic.whsec}"}'
    way = f"webhook: {scheme}://127.0.0.1:{sink}/hooks/appointments{profile}, {sign}"
    listen = f"rest: 127.0.0.1:{port}" + (", tls: server" if secure else "")
    shape = Shape(listen, way, metrics=free_port(), secure=secure, **more)  # type: ignore[arg-type]  # its fields
    write(folder, shape)
    return port
