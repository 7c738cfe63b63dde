"""Partners subscribe to events: each that wants one gets it by a delivery of its own, and nobody else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import ConfigurationError
from engine.model import Disposition
from engine.runtime.compiling.assembling import Assembled
from tests.runtime.receiving.house import DOOR, house, sample
from tests.runtime.receiving.project import assembled, load, project

CONFIG = """
listen:
  public: {rest: 127.0.0.1:0}
partners:
  clinic:
    identifiers: {permit: "01234"}
    endpoints: {emr: {inbox: clinic-emr, phi: full}, slots: {inbox: clinic-slots, phi: full}}
    subscriptions:
      - events: [appointment-booked, appointment-cancelled]
        endpoint: emr
        when: msg.clinic.permit in partner.identifiers.permit
      - {events: appointment-booked, endpoint: emr}
      - {events: slot-freed, endpoint: slots}
  platform:
    endpoints: {all: {inbox: platform-all, phi: full}}
    subscriptions: [{endpoint: all}]
  elsewhere:
    identifiers: {permit: "99999"}
    endpoints: {emr: {inbox: elsewhere-emr, phi: full}}
    subscriptions:
      - {events: appointment-cancelled, endpoint: emr, when: msg.clinic.permit in partner.identifiers.permit}
  board:
    endpoints: {screen: {inbox: board-screen, phi: full}}
    subscriptions: [{events: appointment-booked, endpoint: screen, as: short}]
"""
ROUTE = """
route: events
from: {public: POST /v1/appointments}
order_by: msg.appointment.id
to:
  - subscribers: event
  - {subscribers: short, steps: [{set: {short: "{msg.appointment.id}"}}, {remove: [patient]}]}
