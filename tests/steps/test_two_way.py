"""The step `map` with a two-way mapper: to an event and from one, with what is carried, refused and verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from engine.codecs import codec
from engine.codecs.json import JsonDocument
from engine.errors import NotFound, Rejected
from engine.spi import Asked, Carried, Codec, Document, Scope, TwoWay
from engine.steps.contract import Workshop
from engine.steps.map_ import STEP, MapConfig
from engine.steps.travelling import with_complements
from engine.steps.two_way import CODECS, SAMPLE, TwoWayMap, is_sampled, with_source, without_source
from tests.steps.mappers import mapper_of


@dataclass(frozen=True)
class Report:
    opaque: tuple[str, ...] = ()

    def as_json(self) -> Mapping[str, Any]:
        return {"mapped": ["name"], "opaque": list(self.opaque)}

    as_stored = as_json


@dataclass(frozen=True)
class Read:
    data: dict[str, Any]
    complement: dict[str, Any]
    report: Report


@dataclass
class Names:
    """A mapper of one fact, `name`; everything else of a document is its complement."""

    name: str = "names"
    version: str = "1"
    messages: tuple[str, ...] = ()
    sides: frozenset[str] = frozenset({"v2", "event", "fhir"})
    spoils: bool = False
    zones: list[str] = field(default_factory=list)

    def get(self, side: str, source: Any, *, zone: str = "UTC") -> Read:
        self.zones.append(zone)
        rest = {key: value for key, value in source.items() if key != "name"}
        complement = {"mapper": self.name, "version": self.version, "side": side, "rest": rest}
        return Read({"name": source["name"]}, complement, Report(tuple(rest)))

    def put(
        self,
        side: str,
        data: dict[str, Any],
        complement: dict[str, Any] | None = None,
        *,
        zone: str = "UTC",
        new_id: Callable[[], str] | None = None,
    ) -> Any:
        rest = complement["rest"] if complement else {"resourceType": "Basic"}
        return {**rest, "name": data["name"] + "!" if self.spoils else data["name"]}

    def event_type(self, data: Any) -> str:
        return "" if data["name"] == "nobody" else "name-told"


class House:
    name = "passerelle"

    def document(self, side: str, root: Any, envelope: Mapping[str, Any] | None = None) -> Document:
        return JsonDocument(root, envelope, CODECS[side])

    def made(self, side: str, root: Any) -> Document:
        return self.document(side, root)

    def zone(self, scope: Scope) -> str:
        return "America/Toronto"

    def difference(self, side: str, was: Any, now: Any) -> tuple[int, str] | None:
        return None if was == now else (9, "name")


@dataclass
class Shop:
    """What the step is built with; the codec is that of the document at its place."""

    mapper: TwoWay | None = field(default_factory=Names)
    codec: Codec = field(default_factory=lambda: codec("fhir"))
    house: House = field(default_factory=House)

    def two_way(self, name: str) -> TwoWay | None:
        return self.mapper

    def expression(self, text: str) -> Any:
        return Constant(text)


@dataclass
class Constant:
    value: str

    def evaluate(self, scope: Scope) -> str:
        return self.value


def built(mapper: TwoWay | None = None, *, at: str = "fhir", **said: Any) -> TwoWayMap:
    shop = Shop(mapper or Names(), codec(at))
    made = STEP.build(MapConfig.model_validate({"mapper": "names", **said}), cast(Workshop, shop))
    assert isinstance(made, TwoWayMap)
    return made


def scope(**meta: Any) -> Scope:
    told = {"id": "M1", "listener": "door", "received": "2026-11-02T14:00:00Z", **meta}
    return Scope(msg=None, source=None, meta=told, now_ms=0)


RESOURCE = {"resourceType": "Basic", "name": "Ada", "note": "hidden"}
EVENT = JsonDocument(
    {"name": "Ada"}, {"specversion": "1.0", "id": "E7", "source": "/p/door", "type": "name-told"}
)


# --------------------------------------------------------------------------- to an event


def test_what_is_read_becomes_an_event_under_the_id_of_its_message() -> None:
    [made] = built(to="event")(JsonDocument(RESOURCE, None, "fhir"), scope())
    assert (made.root, made.codec) == ({"name": "Ada"}, "json")
    assert made.envelope == {
        "specversion": "1.0",
        "id": "M1",
        "source": "/passerelle/door",
        "type": "name-told",
        "time": "2026-11-02T14:00:00Z",
        "datacontenttype": "application/json",
    }


def test_later_steps_read_the_event_and_other_destinations_do_not() -> None:
    one = scope()
    before = one.meta
    built(to="event")(JsonDocument(RESOURCE, None, "fhir"), one)
    assert one.meta["event"]["type"] == "name-told"
    assert "event" not in before


def test_what_means_no_event_of_the_catalogue_is_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        built(to="event")(JsonDocument({**RESOURCE, "name": "nobody"}, None, "fhir"), scope())
    assert refusal.value.code == "event_type"


def test_what_the_event_cannot_say_is_carried_with_its_report() -> None:
    one = scope()
    built(to="event")(JsonDocument(RESOURCE, None, "fhir"), one)
    [carried] = one.carried
    assert carried.complement is not None
    assert carried.complement["rest"] == {"resourceType": "Basic", "note": "hidden"}
    assert carried.loss() == {
        "mapper": "names",
        "version": "1",
        "from": "fhir",
        "to": "event",
        "mapped": ["name"],
        "opaque": ["resourceType", "note"],
    }


def test_nothing_is_kept_where_the_route_says_so() -> None:
    one = scope()
    built(to="event", complement="none")(JsonDocument(RESOURCE, None, "fhir"), one)
    assert one.carried[0].complement is None


def test_times_belong_to_the_zone_of_the_house() -> None:
    mapper = Names()
    built(mapper, to="event")(JsonDocument(RESOURCE, None, "fhir"), scope())
    assert mapper.zones == ["America/Toronto"]


# --------------------------------------------------------------------------- strict, verify


def test_a_strict_route_names_the_leaves_that_nothing_carries() -> None:
    with pytest.raises(Rejected) as refusal:
        built(to="event", strict="true")(JsonDocument(RESOURCE, None, "fhir"), scope())
    assert (refusal.value.code, [fault.path for fault in refusal.value.faults]) == (
        "unmapped",
        ["resourceType", "note"],
    )
    assert "hidden" not in str(refusal.value)


def test_a_strict_route_takes_what_is_mapped_whole() -> None:
    assert built(to="event", strict="true")(JsonDocument({"name": "Ada"}, None, "fhir"), scope())


def test_a_mapper_that_cannot_give_back_what_it_read_is_found_out() -> None:
    step = built(Names(spoils=True), to="event", verify="always")
    with pytest.raises(Rejected) as refusal:
        step(JsonDocument(RESOURCE, None, "fhir"), scope())
    [fault] = refusal.value.faults
    assert (refusal.value.code, fault.path) == ("verify", "name")
    assert "byte 9" in fault.text


def test_one_message_of_many_is_verified_where_a_sample_is_asked_for() -> None:
    step = built(Names(spoils=True), to="event", verify="sample")
    ids = [f"M{number}" for number in range(10 * SAMPLE)]
    chosen = [each for each in ids if is_sampled(each)]
    assert len(ids) / SAMPLE / 3 < len(chosen) < len(ids) / SAMPLE * 3
    with pytest.raises(Rejected):
        step(JsonDocument(RESOURCE, None, "fhir"), scope(id=chosen[0]))
    assert step(JsonDocument(RESOURCE, None, "fhir"), scope(id="M0" if not is_sampled("M0") else "M1"))


# --------------------------------------------------------------------------- from an event


def test_without_a_complement_a_document_is_made_anew() -> None:
    [made] = built(at="json", to="fhir")(EVENT, scope())
    assert made.root == {"resourceType": "Basic", "meta": {"source": "/p/door#E7"}, "name": "Ada"}


def test_what_a_step_before_carried_is_written_back() -> None:
    one = scope()
    [event] = built(to="event")(JsonDocument(RESOURCE, None, "fhir"), one)
    [made] = built(at="json", to="fhir", complement="keep")(event, one)
    assert without_source(made.root)[0] == RESOURCE


def test_what_an_earlier_message_left_is_found_by_the_event() -> None:
    asked: list[Asked] = []
    kept = {"mapper": "names", "version": "1", "rest": {"kept": "yes"}}

    def stored(question: Asked) -> dict[str, Any]:
        asked.append(question)
        return kept

    one = replace(scope(), stored=stored)
    [made] = built(at="json", to="v2")(EVENT, one)
    assert made.root == {"kept": "yes", "name": "Ada"}
    assert asked == [Asked("event", "E7", "names", "v2")]


def test_an_event_that_names_its_cause_finds_what_that_one_left() -> None:
    asked: list[Asked] = []
    one = replace(scope(), stored=asked.append)
    caused = JsonDocument(EVENT.root, {**(EVENT.envelope or {}), "causationid": "E1"})
    built(at="json", to="v2")(caused, one)
    assert [question.value for question in asked] == ["E1"]


def test_a_route_may_say_by_which_key_it_is_found() -> None:
    asked: list[Asked] = []
    one = replace(scope(), stored=asked.append)
    built(at="json", to="v2", found_by={"appointment": "A-12"})(EVENT, one)
    assert asked == [Asked("appointment", "A-12", "names", "v2")]


@pytest.mark.parametrize(
    ("kept", "remark"),
    [({}, "kept no more"), ({"version": "0", "rest": {}}, "another version")],
)
def test_a_complement_that_cannot_serve_is_told(kept: dict[str, Any], remark: str) -> None:
    one = replace(scope(), stored=lambda question: kept)
    [made] = built(at="json", to="v2")(EVENT, one)
    assert made.root == {"resourceType": "Basic", "name": "Ada"}
    assert remark in one.carried[-1].loss()["remark"]


def test_one_step_leads_from_one_format_to_the_other_over_the_event() -> None:
    one = scope()
    [made] = built(at="fhir", to="v2")(JsonDocument(RESOURCE, None, "fhir"), one)
    assert (made.codec, made.root) == ("hl7v2", {"resourceType": "Basic", "name": "Ada"})
    assert one.meta["event"]["type"] == "name-told"


# --------------------------------------------------------------------------- a FHIR document names its event


def test_what_returns_names_the_event_that_it_was_made_from() -> None:
    sent = with_source({"resourceType": "Basic", "name": "Ada"}, {"id": "E7", "source": "/p/door"})
    one = scope()
    [event] = built(to="event")(JsonDocument(sent, None, "fhir"), one)
    assert event.envelope is not None
    assert event.envelope["causationid"] == "E7"
    assert one.carried[0].complement is not None
    assert one.carried[0].complement["rest"] == {"resourceType": "Basic"}


@pytest.mark.parametrize("meta", [{"source": "urn:x"}, {"source": "/p/door"}, {"tag": []}, {}])
def test_what_somebody_else_wrote_there_stays(meta: Mapping[str, Any]) -> None:
    root = {"resourceType": "Basic", "meta": meta}
    assert without_source(root) == (root, "")


def test_a_document_that_says_its_source_keeps_it() -> None:
    root = {"resourceType": "Basic", "meta": {"source": "urn:x"}}
    assert with_source(root, {"id": "E7", "source": "/p"}) == root


# --------------------------------------------------------------------------- a complement that a document brings


def brought(version: str = "1") -> dict[str, Any]:
    left = {"mapper": "names", "version": version, "side": "v2", "rest": {"kept": "yes"}}
    root = {"resourceType": "Bundle", "name": "Ada", "entry": [{"fullUrl": "urn:x"}]}
    whole = with_complements(root, [Carried("names", version, "v2", left, dict)], {"id": "E7"})
    assert isinstance(whole, dict)
    return whole


def test_what_a_document_brings_is_believed_where_the_route_says_so() -> None:
    one = scope()
    [made] = built(to="v2", complement="brought")(JsonDocument(brought(), None, "fhir"), one)
    assert made.root == {"kept": "yes", "name": "Ada"}
    assert "came with the document" in one.carried[0].loss()["remark"]


def test_what_a_document_brings_is_not_believed_otherwise() -> None:
    [made] = built(to="v2")(JsonDocument(brought(), None, "fhir"), scope())
    assert made.root == {"resourceType": "Basic", "name": "Ada"}


def test_what_another_version_left_is_of_no_use() -> None:
    one = scope()
    [made] = built(to="v2", complement="brought")(JsonDocument(brought("0"), None, "fhir"), one)
    assert made.root == {"resourceType": "Basic", "name": "Ada"}
    assert "another version" in one.carried[-1].loss()["remark"]


# --------------------------------------------------------------------------- what is refused at load


@pytest.mark.parametrize(
    ("at", "said", "told"),
    [
        ("fhir", {}, "say `to`"),
        ("text", {"to": "event"}, "reads no text"),
        ("json", {"from": "fhir", "to": "v2"}, "is a document of the codec fhir"),
        ("json", {"to": "event"}, "are both event"),
    ],
)
def test_sides_that_do_not_fit_are_told(at: str, said: Mapping[str, Any], told: str) -> None:
    with pytest.raises(NotFound, match=told):
        built(at=at, **said)


def test_a_side_that_the_mapper_has_not_is_told() -> None:
    with pytest.raises(NotFound, match="writes no v2"):
        built(Names(sides=frozenset({"event", "fhir"})), to="v2")


def test_a_one_way_mapper_takes_no_word_of_a_two_way_one() -> None:
    shop = Shop(None)
    shop.mapper = None
    with pytest.raises(NotFound, match="`strict` is for two-way ones"):
        STEP.build(MapConfig(mapper="names", strict=True), cast(Workshop, shop))


# --------------------------------------------------------------------------- JSON of a partner's own

NOTES = mapper_of("""
mapper: notes
version: 1.0.0
v2: {messages: [ADT^A08]}
events: {else: name-told, subject: name}
rules:
  - {event: name, v2: PID-5, json: usager.nom}
