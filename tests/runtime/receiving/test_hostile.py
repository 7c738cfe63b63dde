"""Hostile and odd messages: each is refused with its path or taken whole, none is lost, hidden or half stored."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model import Disposition, State
from engine.store.protocol import Query
from tests.runtime.receiving.house import DOOR, House, house, sample
from tests.runtime.receiving.project import SAMPLE, assembled

KEYED = """
route: keyed
from: {public: POST /v1/keyed}
order_by: msg.key
keys: {key: msg.key}
to: [clinique-abc.emr]
"""


@pytest.fixture
async def inside(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, assembled(tmp_path, SAMPLE, KEYED)) as opened:
        yield opened


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "\0",
        "\x1f",
        "é" * 5,
        "a" * 100_000,
        0,
        -1,
        2**70,
        1.5,
        True,
        False,
        None,
        [],
        ["a", "b"],
        {},
        {"a": 1},
    ],
)
async def test_any_ordering_key_is_taken_or_refused(inside: House, key: object) -> None:
    receipt = await inside.post({"key": key}, selector="POST /v1/keyed")
    rows = await inside.rows()
    assert len(rows) == (1 if receipt.disposition is Disposition.ACCEPTED else 0)
    assert "bugs" not in {name for name, _ in inside.counted.totals}


@pytest.mark.parametrize(
    "body",
    [
        b'{"key": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"key": 1e400}',
        b'{"key": NaN}',
        b'{"key": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"key":' * 1000 + b"1" + b"}" * 1000,
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b"null",
        b'"text"',
        b"\0",
    ],
)
async def test_odd_bytes_are_taken_or_refused(inside: House, body: bytes) -> None:
    receipt = await inside.post(body, selector="POST /v1/keyed")
    assert receipt.disposition in (Disposition.ACCEPTED, Disposition.REFUSED)
    assert "bugs" not in {name for name, _ in inside.counted.totals}


async def test_an_endless_event_id_is_kept_short_and_still_recognised(inside: House) -> None:
    event = sample(id="x" * 5000)
    await inside.post(event)
    again = await inside.post(event)
    (row,) = await inside.store.messages(Query())
    assert again.disposition is Disposition.DUPLICATE
    assert len(row.control_id) < 100


async def test_the_same_message_posted_at_once_is_taken_once(inside: House) -> None:
    import asyncio

    receipts = await asyncio.gather(*(inside.post(sample()) for _ in range(8)))
    accepted = [each for each in receipts if each.disposition is Disposition.ACCEPTED]
    assert len(accepted) == 1
    assert {each.reply for each in receipts} == {accepted[0].reply}
    assert len(await inside.rows()) == 1


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=8)
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_LEAVES = (
    "appointment",
    "appointment.id",
    "appointment.version",
    "appointment.start",
    "appointment.end",
    "clinic",
    "clinic.permit",
    "patient.identifiers",
    "patient.name.family",
)


def spoilt(path: str, value: Any) -> dict[str, Any]:
    event = sample()
    *way, leaf = path.split(".")
    place = event["data"]
    for step in way:
        place = place[step]
    place[leaf] = value
    return event


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.sampled_from(_LEAVES), values)
async def test_whatever_stands_in_a_field_the_event_is_routed_or_refused_with_a_path(
    tmp_path_factory: pytest.TempPathFactory, path: str, value: Any
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    async with house(folder, assembled(folder, SAMPLE)) as inside:
        receipt = await inside.post(json.dumps(spoilt(path, value)).encode(), selector=DOOR)
        rows = await inside.rows()
        assert "bugs" not in {name for name, _ in inside.counted.totals}
        if receipt.disposition is Disposition.REFUSED:
            assert rows == []
            assert inside.blames
        else:
            (row,) = rows
            assert row.delivery.state is State.PENDING
        assert (await inside.store.tally()).conserved
