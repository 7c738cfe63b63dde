"""Doors: where routes meet, and what none of them takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.doors import takings, untaken
from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from tests.api.project import write_project

ROUTE = """\
route: {name}
from: {{door: {selector}}}
to: [clinic.box]
"""


def loaded(folder: Path, **routes: str) -> Loaded:
    """Load a project whose routes take these events at `POST /notes`; "" for all, `events @ selector` elsewhere."""
    config = write_project(folder)
    (folder / "routes" / "notes.yaml").unlink()
    for name, said in routes.items():
        events, _, selector = said.partition(" @ ")
        text = ROUTE.format(name=name, selector=selector or "POST /notes")
        accept = f"accept: {{events: [{events}]}}\n" if events else ""
        (folder / "routes" / f"{name}.yaml").write_text(text + accept)
    return load_configuration(config, environ={})


def overlaps(found: Loaded) -> list[tuple[str, str]]:
    return [(Path(each.file).name, each.message) for each in found.warnings]


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("", "", "messages"),
        ("one", "", "one"),
        ("", "one, two", "one, two"),
        ("one, two", "two, three", "two"),
    ],
)
def test_two_routes_that_meet_are_told_with_what_they_share(
    tmp_path: Path, first: str, second: str, common: str
) -> None:
    found = loaded(tmp_path, a=first, b=second)
    assert overlaps(found) == [("b.yaml", f'"a" takes {common} from the same door: both run')]


@pytest.mark.parametrize(
    ("first", "second"),
    [("one", "two"), ("", " @ POST /others"), ("one", "one @ POST /others")],
)
def test_routes_that_share_nothing_are_not_told(tmp_path: Path, first: str, second: str) -> None:
    assert overlaps(loaded(tmp_path, a=first, b=second)) == []


def test_every_route_that_is_met_is_named_once(tmp_path: Path) -> None:
    found = loaded(tmp_path, a="one", b="two", c="two, one")
    assert overlaps(found) == [("c.yaml", '"a" and "b" take one, two from the same door, too: all run')]


def test_known_events_that_no_route_takes_at_any_door_are_listed(tmp_path: Path) -> None:
    (tmp_path / "mappings" / "events").mkdir(parents=True)
    (tmp_path / "mappings" / "events" / "bed-freed.json").write_text("{}")
    found = loaded(tmp_path, a="appointment-booked", b="appointment-modified @ POST /others")
    listed = untaken(found)
    assert {"appointment-cancelled", "bed-freed"} <= set(listed)
    assert not {"appointment-booked", "appointment-modified"} & set(listed)


def test_nothing_is_untaken_where_a_route_takes_all(tmp_path: Path) -> None:
    assert untaken(loaded(tmp_path, a="appointment-booked", b="")) == []


def test_doors_are_listed_in_the_order_of_listeners_and_files(tmp_path: Path) -> None:
    found = takings(loaded(tmp_path, a="x, y", b=" @ PATCH /notes"))
    assert [(each.route, each.selector, each.kinds) for each in found] == [
        ("b", "PATCH /notes", ()),
        ("a", "POST /notes", ("x", "y")),
    ]


@pytest.mark.parametrize(
    ("partner", "endpoint", "told"),
    [
        ("labo", '{mllp: "127.0.0.1:9", phi: full}', 0),
        ("labo", '{mllp: "127.0.0.1:9", acks: original, phi: full}', 1),
        ("labo", '{webhook: "http://127.0.0.1:9/", acknowledged: hl7, phi: full}', 0),
        ("labo", '{webhook: "http://127.0.0.1:9/", phi: full}', 1),
        ("clinic", '{mllp: "127.0.0.1:9", phi: full}', 1),
    ],
)
def test_a_listener_for_acknowledgements_needs_no_route(
    tmp_path: Path, partner: str, endpoint: str, told: int
) -> None:
    config = write_project(tmp_path)
    text = config.read_text().replace(
        "listen:\n", f"listen:\n  acks: {{mllp: 127.0.0.1:0, partner: {partner}}}\n"
    )
    config.write_text(text.replace("partners:\n", f"partners:\n  labo: {{endpoints: {{adt: {endpoint}}}}}\n"))
    found = load_configuration(config, environ={})
    assert [each.message for each in found.warnings].count('no route takes messages from "acks"') == told
