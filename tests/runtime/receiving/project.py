"""A small project on disk, as an integration engineer would have it, for tests of what compiles and routes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.runtime.compiling.assembling import Assembled, assemble

REPOSITORY = Path(__file__).parents[3]
SAMPLE = (REPOSITORY / "routes/appointment-to-clinic.yaml").read_text(encoding="utf-8")
"""The route that the product ships."""

CONFIG = """
listen:
  public: {rest: 127.0.0.1:0}
  folder: {file: in, match: "*.json"}
  counted: {rest: 127.0.0.1:0, unmatched: filtered, partner: platform}
profiles:
  patient-hooks: {timeout: 20s, retry: {backoff: 2s..5m, for: 24h}}
alerts:
  ops: {to: operations.alerts}
partners:
  platform: {}
  operations: {endpoints: {alerts: {inbox: operations}}}
  clinique-abc:
    identifiers: {permit: "01234"}
    contact: {name: Service informatique}
    zone: America/Toronto
    endpoints:
      emr: {inbox: abc-emr, phi: full}
      queue: {inbox: abc-queue, phi: full}
      mail: {inbox: abc-mail, phi: none}
      curious: {inbox: abc-curious, phi: none}
  clinique-nord:
    identifiers: {permit: "05678"}
    endpoints:
      queue: {inbox: nord-queue, phi: full}
      mail: {inbox: nord-mail, phi: none}
  clinique-muette:
    identifiers: {permit: "77777"}
  clinique-fermee:
    identifiers: {permit: "88888"}
    endpoints:
      emr: {inbox: fermee-emr, phi: none}
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their path in the project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def project(folder: Path, *routes: str, config: str = CONFIG, files: Mapping[str, str] | None = None) -> Path:
    """Write a project whose routes are given as YAML; return its config.yaml."""
    write(folder, {"config.yaml": config, **(files or {})})
    for text in routes:
        name = text.partition("route:")[2].split()[0]
        write(folder, {f"routes/{name}.yaml": text})
    return folder / "config.yaml"


def load(path: Path) -> Loaded:
    """Load a project with the channels and steps that are installed."""
    return load_configuration(path, environ={})


def assembled(
    folder: Path, *routes: str, config: str = CONFIG, files: Mapping[str, str] | None = None
) -> Assembled:
    """Write a project and compile it."""
    return assemble(load(project(folder, *routes, config=config, files=files)))
