"""The project that the campaigns run: every kind of door and of endpoint, with short delays."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

_CONFIG = """\
engine: {{name: crash, zone: UTC, drain: 10s}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
logs: {{level: info}}
defaults: {{timeout: 5s, retry: {{backoff: 20ms..{longest_ms}ms, for: 1h}}, breaker: {{failures: 100000000}}}}
listen:
  public: {{rest: "127.0.0.1:{port}"}}
partners:
  clinic:
    endpoints:
      emr: {{webhook: "http://127.0.0.1:{receiver}/emr", phi: full, limits: {{concurrency: 32}}}}
"""

_ROUTE = """\
route: orders
from: {public: POST /v1/orders}
order_by: msg.key
to: [clinic.emr]
"""


HOOK_KEY = bytes(range(32))
HOOK_SECRET = f"whsec_{base64.b64encode(HOOK_KEY).decode()}"
"""A key for tests only, of the webhook door."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the engine listens, and where its receiver and its clinic do; `echo` and `web` are doors to which it sends
    itself."""

    engine: int
    receiver: int
    hooks: int = 0
    clinic: int = 0
    feed: int = 0
    echo: int = 0
    images: int = 0
    web: int = 0
    archive: int = 0


def write_project(folder: Path, ports: Ports, *, longest_ms: int = 800) -> Path:
    """Write REST to webhook, ordered by key; return config.yaml. Retries wait at most `longest_ms` milliseconds."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(_CONFIG.format(port=ports.engine, receiver=ports.receiver, longest_ms=longest_ms))
    (folder / "routes/orders.yaml").write_text(_ROUTE)
    return config


_FULL_CONFIG = """\
engine: {{name: crash, zone: UTC, drain: 10s, in_flight: 1MB}}
store: sqlite:var/passerelle.db
routes: [routes/*.yaml]
defaults: {{timeout: 5s, retry: {{backoff: 20ms..500ms, for: 1h}}, breaker: {{failures: 100000000}}}}
listen:
  public: {{rest: "127.0.0.1:{port}"}}
  feed: {{mllp: "127.0.0.1:{feed}", partner: clinic}}
  echo: {{mllp: "127.0.0.1:{echo}", partner: clinic, commit_bytes: true}}
  images: {{dicom: "127.0.0.1:{images}", codec: opaque, partner: clinic, commitment: {{}}}}
  web: {{dicomweb: "127.0.0.1:{web}", partner: clinic, read: [clinic]}}
  folder: {{file: in, match: "*.json", every: 20ms, stable: 0s}}
  queue: {{amqp: "{broker}", queue: "{incoming}", declare: true, refused: reject}}
  hooks: {{webhook: "127.0.0.1:{hooks}", verify: {{standard_webhooks: "${{file:hooks.whsec}}"}}, partner: clinic}}
connections:
  relay: {{smtp: "127.0.0.1:{relay}", starttls: none}}
alerts:
  ops: {{to: clinic.sink, settle: 1s}}
partners:
  clinic:
    endpoints:
      emr: {{webhook: "http://127.0.0.1:{receiver}/emr", phi: full, limits: {{concurrency: 32}}}}
      out: {{file: out, phi: full}}
      sink: {{inbox: sink, phi: full}}
      ris: {{mllp: "127.0.0.1:{heard}", commit_bytes: true, phi: full}}
      changes: {{webhook: "http://127.0.0.1:{clinic}/changes", phi: full}}
      first: {{webhook: "http://127.0.0.1:{clinic}/first", phi: full}}
      second: {{webhook: "http://127.0.0.1:{clinic}/second", phi: full}}
      strict: {{webhook: "http://127.0.0.1:{clinic}/strict", phi: full}}
      pacs: {{dicom: "127.0.0.1:{archive}", ae_title: ARCHIVE, phi: full}}
      web: {{dicomweb: "http://127.0.0.1:{web}", phi: full}}
      mq: {{amqp: "{broker}", queue: "{outgoing}", declare: true, phi: full}}
      mail: {{smtp: notices@example.org, phi: none}}
"""

_FULL_ROUTES = {
    "orders": _ROUTE,
    "files": "route: files\nfrom: folder\nto: [clinic.out, clinic.sink]\non_reject: {alert: ops}\n",
    "hooked": "route: hooked\nfrom: {hooks: POST /hooks}\nto: [clinic.sink]\n",
    "fed": "route: fed\nfrom: feed\nto: [clinic.ris]\n",
    "echoed": "route: echoed\nfrom: echo\nto: [clinic.sink]\n",
    "imaged": "route: imaged\nfrom: images\nto: [clinic.sink, clinic.pacs, clinic.web]\n",
    "webbed": "route: webbed\nfrom: web\nto: [clinic.sink]\n",
    "queued": "route: queued\nfrom: queue\nto: [clinic.mq]\n",
    "notices": (
        "route: notices\nfrom: {public: POST /v1/notices}\n"
        "to: [{endpoint: clinic.mail, steps: [{map: {mapper: notice}}]}]\n"
    ),
    "changes": (
        "route: changes\nfrom: {public: POST /v1/changes}\n"
        "accept: {events: [appointment-booked, appointment-modified, appointment-cancelled]}\n"
        "order_by: msg.appointment.id\nsteps: [{map: {mapper: change}}]\nto:\n  - endpoint: clinic.changes\n"
        "    supersede: {version: source.appointment.version, kind: keep_first}\n"
        '    recall: meta.event.type == "appointment-cancelled"\n'
    ),
    "detours": (
        "route: detours\nfrom: {public: POST /v1/detours}\norder_by: msg.key\nto:\n  - endpoint: clinic.first\n"
        "    retry: {backoff: 20ms..60ms, attempts: 3, for: 1h}\n"
        "    fallback: {to: [{endpoint: clinic.second, retry: {backoff: 20ms..300ms, for: 1h}}]}\n"
    ),
    "refusals": "route: refusals\nfrom: {public: POST /v1/refusals}\nto: [clinic.strict]\n",
}

_NOTICE = """\
mapper: notice
version: 1.0.0
document: {subject: Une notification vous attend, text: "Reference: {meta.id}"}
"""


_CHANGE = """\
mapper: change
version: 1.0.0
document: {key: "{msg.appointment.id}", seq: "{msg.appointment.version}", kind: "{meta.event.type}"}
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's URL and the names of the queue read from and of the one written to."""

    url: str
    incoming: str
    outgoing: str


def write_full_project(folder: Path, ports: Ports, broker: Broker, relay: int) -> Path:
    """Write a project with every kind of door and endpoint; return config.yaml."""
    (folder / "routes").mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(
        _FULL_CONFIG.format(
            port=ports.engine,
            receiver=ports.receiver,
            hooks=ports.hooks,
            feed=ports.feed,
            echo=ports.echo,
            images=ports.images,
            web=ports.web,
            archive=ports.archive or ports.receiver,
            heard=ports.echo or ports.receiver,
            clinic=ports.clinic or ports.receiver,
            broker=broker.url.rstrip("/"),
            incoming=broker.incoming,
            outgoing=broker.outgoing,
            relay=relay,
        )
    )
    (folder / "hooks.whsec").write_text(HOOK_SECRET)
    (folder / "mappings").mkdir(exist_ok=True)
    (folder / "mappings/notice.yaml").write_text(_NOTICE)
    (folder / "mappings/change.yaml").write_text(_CHANGE)
    for name, text in _FULL_ROUTES.items():
        (folder / f"routes/{name}.yaml").write_text(text)
    return config
