"""The picture of a configuration: every arrow that messages may take."""

from __future__ import annotations

from pathlib import Path

from engine.api.drawing import Edge, draw, edges
from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from tests.api.project import write_project

SECOND = """
route: second
from: door
to:
  - one_of: [{endpoint: clinic.emr, when: 'msg.urgent == "yes"'}, {endpoint: clinic.box, otherwise: true}]
  - {endpoint: clinic.emr, id: copy, fallback: {to: [clinic.box]}}
  - {route: notes}
"""


def loaded(folder: Path) -> Loaded:
    config = write_project(folder)
    (folder / "routes" / "second.yaml").write_text(SECOND.lstrip())
    return load_configuration(config, environ={})


def test_every_way_is_an_arrow(tmp_path: Path) -> None:
    second = [edge for edge in edges(loaded(tmp_path)) if ("route", "second") in (edge.start, edge.end)]
    assert second == [
        Edge(("door", "door"), ("route", "second")),
        Edge(("route", "second"), ("endpoint", "clinic.emr"), 'when msg.urgent == "yes"'),
        Edge(("route", "second"), ("endpoint", "clinic.box"), "otherwise"),
        Edge(("route", "second"), ("endpoint", "clinic.emr")),
        Edge(("route", "second"), ("route", "notes")),
    ]


def test_a_fallback_leads_from_endpoint_to_endpoint(tmp_path: Path) -> None:
    assert Edge(("endpoint", "clinic.emr"), ("endpoint", "clinic.box"), "fallback", fallback=True) in edges(
        loaded(tmp_path)
    )


def test_mermaid_escapes_quotes(tmp_path: Path) -> None:
    text = draw(loaded(tmp_path), "mermaid")
    assert text.startswith("flowchart LR\n")
    assert '|"when msg.urgent == #quot;yes#quot;"|' in text
    assert "-.->" in text


def test_dot_escapes_quotes(tmp_path: Path) -> None:
    text = draw(loaded(tmp_path), "dot")
    assert 'label="when msg.urgent == \\"yes\\""' in text
    assert text.endswith("}\n")
