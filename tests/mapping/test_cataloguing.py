"""`events:`: the type of the event that data mean, and what the event is about."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import ConfigurationError
from engine.mapping.two_way import TwoWayMapper
from tests.mapping.trips import shipped
from tests.mapping.visits import mapper_of

STAYS = """
mapper: stays
version: 1.0.0
v2: {{messages: [ADT^A01]}}
events: {events}
tables: {{trigger: {{admitted: {{v2: A01}}, left: {{v2: A03}}}}}}
rules:
  - {{event: trigger, v2: MSH-9.2, table: trigger}}
  - {{event: visit.number, v2: PV1-19}}
  - {{event: 'orders[]', v2: {{group: ORC}}, rules: [{{event: id, v2: ORC-2}}]}}
"""
BY = "{by: trigger, types: {admitted: stay-begun}, else: stay-changed, subject: [visit.number, 'orders[0].id']}"


def catalogued(events: str) -> Any:
    return mapper_of(STAYS.format(events=events))


@pytest.mark.parametrize(
    ("events", "data", "kind"),
    [
        (BY, {"trigger": "admitted"}, "stay-begun"),
        (BY, {"trigger": "left"}, "stay-changed"),
        (BY, {}, "stay-changed"),
        ("stay-told", {"trigger": "left"}, "stay-told"),
        ("{else: stay-told, subject: visit.number}", {}, "stay-told"),
        ("{by: trigger, types: {admitted: stay-begun}}", {"trigger": "left"}, ""),
        (
            "{by: visit.number, types: {present: stay-begun}, else: left}",
            {"visit": {"number": "1"}},
            "stay-begun",
        ),
        ("{by: visit.number, types: {present: stay-begun}, else: left}", {"visit": {"number": None}}, "left"),
    ],
)
def test_the_type_of_an_event_is_what_its_data_mean(events: str, data: dict[str, Any], kind: str) -> None:
    assert catalogued(events).event_type(data) == kind


@pytest.mark.parametrize(
    ("data", "subject"),
    [
        ({"visit": {"number": "V1"}, "orders": [{"id": "P1"}]}, "V1"),
        ({"orders": [{"id": "P1"}, {"id": "P2"}]}, "P1"),
        ({"visit": {"number": None}, "orders": []}, ""),
    ],
)
def test_its_subject_is_the_first_leaf_that_it_has(data: dict[str, Any], subject: str) -> None:
    assert catalogued(BY).event_subject(data) == subject


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ("{by: trigger}", "events: is a type, or"),
        ("{subject: visit.number}", "events: is a type, or"),
        ("{else: x, about: visit.number}", "events: is a type, or"),
        ("{else: x, subject: visit.numbers}", "there is no leaf visit.numbers"),
        ("{by: trigers, types: {admitted: x}}", "there is no leaf trigers"),
        ("{by: trigger, types: {admited: x}}", "table trigger has no admited"),
    ],
)
def test_a_catalogue_that_means_nothing_is_told(events: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        catalogued(events)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "name", ["appointment", "patient-encounter", "laboratory-result", "order", "medication", "invoice"]
)
def test_no_shipped_event_is_about_a_person(name: str) -> None:
    mapper = shipped(name)
    assert isinstance(mapper, TwoWayMapper)
    paths = mapper.definition.event_subject
    assert paths
    assert not any("patient" in path or "people" in path for path in paths)


def test_a_notification_that_comes_back_tells_of_a_cancellation_or_a_change() -> None:
    mapper: Any = shipped("appointment-notification")
    told: dict[str, Any] = {"appointment": {"id": "RDV-1"}}
    assert mapper.event_type(told) == "appointment-modified"
    assert mapper.event_type({**told, "cancellation": {"by": "patient"}}) == "appointment-cancelled"
    assert mapper.event_subject(told) == "RDV-1"