compute:
  - {json: titre, value: "{meta.event.type} : {msg.name}, {partner.name}"}
""")


def notes(**said: Any) -> TwoWayMap:
    return built(NOTES, at="json", **said)


def partnered(**meta: Any) -> Scope:
    return replace(scope(**meta), partner={"name": "clinique"}, msg=EVENT.root)


def test_an_event_becomes_json_of_a_partners_own_with_what_is_computed() -> None:
    one = partnered(event=EVENT.envelope)
    [made] = notes(to="json")(EVENT, one)
    assert (made.codec, made.envelope) == ("json", None)
    assert made.root == {"titre": "name-told : Ada, clinique", "usager": {"nom": "Ada"}}
    assert one.msg is EVENT.root


def test_json_of_a_partners_own_becomes_an_event() -> None:
    document = JsonDocument({"titre": "a word", "usager": {"nom": "Ada"}, "note": "kept"})
    one = scope()
    [made] = notes(**{"from": "json", "to": "event"})(document, one)
    assert made.root == {"name": "Ada"}
    assert made.envelope is not None
    assert (made.envelope["type"], made.envelope["subject"]) == ("name-told", "Ada")
    [carried] = one.carried
    assert carried.loss()["opaque"] == ["note"]
    assert [path for path, _ in carried.loss()["dropped"]] == ["titre"]


def test_a_strict_route_takes_what_is_computed_for_what_it_is() -> None:
    document = JsonDocument({"titre": "a word", "usager": {"nom": "Ada"}})
    assert notes(**{"from": "json", "to": "event"}, strict="true")(document, scope())


def test_what_a_partner_changed_in_its_json_keeps_the_rest_of_the_message() -> None:
    kept = {"mapper": "notes", "version": "1.0.0", "side": "json", "hole": "~~", "rest": {"note": "kept"}}
    one = replace(partnered(event=EVENT.envelope), stored=lambda question: kept)
    [made] = notes(to="json", complement="keep")(EVENT, one)
    assert made.root["note"] == "kept"
    [anew] = notes(to="json")(EVENT, one)
    assert "note" not in anew.root


def test_json_is_an_event_where_nobody_says_otherwise() -> None:
    assert notes(to="json").source == "event"
    with pytest.raises(NotFound, match="say `to`"):
        notes()


def test_what_is_computed_is_made_anew_under_another_type_of_event() -> None:
    step = notes(to="json")
    [made] = step(EVENT, partnered(event=EVENT.envelope))
    revised = step.revise(made, partnered(event={"type": "name-changed"}))
    assert revised.root == {"titre": "name-changed : Ada, clinique", "usager": {"nom": "Ada"}}
    assert made.root["titre"] == "name-told : Ada, clinique"


def test_it_is_known_whether_the_type_of_the_event_matters() -> None:
    assert not notes(to="json").kindless
    assert notes(to="v2").kindless
    assert not notes(**{"from": "json", "to": "v2"}).kindless


def test_only_what_its_rules_name_is_in_json_that_no_complement_fills() -> None:
    assert notes(to="json", complement="none").chosen
    assert notes(to="json").chosen
    assert not notes(to="json", complement="keep").chosen
    assert not notes(to="v2", complement="none").chosen
