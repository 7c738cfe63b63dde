"""What every store knows of DICOM instances: found by their UIDs, told of as a whole once, gone with their content."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.model import Body, Disposition, Gathered, Gathering, Instance, Message
from engine.store.protocol import Acceptance, Held, Query, Store
from tests.store.making import NOW, WEEK, acceptance, duty, message

QUIET = 30_000


def instance(
    number: str, *, study: str = "1.2", series: str = "1.2.1", modality: str = "CT", by: str = ""
) -> Instance:
    """Return what an instance says of itself; `by` says what it is gathered by."""
    attributes = {
        "00080018": {"vr": "UI", "Value": [number]},
        "0020000D": {"vr": "UI", "Value": [study]},
        "0020000E": {"vr": "UI", "Value": [series]},
    }
    gathering = Gathering(by, QUIET) if by else None
    return Instance(study, series, number, "1.2.840.10008.5.1.4.1.1.2", modality, attributes, gathering)


def stored(
    of: Instance, body: bytes = b"an image", *, at_ms: int = NOW, listener: str = "images"
) -> Acceptance:
    """Return the acceptance of an instance."""
    base = message(of.instance, body, at_ms=at_ms, listener=listener)
    return acceptance(of=_with(base, instance=of), renderings=())


def telling(gathered: Gathered) -> Acceptance:
    """Return the acceptance of a message that tells of a gathering."""
    return acceptance(of=_with(message(), gathered=gathered), renderings=())


def _with(base: Message, **more: object) -> Message:
    return replace(base, **more)  # type: ignore[arg-type]  # the fields of Message, by name


def _all(held: Held) -> bool:
    return True


class InstanceContract:
    """Index, gatherings, retention."""

    # ------------------------------------------------------------- the index

    async def test_instances_are_found_by_study_by_series_and_by_their_uids(self, store: Store) -> None:
        await store.accept(stored(instance("1")))
        await store.accept(stored(instance("2", series="1.2.2"), b"second"))
        await store.accept(stored(instance("3", study="1.3", series="1.3.1"), b"third"))

        study = await store.instances.held("study", ["1.2"], limit=10)
        series = await store.instances.held("series", ["1.2.2"], limit=10)
        named = await store.instances.held("instance", ["3", "1", "none"], limit=10)

        assert [_name(row.attributes) for row in study] == ["1", "2"]
        assert [_name(row.attributes) for row in series] == ["2"]
        assert [_name(row.attributes) for row in named] == ["3", "1"]
        assert series[0].body is not None and series[0].body.read() == b"second"
        assert (study[0].listener, study[0].partner) == ("images", "platform")

    async def test_the_newest_copy_of_an_instance_counts(self, store: Store) -> None:
        await store.accept(stored(instance("1")))
        again = await store.accept(stored(instance("1"), b"the same, corrected"))

        rows = await store.instances.held("study", ["1.2"], limit=10)

        assert again.disposition is Disposition.COLLISION
        assert [row.message for row in rows] == [again.message]
        assert [row.message for row in await store.instances.held("instance", ["1"], limit=10)] == [
            again.message
        ]

    async def test_a_copy_with_the_same_bytes_is_no_second_instance(self, store: Store) -> None:
        first = await store.accept(stored(instance("1")))
        copy = await store.accept(stored(instance("1")))

        assert copy.disposition is Disposition.DUPLICATE
        rows = await store.instances.held("instance", ["1"], limit=10)
        assert [row.message for row in rows] == [first.message]

    async def test_a_study_is_summed_up_by_its_newest_instance(self, store: Store) -> None:
        await store.accept(stored(instance("1")))
        await store.accept(stored(instance("2", series="1.2.2", modality="SR"), b"b"))
        await store.accept(stored(instance("3", study="1.3", series="1.3.1"), b"c"))

        newest, older = await store.instances.summaries("study", study="", wanted=_all, limit=10)

        assert (newest.series, newest.instances, newest.modalities) == (1, 1, ("CT",))
        assert (older.series, older.instances, older.modalities) == (2, 2, ("CT", "SR"))
        assert _name(older.newest.attributes) == "2"

    async def test_series_and_instances_are_summed_up_within_a_study(self, store: Store) -> None:
        for number, series in (("1", "1.2.1"), ("2", "1.2.1"), ("3", "1.2.2")):
            await store.accept(stored(instance(number, series=series), number.encode()))
        await store.accept(stored(instance("9", study="1.3", series="1.3.1"), b"other"))

        of_series = await store.instances.summaries("series", study="1.2", wanted=_all, limit=10)
        of_each = await store.instances.summaries("instance", study="1.2", wanted=_all, limit=2, offset=1)

        assert [held.instances for held in of_series] == [1, 2]
        assert [_name(held.newest.attributes) for held in of_each] == ["2", "1"]
        assert len(await store.instances.summaries("series", study="", wanted=_all, limit=10)) == 3
        assert len(await store.instances.summaries("instance", study="", wanted=_all, limit=10)) == 4

    async def test_only_what_is_wanted_counts_towards_the_limit(self, store: Store) -> None:
        for number in ("1", "2", "3"):
            await store.accept(stored(instance(number, study=f"1.{number}"), number.encode()))

        found = await store.instances.summaries(
            "study", study="", wanted=lambda held: _name(held.newest.attributes) != "3", limit=1
        )

        assert [_name(held.newest.attributes) for held in found] == ["2"]

    async def test_what_lacks_a_text_that_is_asked_for_is_not_even_read(self, store: Store) -> None:
        for number in ("1", "2"):
            await store.accept(stored(instance(number, study=f"1.{number}"), number.encode()))
        asked: list[str] = []

        def wanted(held: Held) -> bool:
            asked.append(_name(held.newest.attributes))
            return True

        found = await store.instances.summaries(
            "study", study="", wanted=wanted, holding=[b'"1.2"'], limit=10
        )

        assert [_name(held.newest.attributes) for held in found] == asked == ["2"]

    async def test_studies_are_looked_up_by_what_their_instances_are_sought_by(self, store: Store) -> None:
        for number, patient in (("1", "P1"), ("2", "P2"), ("3", "P1"), ("4", "P3")):
            one = instance(number, study=f"1.{number}", series=f"1.{number}.1")
            await store.accept(stored(replace(one, sought=(("patient", patient),)), number.encode()))
        asked: list[str] = []

        def wanted(held: Held) -> bool:
            asked.append(_name(held.newest.attributes))
            return True

        keys = [("patient", "P1"), ("patient", "P3"), ("accession", "P2")]
        found = await store.instances.summaries("study", study="", wanted=wanted, among=keys, limit=10)
        series = await store.instances.summaries("series", study="", wanted=_all, among=keys[:1], limit=10)
        nothing = await store.instances.summaries(
            "study", study="", wanted=_all, among=[("patient", "P9")], limit=10
        )

        assert [_name(held.newest.attributes) for held in found] == asked == ["4", "3", "1"]
        assert [_name(held.newest.attributes) for held in series] == ["3", "1"]
        assert nothing == []

    async def test_a_purge_takes_the_index_with_the_content(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        await store.accept(stored(instance("2"), b"later", at_ms=NOW + WEEK))

        await store.purge(NOW + 1, 10)

        assert [_name(row.attributes) for row in await store.instances.held("study", ["1.2"], limit=10)] == [
            "2"
        ]
        assert not await store.instances.held("instance", ["1"], limit=10)

    async def test_an_older_copy_that_is_kept_counts_when_the_newer_is_purged(self, store: Store) -> None:
        waiting = replace(stored(instance("1")), deliveries=[duty("k")], renderings=acceptance().renderings)
        first = await store.accept(waiting)
        await store.accept(stored(instance("1"), b"the same, corrected"))

        assert await store.purge(NOW + WEEK, 10) == 1

        assert [row.message for row in await store.instances.held("study", ["1.2"], limit=10)] == [
            first.message
        ]

    async def test_a_class_or_a_modality_may_be_kept_for_another_time(self, store: Store) -> None:
        for number, modality in (("1", "CT"), ("2", "SR"), ("3", "US")):
            await store.accept(stored(instance(number, modality=modality), number.encode()))
        await store.accept(acceptance(of=message(at_ms=NOW)))

        first = await store.purge(NOW + 1, 10, {"SR": NOW - WEEK, "US": NOW + 2})
        second = await store.purge(NOW - WEEK, 10, {"1.2.840.10008.5.1.4.1.1.2": NOW + 1, "SR": NOW - WEEK})

        assert (first, second) == (3, 1)

    async def test_what_is_kept_longer_does_not_keep_the_rest(self, store: Store) -> None:
        await store.accept(stored(instance("1")))
        await store.accept(stored(instance("2", modality="SR"), b"report"))

        assert await store.purge(NOW + 1, 10, {"CT": NOW - WEEK}) == 1
        assert [row.message_id for row in await store.instances.held("instance", ["1"], limit=1)]

    # ------------------------------------------------------------- gatherings

    async def test_a_study_is_ripe_once_nothing_came_for_its_quiet_time(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        await store.accept(stored(instance("2", by="study"), b"2", at_ms=NOW + 10_000))

        assert await store.instances.next_ms() == NOW + 10_000 + QUIET
        assert not await store.instances.ripe(NOW + QUIET, 10)
        (row,) = await store.instances.ripe(NOW + 10_000 + QUIET, 10)
        assert (row.listener, row.by, row.version) == ("images", "study", 0)
        assert [_name(each.attributes) for each in await store.instances.gathered(row.id)] == ["1", "2"]

    async def test_each_listener_and_each_series_is_gathered_for_itself(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="series")))
        await store.accept(stored(instance("2", series="1.2.2", by="series"), b"2"))
        await store.accept(stored(instance("2", series="1.2.2", by="series"), b"2", listener="other"))

        rows = await store.instances.ripe(NOW + QUIET, 10)

        assert [(row.listener, row.by) for row in rows] == [
            ("images", "series"),
            ("images", "series"),
            ("other", "series"),
        ]
        assert [len(await store.instances.gathered(row.id)) for row in rows] == [1, 1, 1]

    async def test_the_message_that_tells_of_a_study_ends_its_gathering(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        (row,) = await store.instances.ripe(NOW + QUIET, 10)

        await store.accept(telling(Gathered(row.id, row.revision)))

        assert not await store.instances.ripe(NOW + WEEK, 10)
        assert await store.instances.next_ms() is None

    async def test_a_study_to_which_an_instance_came_is_not_told_as_it_was(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        (row,) = await store.instances.ripe(NOW + QUIET, 10)
        await store.accept(stored(instance("2", by="study"), b"late", at_ms=NOW + QUIET))

        with pytest.raises(Conflict):
            await store.accept(telling(Gathered(row.id, row.revision)))

        assert await store.instances.next_ms() == NOW + 2 * QUIET

    async def test_a_late_instance_makes_a_study_ripe_again_with_another_version(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        (row,) = await store.instances.ripe(NOW + QUIET, 10)
        await store.accept(telling(Gathered(row.id, row.revision)))
        await store.accept(stored(instance("2", by="study"), b"late", at_ms=NOW + WEEK))

        (again,) = await store.instances.ripe(NOW + WEEK + QUIET, 10)

        assert (again.id, again.version) == (row.id, 1)
        assert len(await store.instances.gathered(again.id)) == 2

    async def test_what_nobody_is_told_of_ends_too(self, store: Store) -> None:
        await store.accept(stored(instance("1", by="study")))
        (row,) = await store.instances.ripe(NOW + QUIET, 10)

        await store.instances.told(Gathered(row.id, row.revision - 1))
        assert len(await store.instances.ripe(NOW + QUIET, 10)) == 1
        await store.instances.told(Gathered(row.id, row.revision))
        assert not await store.instances.ripe(NOW + QUIET, 10)

    # ------------------------------------------------------------- files

    async def test_a_body_in_a_file_gets_a_name_instead_of_a_copy(self, store: Store, folder: Path) -> None:
        spooled = folder / "spooled.part"
        spooled.write_bytes(bytes(200_000))
        of = Body.of(spooled.read_bytes())
        base = stored(instance("1"))
        body = Body(of.size, of.sha256, None, spooled)
        await store.accept(_of(base, body))
        spooled.unlink()
        other = folder / "again.part"
        other.write_bytes(bytes(200_000))
        await store.accept(
            _of(stored(instance("1"), listener="other"), Body(of.size, of.sha256, None, other))
        )

        first, second = await _raw(store, "images"), await _raw(store, "other")

        assert first.read_bytes() == bytes(200_000)
        assert first != second and first.samefile(second), "the same bytes are kept once"


def _of(base: Acceptance, body: Body) -> Acceptance:
    return replace(base, message=replace(base.message, body=body))


async def _raw(store: Store, listener: str) -> Path:
    (row,) = await store.messages(Query(listener=listener))
    body = await store.body(row.sequence, "raw")
    assert body is not None and body.path is not None
    return body.path


def _name(attributes: object) -> str:
    assert isinstance(attributes, dict)
    found = attributes["00080018"]["Value"][0]
    assert isinstance(found, str)
    return found
