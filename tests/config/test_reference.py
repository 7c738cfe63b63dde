"""The reference: every key of every model, in tables that render, with links that lead somewhere."""

from __future__ import annotations

import re

import pytest

from engine.config.docstrings import described, summary
from engine.config.models import keys_of
from engine.config.plugins import installed
from engine.config.reference import reference
from engine.config.route import Destination, RouteConfig
from engine.config.settings import AppConfig

PAGES = reference()


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_four_cells_and_a_meaning(name: str) -> None:
    rows = [line for line in PAGES[name].splitlines() if line.startswith("| `")]

    assert rows
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 4, row
        assert cells[3].strip(), row


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_heading(name: str) -> None:
    for page, anchor in re.findall(r"\]\(([\w.]*)#?([\w-]*)\)", PAGES[name]):
        target = PAGES[page or name]
        headings = {
            heading.strip("# `").lower().replace(" ", "-").replace("`", "")
            for heading in target.splitlines()
            if heading.startswith("#")
        }
        assert not anchor or anchor in headings, f"{page}#{anchor}"


def test_every_key_of_config_and_routes_is_there() -> None:
    for model, page in ((AppConfig, "config.md"), (RouteConfig, "routes.md"), (Destination, "routes.md")):
        for key in keys_of(model):
            assert f"| `{key}` |" in PAGES[page]


def test_every_channel_and_every_step_is_there() -> None:
    plugins = installed()

    assert all(f"## `{name}`" in PAGES["steps.md"] for name in plugins.step_names())
    assert all(f"## Endpoint `{name}`" in PAGES["channels.md"] for name in plugins.models("endpoint"))
    assert all(f"## Listener `{name}`" in PAGES["channels.md"] for name in plugins.models("listener"))


def test_docstrings_of_bases_count_and_pydantic_descriptions_do_too() -> None:
    assert described(Destination)["endpoint"].startswith("Where to:")
    assert described(Destination)["when"] == "Serve it only where this holds."
    assert summary(Destination).startswith("An entry of `to:`")
