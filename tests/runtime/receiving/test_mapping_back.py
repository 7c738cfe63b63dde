"""What a two-way mapper leaves of a message is kept beside it, and written back when its event returns."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.fhir import structural_faults
from engine.errors import ConfigurationError
from engine.model import Disposition, State
from engine.runtime.compiling.sides import Sides
from engine.runtime.routing.complements import losses
from engine.store.protocol import Query
from tests.runtime.receiving.house import House, house, told
from tests.runtime.receiving.project import assembled, load, project

CONFIG = """
listen:
  door: {mllp: 127.0.0.1:0, partner: hospital, zone: America/Toronto}
  other: {mllp: 127.0.0.1:0, partner: hospital}
  events: {rest: 127.0.0.1:0}
  clinic: {rest: 127.0.0.1:0, codec: fhir}
partners:
  hospital: {zone: America/Vancouver, endpoints: {his: {inbox: his, phi: full}}}
  abc: {endpoints: {emr: {inbox: abc-emr, phi: full}}}
"""
VISIT = r"""
mapper: visit
version: 1.0.0
v2:
  messages: [ADT^A01, ADT^A04]
  create: "MSH|^~\\&|||||||ADT|||2.5.1\rEVN|\rPID|1\rPV1|1\r"
fhir:
  bundle: none
  slots: {Patient: {type: Patient}}
events: {by: trigger, types: {admitted: patient-registered}}
tables:
  trigger: {admitted: {v2: A01}, registered: {v2: A04}}
  sex: {male: {v2: M, fhir: male}, female: {v2: F, fhir: female}}
rules:
  - {event: message.id, v2: MSH-10}
  - {event: trigger, v2: MSH-9.2, table: trigger}
  - {event: patient.family, v2: PID-5.1, fhir: 'Patient.name[0].family'}
  - {event: patient.sex, v2: PID-8, fhir: Patient.gender, table: sex}