"""


def given(folder: Path, *routes: str, config: str = CONFIG) -> Assembled:
    return assembled(folder, *(routes or (ROUTE,)), config=config)


async def test_every_subscriber_of_an_event_gets_it_once(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path)) as inside:
        await inside.post(sample())
        rows = await inside.rows()
        assert [row.delivery.destination for row in rows] == [
            "clinic.emr",
            "platform.all",
            "board.screen/short",
        ]


async def test_a_condition_is_asked_about_the_event_and_whoever_subscribes(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path)) as inside:
        await inside.post(sample("cancelled"))
        assert [row.delivery.endpoint for row in await inside.rows()] == ["clinic.emr", "platform.all"]
        await inside.post(sample("cancelled", id="other", clinic__permit="99999"))
        assert [row.delivery.endpoint for row in await inside.rows()][2:] == ["platform.all", "elsewhere.emr"]


async def test_those_who_want_the_event_get_it_as_it_came(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path)) as inside:
        await inside.post(sample())
        first, second, _ = await inside.rows()
        assert await inside.body(first.delivery) == await inside.body(second.delivery) == sample()


async def test_a_form_is_made_for_those_who_want_it(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path)) as inside:
        await inside.post(sample())
        told = await inside.body((await inside.rows())[2].delivery)
        assert told["data"]["short"] == sample()["data"]["appointment"]["id"]
        assert "patient" not in told["data"]


async def test_a_form_is_rendered_once_however_many_want_it(tmp_path: Path) -> None:
    more = CONFIG + CONFIG[CONFIG.index("  board:") :].replace("board", "hall")
    async with house(tmp_path, given(tmp_path, config=more)) as inside:
        await inside.post(sample())
        board, hall = (await inside.rows())[2:]
        assert hall.delivery.endpoint == "hall.screen"
        assert board.delivery.chain[0].rendering == hall.delivery.chain[0].rendering


async def test_what_nobody_wants_is_filtered(tmp_path: Path) -> None:
    lonely = CONFIG.replace("subscriptions: [{endpoint: all}]", "owner: nobody")
    async with house(tmp_path, given(tmp_path, config=lonely)) as inside:
        await inside.post(sample("modified"))
        assert (await inside.only()).state.word == "filtered"


async def test_a_route_that_hands_on_reaches_the_subscribers(tmp_path: Path) -> None:
    first = f"route: first\nfrom: {{public: {DOOR}}}\nto: [{{route: events}}]\n"
    onward = ROUTE.replace("from: {public: POST /v1/appointments}\n", "")
    async with house(tmp_path, given(tmp_path, first, onward)) as inside:
        await inside.post(sample())
        assert {row.delivery.route for row in await inside.rows()} == {"events"}


async def test_the_policy_of_a_subscriber_is_that_of_the_entry(tmp_path: Path) -> None:
    patient = ROUTE.replace("- subscribers: event", "- {subscribers: event, timeout: 7s}")
    made = given(tmp_path, patient)
    async with house(tmp_path, made) as inside:
        await inside.post(sample())
        policy = made.board.policies.destination((await inside.rows())[0].delivery)
        assert policy is not None
        assert policy.timeout == 7


# --------------------------------------------------------------------------- a form that cannot be made

REFUSING = ROUTE.replace(
    "steps: [{set:",
    "steps: [{require: {that: msg.appointment.mode == 'remote', at: appointment.mode, message: no screen}}, {set:",
)


async def test_a_form_that_is_refused_is_a_dead_letter_of_those_who_wanted_it(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path, REFUSING)) as inside:
        receipt = await inside.post(sample())
        assert receipt.disposition is Disposition.ACCEPTED
        assert [(blame.route, blame.path) for blame in inside.blames] == [("events", "appointment.mode")]
        rows = [row.delivery for row in await inside.rows()]
        assert [(row.destination, row.state.word) for row in rows] == [
            ("clinic.emr", "pending"),
            ("platform.all", "pending"),
            ("board.screen/short", "dead"),
        ]
        assert rows[2].reason == "incoherent"


async def test_so_it_is_where_the_message_is_routed_after_its_answer(tmp_path: Path) -> None:
    stored = REFUSING.replace("order_by:", "acknowledge: stored\norder_by:")
    async with house(tmp_path, given(tmp_path, stored)) as inside:
        await inside.post(sample())
        assert inside.blames == []
        await inside.route(await inside.only())
        assert [(blame.route, blame.path) for blame in inside.blames] == [("events", "appointment.mode")]
        states = [row.delivery.state.word for row in await inside.rows()]
        assert states == ["delivered", "pending", "pending", "dead"]


async def test_what_was_never_made_is_not_released(tmp_path: Path) -> None:
    async with house(tmp_path, given(tmp_path, REFUSING)) as inside:
        await inside.post(sample())
        dead = (await inside.rows())[2].delivery
        assert await inside.store.body(dead.message, dead.chain[0].rendering) is None


async def test_a_route_that_was_handed_the_event_refuses_for_its_own_subscribers_only(tmp_path: Path) -> None:
    first = f"route: first\nfrom: {{public: {DOOR}}}\nto: [{{route: events}}]\n"
    onward = REFUSING.replace("from: {public: POST /v1/appointments}\n", "")
    async with house(tmp_path, given(tmp_path, first, onward)) as inside:
        receipt = await inside.post(sample())
        assert receipt.disposition is Disposition.ACCEPTED
        states = [row.delivery.state.word for row in await inside.rows()]
        assert states == ["pending", "pending", "dead"]


# --------------------------------------------------------------------------- what is told at load


def problems(folder: Path, route: str = ROUTE, config: str = CONFIG) -> str:
    """Return what is told of a project, errors and warnings."""
    path = project(folder, route, config=config)
    try:
        return "\n".join(each.render() for each in load(path).warnings)
    except ConfigurationError as error:
        return str(error)


def test_events_that_nobody_subscribes_to_are_listed(tmp_path: Path) -> None:
    accepting = ROUTE.replace("order_by", "accept: {events: [appointment-booked, user-created]}\norder_by")
    config = CONFIG.replace("subscriptions: [{endpoint: all}]", "owner: nobody")
    told = problems(tmp_path, accepting, config)
    assert "events.yaml:7:18: warning: nobody subscribes to user-created" in told


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("endpoint: slots}", "endpoint: slot}", 'error: there is no endpoint "slot"'),
        (
            "[appointment-booked, ",
            "[appointment-boked, ",
            'warning: no schema describes the event "appointment-boked"',
        ),
        ("msg.clinic.permit in", "msg.clinic.permit inn", "error:"),
        ("when: msg.clinic.permit in partner.identifiers.permit}", "when: vars.x}", "error:"),
        ("as: short", "as: shrt", 'warning: no route delivers events as "shrt"'),
    ],
)
def test_a_subscription_that_cannot_be_met_is_told(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    assert wrong in CONFIG
    assert told in problems(tmp_path, config=CONFIG.replace(wrong, right))


def test_two_entries_for_one_form_need_names(tmp_path: Path) -> None:
    twice = ROUTE + "  - {subscribers: event, when: msg.urgent}\n"
    assert 'a second entry for "event"' in problems(tmp_path, twice)
    assert "second" not in problems(tmp_path, twice.replace("event, when", "event, id: again, when"))


def test_an_endpoint_that_may_not_carry_the_event_is_told(tmp_path: Path) -> None:
    config = CONFIG.replace("{inbox: platform-all, phi: full}", "{inbox: platform-all, phi: none}")
    assert "`phi` forbids it" in problems(tmp_path, config=config)


def test_versions_need_an_order(tmp_path: Path) -> None:
    route = ROUTE.replace("order_by: msg.appointment.id\n", "").replace(
        "- subscribers: event", "- {subscribers: event, recall: msg.gone}"
    )
    assert "versions are compared within one ordering key" in problems(tmp_path, route)
