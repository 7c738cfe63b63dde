"""HL7 message types: what an entry takes, what two lists share, what nobody takes, and what is no entry at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config.doors import untaken
from engine.config.formats import codecs_of
from engine.config.load import load_configuration
from engine.config.loaded import Loaded
from engine.config.message_types import Types, common_types, read_pattern, remark_on, untaken_types
from engine.errors import ConfigurationError, ExpressionError

CONFIG = """\
listen:
  adt: {file: in, match: "*.hl7"}
  events: {rest: 127.0.0.1:0}
partners:
  labo: {endpoints: {adt: {inbox: labo, phi: full}}}
"""


def project(folder: Path, **routes: str) -> Loaded:
    """Load a project whose routes hold these lines besides their name and destination."""
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "routes").mkdir()
    for name, lines in routes.items():
        (folder / "routes" / f"{name}.yaml").write_text(f"route: {name}\nto: [labo.adt]\n{lines}\n")
    return load_configuration(folder / "config.yaml", environ={})


def refusal(folder: Path, lines: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        project(folder, broken=lines)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "structure", "taken"),
    [
        ("ADT^A01", "ADT^A01", "ADT_A01", True),
        ("ADT^A01", "ADT^A02", "", False),
        ("ADT^A01..A13", "ADT^A07", "", True),
        ("ADT^A01..A13", "ADT^A14", "", False),
        ("ADT^*", "ADT^Z99", "", True),
        ("ADT^*", "ADT", "", True),
        ("ORU", "ORU^R01", "", True),
        ("ORU", "ORM^O01", "", False),
        ("ADT^A01^ADT_A01", "ADT^A01", "ADT_A01", True),
        ("ADT^A01^ADT_A01", "ADT^A01", "ADT_A05", False),
        ("ADT^A01^ADT_A01", "ADT^A01", "", False),
        ("ORU", "", "", False),
    ],
)
def test_an_entry_takes_what_it_names(text: str, kind: str, structure: str, taken: bool) -> None:
    assert Types.of([text]).take(kind, structure) is taken


@pytest.mark.parametrize(
    "text", ["ADT^A1", "ADTX", "", "ADT^", "ADT^A01^", "ADT^A01..", "ADT^A01..A13^ADT_A01"]
)
def test_what_is_no_entry_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="no message type"):
        read_pattern(text)


@pytest.mark.parametrize("text", ["ADT^A01..B13", "ADT^PC1..PC3", "ADT^A13..A01"])
def test_a_range_that_cannot_be_counted_through_is_refused_at_the_range(text: str) -> None:
    with pytest.raises(ExpressionError, match="there is nothing") as caught:
        read_pattern(text)
    assert caught.value.offset == 4


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("ADT^A01", ""),
        ("ACK", ""),
        ("ZPM^Z01", ""),
        ("ATD^A01", 'HL7 v2 knows no message type "ATD": did you mean "ADT"?'),
        ("A40", 'HL7 v2 knows no message type "A40": did you mean "ADT^A40"?'),
    ],
)
def test_a_type_that_the_standard_does_not_know_is_remarked_on(text: str, remark: str) -> None:
    assert remark_on(text) == remark


@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        (["ADT^A01..A13"], ["ADT^A10..A20", "ORU"], ["ADT^A10..A13"]),
        (["ADT"], ["ADT^A01", "ADT^A02"], ["ADT^A01", "ADT^A02"]),
        (["ADT^*"], ["ADT"], ["ADT"]),
        (["ADT^A01"], ["ADT^A02"], []),
        (["ADT^A01"], [], ["ADT^A01"]),
        (["ADT^A01^ADT_A01"], ["ADT^A01^ADT_A05"], []),
        (["ADT^A01^ADT_A01"], ["ADT^A01"], ["ADT^A01"]),
    ],
)
def test_two_lists_share_what_both_take(one: list[str], other: list[str], common: list[str]) -> None:
    assert common_types(one, other) == common


def test_the_standards_other_events_of_a_type_are_untaken() -> None:
    assert untaken_types(["ADT^A01..A54", "ADT^A60", "ORU", "MDM^T02..T11"]) == [
        "ADT^A55",
        "ADT^A61",
        "ADT^A62",
        "MDM^T01",
    ]


def test_check_tells_what_overlaps_and_lists_what_nobody_takes(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        a='from: adt\naccept: {types: ["ADT^A01..A60"]}',
        b='from: adt\naccept: {types: ["ADT^A40", ORU]}',
    )
    assert [each.message for each in found.warnings if "both run" in each.message] == [
        '"a" takes ADT^A40 from the same door: both run'
    ]
    assert untaken(found) == ["ADT^A61", "ADT^A62"]


def test_nothing_is_untaken_where_a_route_takes_all_of_a_door(tmp_path: Path) -> None:
    assert untaken(project(tmp_path, a="from: adt\naccept: {types: [ADT^A01]}", b="from: adt")) == []


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("from: {events: POST /x}\naccept: {types: [ADT^A01], events: [x]}", ""),
        ("from: adt\naccept: {events: [booked]}", "4:10: error: hl7v2 messages are no events"),
        (
            "from: [adt, {events: POST /x}]\naccept: {events: [x]}",
            "4:10: error: hl7v2 messages are no events",
        ),
        ("from: adt\naccept: {types: ADT-A01}", '4:17: error: "ADT-A01" is no message type'),
        (
            "from: {events: POST /x}\non_reject: {reply: AE}",
            "4:20: error: only a sender of HL7 v2 can be told AE",
        ),
        ("from: adt\non_reject: {reply: AR, lane: park}", "4:24: error: a refused message waits nowhere"),
        ("from: {events: POST /x}\non_reject: {lane: park}", "4:13: error: a refused message waits nowhere"),
    ],
)
def test_what_does_not_go_with_the_format_of_a_door_is_told_at_its_place(
    tmp_path: Path, lines: str, told: str
) -> None:
    if told:
        assert told in refusal(tmp_path, lines)
    else:
        project(tmp_path, good=lines)


def test_hl7_waits_by_default_so_a_lane_may_be_said(tmp_path: Path) -> None:
    found = project(tmp_path, good="from: [adt, {events: POST /x}]\non_reject: {lane: skip}")
    assert found.warnings == ()


def test_a_route_that_others_hand_on_to_is_read_in_their_format(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "routes").mkdir()
    (tmp_path / "routes/first.yaml").write_text("route: first\nfrom: adt\nto: [{route: second}]\n")
    second = "route: second\nsteps: [keep: 'msg.PID-3.1 != \"\"']\nto: [labo.adt]\n"
    (tmp_path / "routes/second.yaml").write_text(second)
    found = load_configuration(tmp_path / "config.yaml", environ={})
    assert [sorted(codecs_of(found, route)) for route in found.routes] == [["hl7v2"], ["hl7v2"]]