"""
FILES = {"mappings/visit.yaml": VISIT}
IN = """
route: in
from: door
steps: [{map: {mapper: visit, to: event}}]
to: [abc.emr]
"""
OUT = """
route: out
from: {events: POST /events}
steps: [{map: {mapper: visit, to: v2}}]
to: [hospital.his]
"""
ADT = (
    b"MSH|^~\\&|HIS|HSJ|||20260114093012||ADT^A01|C1|P|2.5.1\rEVN|A01\r"
    b"PID|1||123^^^HSJ||Tremblay^Anne||19800101|F|||12 rue du Port\rPV1|1|I\rZPA|secret\r"
)


@asynccontextmanager
async def given(folder: Path, *routes: str, config: str = CONFIG) -> AsyncIterator[House]:
    made = assembled(folder, *routes, config=config, files=FILES)
    async with house(folder, made) as inside:
        yield inside


async def admitted(inside: House, content: bytes = ADT, listener: str = "door") -> Disposition:
    how = {"selector": "", "codec": "hl7v2", "content_type": "x-application/hl7-v2+er7"}
    receipt = await inside.post(content, listener=listener, partner="hospital", control_id="C1", **how)
    return receipt.disposition


async def returned(inside: House, event: Mapping[str, Any]) -> bytes:
    """Hand an event in and return the HL7 message that it becomes."""
    receipt = await inside.post(event, listener="events", selector="POST /events")
    assert receipt.disposition is Disposition.ACCEPTED, told(receipt)
    return await inside.sent((await inside.rows(endpoint="hospital.his"))[-1].delivery)


async def event_of(inside: House) -> dict[str, Any]:
    row = next(row for row in await inside.rows(endpoint="abc.emr"))
    event: dict[str, Any] = await inside.body(row.delivery)
    return event


# --------------------------------------------------------------------------- to the event


async def test_a_message_leaves_as_the_event_that_it_means(tmp_path: Path) -> None:
    async with given(tmp_path, IN) as inside:
        await admitted(inside)
        delivery = await inside.only()
        event = await inside.body(delivery)
        assert event["type"] == "patient-registered"
        assert event["id"] == delivery.message_id
        assert event["source"] == "/passerelle/door"
        assert event["data"]["patient"] == {"family": "Tremblay", "sex": "female"}


async def test_its_message_is_found_by_the_event(tmp_path: Path) -> None:
    async with given(tmp_path, IN) as inside:
        await admitted(inside)
        event = await event_of(inside)
        found = await inside.store.messages(Query(key=("event", event["id"])))
        assert [row.id for row in found] == [event["id"]]


async def test_what_became_of_each_leaf_is_kept_without_a_value(tmp_path: Path) -> None:
    async with given(tmp_path, IN) as inside:
        await admitted(inside)
        message = (await inside.only()).message
        [report] = await losses(inside.store, message)
        assert (report["mapper"], report["from"], report["to"]) == ("visit", "v2", "event")
        assert "PID-8" in "".join(report["mapped"])
        assert any(path.startswith("ZPA-1") for path in report["opaque"])
        assert "secret" not in json.dumps(report)


async def test_routes_without_a_two_way_mapper_keep_nothing(tmp_path: Path) -> None:
    plain = "route: plain\nfrom: door\nto: [abc.emr]\n"
    async with given(tmp_path, plain) as inside:
        await admitted(inside)
        delivery = await inside.only()
        assert await losses(inside.store, delivery.message) == []
        assert await inside.store.body(delivery.message, "complement:visit:v2") is None


# --------------------------------------------------------------------------- and back


async def test_an_event_that_returns_becomes_the_message_that_it_was(tmp_path: Path) -> None:
    async with given(tmp_path, IN, OUT) as inside:
        await admitted(inside)
        event = await event_of(inside)
        sent = await returned(inside, event)
        assert b"ZPA|secret" in sent
        assert b"12 rue du Port" in sent


async def test_only_what_changed_in_the_event_changes_in_the_message(tmp_path: Path) -> None:
    async with given(tmp_path, IN, OUT) as inside:
        await admitted(inside)
        event = await event_of(inside)
        event["data"]["patient"]["family"] = "Roy"
        sent = await returned(inside, event)
        before = ADT.replace(b"|C1|", b"|ID|").replace(b"Tremblay", b"Roy")
        own = sent.split(b"|")[9]
        assert sent.replace(own, b"ID") == before


async def test_an_event_of_somebody_else_becomes_a_message_of_its_own(tmp_path: Path) -> None:
    async with given(tmp_path, IN, OUT) as inside:
        await admitted(inside)
        event = {**await event_of(inside), "id": "never-seen"}
        sent = await returned(inside, event)
        assert b"Tremblay" in sent
        assert b"ZPA" not in sent


async def test_a_message_that_is_made_says_in_which_character_set(tmp_path: Path) -> None:
    async with given(tmp_path, IN, OUT) as inside:
        await admitted(inside)
        event = {**await event_of(inside), "id": "never-seen"}
        event["data"]["patient"]["family"] = "Lévesque"
        sent = await returned(inside, event)
        assert "Lévesque".encode() in sent
        assert b"UNICODE UTF-8" in sent.split(b"\r")[0]


async def test_where_the_complement_is_gone_a_message_is_made_and_that_is_told(tmp_path: Path) -> None:
    async with given(tmp_path, IN, OUT) as inside:
        await admitted(inside)
        event = await event_of(inside)
        first = (await inside.rows(endpoint="abc.emr"))[0].delivery
        await settle_and_purge(inside, first.sequence)
        sent = await returned(inside, event)
        assert b"ZPA" not in sent
        [report] = await losses(
            inside.store, (await inside.rows(endpoint="hospital.his"))[-1].delivery.message
        )
        assert "kept no more" in report["remark"]


async def settle_and_purge(inside: House, sequence: int) -> None:
    [row] = [row for row in await inside.rows() if row.delivery.sequence == sequence]
    from engine.store.protocol import LaneEffect, Settlement

    duty = row.delivery
    done = Settlement(duty.sequence, duty.revision, State.DELIVERED, lane=LaneEffect.FREE)
    await inside.store.settle(done)
    assert await inside.store.purge(inside.clock.now_ms() + 1, 10) == 1


async def test_a_route_that_keeps_none_creates(tmp_path: Path) -> None:
    none = IN.replace("to: event}", "to: event, complement: none}")
    async with given(tmp_path, none, OUT) as inside:
        await admitted(inside)
        assert b"ZPA" not in await returned(inside, await event_of(inside))


async def test_there_and_back_within_one_route_needs_no_store(tmp_path: Path) -> None:
    both = """
