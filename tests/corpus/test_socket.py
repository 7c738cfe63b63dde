"""Every file over one real MLLP connection: answered as the standard asks, and what leaves is what came.

The synthetic files always; the messages of `../shared/corpus` where that folder lies beside the repository (`make
corpus` insists on it and prints the counts).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.codecs.hl7v2.test_corpus import CORPUS
from tests.codecs.hl7v2.test_corpus import UNREADABLE as UNREADABLE_THERE
from tests.corpus.campaign import Passed, by_sender, codes_of, passed, unframed
from tests.corpus.synthetic import FILES, UNREADABLE

SETS = {"synthetic": (FILES, frozenset(UNREADABLE))}
if CORPUS.is_dir():
    SETS["corpus"] = (
        {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())},
        frozenset(UNREADABLE_THERE),
    )


@pytest.fixture(scope="module", params=list(SETS))
def campaign(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Passed:
    """Return what one campaign over a set of files gave; its event loop is its own."""
    files, unreadable = SETS[request.param]
    return asyncio.run(passed(tmp_path_factory.mktemp(request.param), files, unreadable))


def taken(campaign: Passed) -> list[bytes]:
    unreadable = set(campaign.kept.get("unreadable", ()))
    return [one.content for one in campaign.all if one.content not in unreadable]


def test_every_file_is_answered_as_the_standard_asks(campaign: Passed) -> None:
    wrong = [(one.name, one.due, one.answers) for one in campaign.all if not one.right]
    print(f"\n{len(campaign.all)} files on one connection, answered {dict(codes_of(campaign.all))}")
    assert wrong == []


def test_a_type_that_no_route_takes_is_refused_and_its_bytes_are_kept(campaign: Passed) -> None:
    wrong = [(one.name, one.read, one.due, one.answers) for one in campaign.typed if not one.right]
    print(f"\nby a route for ADT and ORU answered {dict(codes_of(campaign.typed))}")
    assert wrong == []
    refused = Counter(campaign.refused)
    kinds = (b"ADT", b"ORU")
    assert all(refused[one.content] for one in campaign.typed if one.read.kind[:3] not in kinds)


def test_what_cannot_be_read_is_a_dead_letter_that_keeps_its_bytes(campaign: Passed) -> None:
    refused = [one for one in campaign.all if one.content in campaign.kept.get("unreadable", ())]
    print(f"\nunreadable, refused and kept: {[one.name for one in refused]}")
    assert refused, "nothing unreadable was among the files"
    assert all(one.answers[0].code in ("AE", "AR") and one.answers[0].explained for one in refused)
    assert sorted(campaign.kept["unreadable"]) == sorted(one.content for one in refused)


def test_what_left_is_byte_for_byte_what_came(campaign: Passed) -> None:
    sent = Counter(taken(campaign))
    assert Counter(campaign.box) == sent
    assert Counter(campaign.turn) == sent
    no_id = campaign.kept.get("no_control_id", ())
    assert Counter(campaign.adt) + Counter(no_id) == sent, "by MSA-2: all but what has no MSH-10"
    print(f"\nround trips: {len(taken(campaign))} by folder, {len(campaign.turn)} by MLLP in turn, ", end="")
    print(f"{len(campaign.adt)} by MLLP and MSA-2 ({len(no_id)} have no MSH-10 to match: kept), ", end="")
    print(f"{sum(map(len, campaign.turn)):,} bytes identical")


def test_each_senders_messages_left_in_the_order_in_which_they_came(campaign: Passed) -> None:
    assert by_sender(campaign.turn) == by_sender(taken(campaign))
    identified = [content for content in taken(campaign) if content not in campaign.kept["no_control_id"]]
    assert by_sender(campaign.adt) == by_sender(identified)


def test_nothing_crashed(campaign: Passed) -> None:
    assert (list(campaign.bugs), campaign.restarts) == ([], 0)


def test_the_campaign_tells_a_wrong_answer(campaign: Passed) -> None:
    one = next(each for each in campaign.all if each.answers)
    for other in campaign.all:
        if other.answers and other.read.control_id != one.read.control_id:
            swapped = type(one)(one.name, one.content, one.read, one.due, other.answers)
            assert not swapped.right
            return
    pytest.fail("all messages have one id")


def test_a_recorded_frame_is_no_part_of_a_message() -> None:
    assert unframed(b"\x0bMSH|\x1c\r") == b"MSH|"
    assert unframed(Path(__file__).read_bytes()) == Path(__file__).read_bytes()
