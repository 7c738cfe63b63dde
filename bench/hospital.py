"""A project to be measured: one MLLP door, a filter that reads two fields, one MLLP endpoint or one webhook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.processes import free_port
from engine.security.certificates import make_dev_certificates

_CONFIG = """\
engine: {{name: bench}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
listen:
  adt: {{mllp: 127.0.0.1:{port}, partner: hsj{server}, limits: {{connections: 300}}}}
metrics: 127.0.0.1:{metrics}
{tls}partners:
  hsj: {{{trust}}}
  labo:
    endpoints:
      adt: {{{way}, limits: {{concurrency: {concurrency}}}, phi: full}}
"""
_TLS = """\
tls:
  server: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem, clients: required}
  engine: {cert: certs/engine.pem, key: certs/engine.key, ca: certs/ca.pem}
"""
_TRUST = 'certificates: [{issuer: certs/ca.pem, san: "dns:platform.localhost"}]'
_ROUTE = """\
route: adt
from: adt
{order}steps:
  - keep: msg.MSH-9.1 == "ADT" and msg.PV1-2 != "P"
to: [labo.adt]
"""
_ALL_IN_ONE = "order_by: msg.MSH-6\n"
"""The same for all messages, so that one lane holds them all."""


@dataclass(frozen=True, slots=True)
class Ward:
    """What differs from run to run; `sink` is the partner's port."""

    sink: int
    webhook: bool = False
    secure: bool = False
    in_one_lane: bool = False
    concurrency: int = 32


def write(folder: Path, ward: Ward) -> int:
    """Write the project, its certificates included; return the port of its door."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    make_dev_certificates(folder / "certs", ["platform", "clinic"])
    port = free_port()
    way = f"mllp: 127.0.0.1:{ward.sink}" + (", tls: engine" if ward.secure else "")
    if ward.webhook:
        sign = 'sign: {standard_webhooks: "${file:certs/clinic.whsec}"}'
        way = f"webhook: http://127.0.0.1:{ward.sink}/hl7, {sign}"
    config = _CONFIG.format(
        port=port,
        metrics=free_port(),
        way=way,
        concurrency=ward.concurrency,
        server=", tls: server" if ward.secure else "",
        tls=_TLS if ward.secure else "",
        trust=_TRUST if ward.secure else "",
    )
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    order = _ALL_IN_ONE if ward.in_one_lane else ""
    (folder / "routes/adt.yaml").write_text(_ROUTE.format(order=order), encoding="utf-8")
    return port
