"""Plans read and write what the general functions do, and are what reads and writes a message that came before."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.codecs.hl7v2.reading import parse
from engine.codecs.hl7v2.writing import write
from engine.errors import PasserelleError, Rejected
from engine.mapping.losses import told
from engine.mapping.two_way import TwoWayMapper
from engine.mapping.v2 import plans as v2_plans
from engine.mapping.v2 import reading as v2_reading
from engine.mapping.v2 import reporting as v2_reporting
from engine.mapping.v2 import side as v2_side
from tests.mapping.test_corpus import TYPES
from tests.mapping.trips import ROOT, corpus, shipped
from tests.mapping.visits import MESSAGE, VISITS

SHIPPED = ("appointment", "patient-encounter", "laboratory-result", "order", "medication", "invoice")
CHANGES = 6
"""Changed events that are put into each golden message."""


def goldens(name: str) -> list[bytes]:
    found = sorted((ROOT / "mappings" / "golden" / name).glob("*/message.hl7"))
    return [path.read_bytes().replace(b"\r\n", b"\r").replace(b"\n", b"\r") for path in found]


def spoilt(message: bytes) -> list[bytes]:
    """Return the message, and the same with escapes, nulls, other delimiters, and a control character."""
    head, _, body = message.partition(b"\r")
    return [
        message,
        head + b"\r" + body.replace(b"e", b"\\T\\e", 7),
        head + b"\r" + body.replace(b"||", b'|""|', 5),
        head.replace(b"^~\\&|", b"^~\\&#|") + b"\r" + body,
        head.replace(b"^~\\&|", b"^~\\&#|") + b"\r" + body.replace(b"a", b"#", 3),
        head + b"\r" + body.replace(b"o", b"\x1f", 2),
    ]


@contextmanager
def generally(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave everything to the general functions."""
    with monkeypatch.context() as patch:
        patch.setattr(v2_side, "scanned", lambda texts: None)
        patch.setattr(v2_side, "written", lambda *given: None)
        yield