route: both
from: door
steps:
  - map: {mapper: visit, to: event}
  - set: {patient.family: Roy}
  - map: {mapper: visit, to: v2}
to: [hospital.his]
"""
    async with given(tmp_path, both) as inside:
        await admitted(inside)
        sent = await inside.sent(await inside.only())
        assert b"Roy^Anne" in sent
        assert b"ZPA|secret" in sent


async def test_a_resource_that_returns_finds_the_message_that_it_was_made_of(tmp_path: Path) -> None:
    out = "route: out\nfrom: door\nsteps: [{map: {mapper: visit, to: fhir}}]\nto: [abc.emr]\n"
    back = "route: back\nfrom: {clinic: POST /fhir}\nsteps: [{map: {mapper: visit, to: v2}}]\nto: [hospital.his]\n"
    async with given(tmp_path, out, back) as inside:
        await admitted(inside)
        resource = await event_of(inside)
        assert resource["resourceType"] == "Patient"
        resource["gender"] = "male"
        how = {"codec": "fhir", "content_type": "application/fhir+json"}
        receipt = await inside.post(resource, listener="clinic", selector="POST /fhir", **how)
        assert receipt.disposition is Disposition.ACCEPTED, told(receipt)
        sent = await inside.sent((await inside.rows(endpoint="hospital.his"))[0].delivery)
        assert b"|19800101|M|||12 rue du Port" in sent
        assert b"ZPA|secret" in sent


async def test_what_was_stored_first_finds_its_complement_too(tmp_path: Path) -> None:
    stored = OUT.replace("steps:", "acknowledge: stored\nsteps:")
    async with given(tmp_path, IN, stored) as inside:
        await admitted(inside)
        event = await event_of(inside)
        await inside.post(event, listener="events", selector="POST /events")
        [row] = [row for row in await inside.rows() if row.delivery.kind == "route"]
        await inside.route(row.delivery)
        assert b"ZPA|secret" in await inside.sent((await inside.rows(endpoint="hospital.his"))[0].delivery)


SPOKEN = VISIT.replace("mapper: visit", "mapper: spoken").replace(
    "v2: MSH-9.2, table: trigger}", "v2: MSH-9.2, table: trigger, fhir: Patient.language}"
)
SPOKEN = SPOKEN.replace("{v2: A01}", "{v2: A01, fhir: fr}").replace("{v2: A04}", "{v2: A04, fhir: en}")
BACK = (
    "route: back\nfrom: {clinic: POST /fhir}\nsteps: [{map: {mapper: spoken, to: v2}}]\nto: [hospital.his]\n"
)


async def resource(inside: House, root: Mapping[str, Any]) -> Disposition:
    how = {"codec": "fhir", "content_type": "application/fhir+json"}
    receipt = await inside.post(root, listener="clinic", selector="POST /fhir", **how)
    if receipt.disposition is Disposition.REFUSED:
        assert [fault[2] for fault in told(receipt)["faults"]] == ["event_type"]
    return receipt.disposition


async def test_a_document_that_means_no_event_becomes_no_message_either(tmp_path: Path) -> None:
    made = assembled(tmp_path, BACK, config=CONFIG, files={"mappings/spoken.yaml": SPOKEN})
    async with house(tmp_path, made) as inside:
        nobody = {"resourceType": "Patient", "gender": "male"}
        assert await resource(inside, nobody) is Disposition.REFUSED
        assert await resource(inside, {**nobody, "language": "en"}) is Disposition.REFUSED
        assert await resource(inside, {**nobody, "language": "fr"}) is Disposition.ACCEPTED
        assert b"|ADT^A01" in await inside.sent(await inside.only())


async def test_a_message_that_means_no_event_becomes_no_resource_either(tmp_path: Path) -> None:
    out = "route: out\nfrom: door\nsteps: [{map: {mapper: visit, to: fhir}}]\nto: [abc.emr]\n"
    async with given(tmp_path, out) as inside:
        assert await admitted(inside, ADT.replace(b"ADT^A01", b"ADT^A04")) is Disposition.ACCEPTED
        delivery = await inside.only()
        assert (delivery.state, delivery.reason) == (State.DEAD, "event_type")


async def test_what_another_mapper_kept_is_not_written_back_and_that_is_told(tmp_path: Path) -> None:
    files = {"mappings/visit.yaml": VISIT, "mappings/spoken.yaml": SPOKEN}
    out = "route: out\nfrom: door\nsteps: [{map: {mapper: visit, to: fhir}}]\nto: [abc.emr]\n"
    async with house(tmp_path, assembled(tmp_path, out, BACK, config=CONFIG, files=files)) as inside:
        await admitted(inside)
        assert await resource(inside, {**await event_of(inside), "language": "fr"}) is Disposition.ACCEPTED
        delivery = (await inside.rows(endpoint="hospital.his"))[-1].delivery
        assert b"ZPA" not in await inside.sent(delivery)
        [remark] = [
            each["remark"] for each in await losses(inside.store, delivery.message) if "remark" in each
        ]
        assert remark.startswith("created: visit 1.0.0 kept the complement")


# --------------------------------------------------------------------------- strict, verify


async def test_a_strict_route_dead_letters_what_it_cannot_carry_whole(tmp_path: Path) -> None:
    strict = IN.replace("to: event}", "to: event, strict: true}")
    async with given(tmp_path, strict) as inside:
        assert await admitted(inside) is Disposition.ACCEPTED
        delivery = await inside.only()
        assert (delivery.state, delivery.reason) == (State.DEAD, "unmapped")


async def test_a_strict_route_that_refuses_names_the_places(tmp_path: Path) -> None:
    strict = IN.replace("to: event}", "to: event, strict: true}") + "on_reject: {reply: AE}\n"
    async with given(tmp_path, strict) as inside:
        receipt = await inside.post(
            ADT, listener="door", selector="", codec="hl7v2", content_type="", partner="hospital"
        )
        assert receipt.disposition is Disposition.REFUSED
        assert any(fault[0].startswith("ZPA-1") for fault in told(receipt)["faults"])


async def test_what_is_mapped_whole_passes_the_verification(tmp_path: Path) -> None:
    verified = IN.replace("to: event}", "to: event, verify: always}")
    async with given(tmp_path, verified) as inside:
        await admitted(inside)
        assert (await inside.only()).state is State.PENDING


async def test_what_differs_when_verified_is_a_dead_letter_and_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sides, "difference", lambda *_: (9, "PID-5"))
    verified = IN.replace("to: event}", "to: event, verify: always}") + "on_reject: {reply: AE}\n"
    async with given(tmp_path, verified) as inside:
        assert await admitted(inside) is Disposition.ACCEPTED
        delivery = await inside.only()
        assert (delivery.state, delivery.reason) == (State.DEAD, "verify")
        assert [blame.path for blame in inside.blames] == ["PID-5"]


# --------------------------------------------------------------------------- a complement that travels


async def test_only_an_endpoint_that_asks_for_it_gets_the_complement(tmp_path: Path) -> None:
    out = "route: out\nfrom: door\nsteps: [{map: {mapper: bundled, to: fhir}}]\nto: [abc.emr, abc.engine]\n"
    config = CONFIG.replace(
        "emr: {inbox: abc-emr, phi: full}",
        "emr: {inbox: abc-emr, phi: full}, engine: {inbox: abc, phi: full, complement: send}",
    )
    bundled = VISIT.replace("mapper: visit", "mapper: bundled").replace("bundle: none", "bundle: collection")
    made = assembled(tmp_path, out, config=config, files={"mappings/bundled.yaml": bundled})
    async with house(tmp_path, made) as inside:
        await admitted(inside)
        emr, engine = [await inside.body(row.delivery) for row in await inside.rows()]
        kinds = [entry["resource"]["resourceType"] for entry in engine["entry"]]
        assert [entry["resource"]["resourceType"] for entry in emr["entry"]] == ["Patient"]
        assert kinds == ["Patient", "Binary", "Provenance"]
        assert structural_faults(engine) == ()


def test_an_endpoint_without_full_phi_cannot_ask_for_it(tmp_path: Path) -> None:
    config = CONFIG.replace("his: {inbox: his, phi: full}", "his: {inbox: his, phi: none, complement: send}")
    assert "`phi` of this endpoint forbids that" in refused(tmp_path, IN, config)


# --------------------------------------------------------------------------- JSON of a partner's own, and phi

NOTICE = """
mapper: notice
version: 1.0.0
rules: [{event: patient.family, json: usager, type: any}]
compute: [{json: genre, value: "{meta.event.type}"}]
"""
TOLD = """
route: told
from: {events: POST /events}
steps: [{map: {mapper: notice%s}}]
to: [abc.emr]
"""


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("", False),
        (", to: json, from: event", False),
        (", complement: none", False),
        (", complement: keep", True),
    ],
)
async def test_an_endpoint_of_minimal_phi_gets_what_the_rules_of_a_json_side_name(
    tmp_path: Path, said: str, refused: bool
) -> None:
    config = CONFIG.replace("emr: {inbox: abc-emr, phi: full}", "emr: {inbox: abc-emr, phi: minimal}")
    folder = project(tmp_path, TOLD % said, config=config, files={"mappings/notice.yaml": NOTICE})
    if refused:
        with pytest.raises(ConfigurationError, match="gets the whole message, and its `phi` forbids it"):
            load(folder)
        return
    made = assembled(tmp_path, TOLD % said, config=config, files={"mappings/notice.yaml": NOTICE})
    async with house(tmp_path, made) as inside:
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": "/x",
            "type": "told",
            "data": {"patient": {"family": "A"}},
        }
        await inside.post(event, listener="events", selector="POST /events")
        delivery = await inside.only()
        assert delivery.state is State.PENDING
        assert await inside.body(delivery) == {"genre": "told", "usager": "A"}


# --------------------------------------------------------------------------- what is told at load


def refused(folder: Path, route: str, config: str = CONFIG) -> str:
    with pytest.raises(ConfigurationError) as error:
        load(project(folder, route, config=config, files=FILES))
    return str(error.value)


def test_a_side_that_is_missing_is_told_at_its_step(tmp_path: Path) -> None:
    told = refused(tmp_path, IN.replace(", to: event", ""))
    assert "in.yaml:4:" in told
    assert "say `to`" in told


def test_what_cannot_be_read_is_told_at_its_step(tmp_path: Path) -> None:
    config = replace_listener(CONFIG)
    assert "reads no text" in refused(tmp_path, IN, config)


def replace_listener(config: str) -> str:
    return config.replace(
        "door: {mllp: 127.0.0.1:0, partner: hospital, zone", "door: {rest: 127.0.0.1:0, codec: text, zone"
    )


def test_expressions_after_a_map_are_read_as_its_side(tmp_path: Path) -> None:
    keyed = IN.replace("to: [abc.emr]", "to: [{endpoint: abc.emr, when: 'msg.OBX[OBX-2 == \"ED\"]-5.5'}]")
    assert "in.yaml:5:" in refused(tmp_path, keyed)


def warned(folder: Path, route: str, mapper: str = VISIT) -> str:
    """Return the warnings about a route with one mapper."""
    files = {"mappings/visit.yaml": mapper}
    found = load(project(folder, route, config=CONFIG, files=files)).warnings
    return "\n".join(each.render() for each in found)


def test_a_strict_route_is_told_what_its_mapper_loses_by_itself(tmp_path: Path) -> None:
    strict = IN.replace("to: event}", "to: event, strict: true}")
    dropping = VISIT + "drop: [{path: ZPA-1, reason: of the old system}]\n"
    assert "in.yaml:4:50: warning: the mapper drops ZPA-1 (of the old system)" in warned(
        tmp_path, strict, dropping
    )
    assert "drops" not in warned(tmp_path, IN, dropping)


def test_a_strict_route_is_told_what_the_other_format_has_no_place_for(tmp_path: Path) -> None:
    strict = IN.replace("to: event}", "to: fhir, strict: true}")
    assert "no place in fhir for message.id, trigger" in warned(tmp_path, strict)


def test_a_mapper_that_bears_another_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="says `mapper: other`"):
        warned(tmp_path, IN, VISIT.replace("mapper: visit", "mapper: other"))