def changed(data: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Return a copy of event data with a few leaves and items changed, some to what no rule can say."""
    made = copy.deepcopy(data)
    places = list(_places(made))
    for owner, key in chance.sample(places, min(len(places), chance.randint(1, 3))):
        known = owner[key] if isinstance(owner, dict) and key in owner else None
        if isinstance(known, list):
            known.append(copy.deepcopy(known[0])) if known and chance.random() < 0.5 else known.reverse()
        elif isinstance(known, str) and chance.random() < 0.8:
            owner[key] = chance.choice(
                ["Q", f"{known}x", "a^b", "", None, "é", "2020-01-02", '""', "a\\b", 7]
            )
        elif isinstance(owner, dict):
            owner.pop(key, None)
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(one, dict | list):
            yield from _places(one)


def outcome(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Rejected as error:
        return error.faults


@pytest.mark.parametrize("name", SHIPPED)
def test_plans_read_what_the_general_functions_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper = shipped(name)
    for message in [each for golden in goldens(name)[:5] for each in spoilt(golden)]:
        root = parse(message)
        found = [mapper.get("v2", root) for _ in range(3)]
        with generally(monkeypatch):
            wanted = mapper.get("v2", root)
        assert [(one.data, one.complement) for one in found] == [(wanted.data, wanted.complement)] * 3


@pytest.mark.parametrize("name", SHIPPED)
def test_plans_write_what_the_general_functions_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper, chance = shipped(name), random.Random(7)
    for message in [each for golden in goldens(name)[:4] for each in spoilt(golden)[:3]]:
        decoded: Any = mapper.get("v2", parse(message))
        events = [decoded.data, *(changed(decoded.data, chance) for _ in range(CHANGES))]
        for event in events:

            def put(event: Any = event, left: Any = decoded.complement) -> bytes:
                return write(mapper.put("v2", event, left))

            found = [outcome(put) for _ in range(2)]
            with generally(monkeypatch):
                assert found == [outcome(put)] * 2


@pytest.mark.parametrize("name", SHIPPED)
def test_an_outline_says_what_the_list_of_leaves_says(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper: Any = shipped(name)
    for message in [each for golden in goldens(name)[:4] for each in spoilt(golden)]:
        root = parse(message)
        found = [mapper.get("v2", root).report for _ in range(4)]
        with generally(monkeypatch):
            wanted = mapper.get("v2", root).report.as_json()
        assert [report.as_json() for report in found] == [wanted] * 4
        assert told(found[-1].as_stored()) == wanted


@pytest.mark.parametrize("name", SHIPPED)
def test_a_report_of_the_corpus_says_what_the_list_of_leaves_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper: Any = shipped(name)
    for _, body in corpus(*TYPES[name]):
        try:
            root = parse(body)
        except PasserelleError:
            continue
        found = [mapper.get("v2", root).report for _ in range(3)]
        with generally(monkeypatch):
            wanted = mapper.get("v2", root).report.as_json()
        assert [report.as_json() for report in found] == [wanted] * 3


@pytest.mark.parametrize("name", SHIPPED)
def test_a_report_needs_no_second_reading(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper: Any = shipped(name)
    [largest] = sorted(goldens(name), key=len)[-1:]
    root = parse(largest)
    wanted = [mapper.get("v2", root).report for _ in range(3)][-1]
    decoded = mapper.get("v2", root)
    monkeypatch.setattr(v2_reading.Reading, "read", refuse)
    monkeypatch.setattr(v2_reporting, "leaves", refuse)
    assert decoded.report == wanted


def test_each_message_of_one_outline_has_the_warnings_of_its_own_values() -> None:
    said = ("later", "20270101", "later")
    roots = [parse(MESSAGE.replace("EVN||202601140930", f"EVN||2026||||{one}").encode()) for one in said]
    first, second, third = (VISITS.get("v2", root).report for root in roots)
    assert first.outline == second.outline
    assert first.warnings == third.warnings == (("EVN-6", "not of type ts"),)
    assert second.warnings == (("EVN-6", "says something else than PV1-44"),)


def test_an_outline_holds_no_value() -> None:
    stored = VISITS.get("v2", parse(MESSAGE.encode())).report.as_stored()
    assert set(stored["outline"].replace("\r", "|").split("|")[2:]).isdisjoint({"LAB", "0001", "hey", "DOC"})
    assert "\rPID|" in stored["outline"]
    assert "mapped" not in stored


def refuse(*given: object, **said: object) -> None:
    """Stand for what nobody should call."""
    raise AssertionError("a general function was needed")


def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every use of a general function fail."""
    monkeypatch.setattr(v2_reading.Reading, "_general", refuse)
    monkeypatch.setattr(v2_side, "walk", refuse)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_came_before_needs_no_general_function(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mapper: TwoWayMapper = shipped(name)  # type: ignore[assignment]  # a shipped one is of this class
    [largest] = sorted(goldens(name), key=len)[-1:]
    root = parse(largest)
    decoded = mapper.get("v2", root)
    for _ in range(2):
        mapper.put("v2", decoded.data, mapper.get("v2", root).complement)
    unplanned(monkeypatch)
    assert mapper.get("v2", root).data == decoded.data
    assert write(mapper.put("v2", decoded.data, decoded.complement)) == largest


def test_a_mapper_forgets_its_shapes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v2_plans, "MOST", 3)
    for fields in range(1, 20):
        root = parse(f"MSH|^~\\&|LAB{'|' * fields}x\rPID|1{'|' * fields}y\r".encode())
        decoded = VISITS.get("v2", root)
        assert write(VISITS.put("v2", decoded.data, decoded.complement)) == write(root)


def test_the_source_of_all_general_functions_can_be_read() -> None:
    side: Any = VISITS.formats["v2"]
    assert "def g0(group, x, w):" in side.source
    assert "def p0(group, x, w):" in side.source
    assert Path(__file__).name not in side.source
