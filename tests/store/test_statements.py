"""SQL as files: every statement named, commented, used, and carried out along the index that its comment names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from engine.store.sqlite import connection
from engine.store.sqlite.statements import migrations, statements

FOLDER = Path(connection.__file__).parent
FILES = sorted(path.stem for path in FOLDER.glob("*.sql") if not re.match(r"\d{4}_", path.stem))

READS = {
    "queue.due": [
        "SEARCH d USING INDEX deliveries_due (endpoint=? AND due<?)",
        "SEARCH m USING INTEGER PRIMARY KEY",
    ],
    "queue.due-after": ["SEARCH d USING INDEX deliveries_due (endpoint=? AND due>? AND due<?)"],
    "queue.overdue": ["SEARCH d USING INDEX deliveries_deadline (deadline<?)"],
    "queue.overtaking": ["SEARCH d USING INDEX deliveries_overtaking (lane=? AND seq>?)"],
    "queue.outlook": ["SEARCH d USING INDEX deliveries_due (endpoint=?)"],
    "queue.delivery": ["SEARCH d USING INTEGER PRIMARY KEY (rowid=?)"],
    "settle.standing": ["SEARCH d USING INTEGER PRIMARY KEY (rowid=?)"],
    "settle.lane-head": ["SEARCH d USING INDEX deliveries_lane (lane=?)"],
    "settle.overtake": ["SEARCH deliveries USING INDEX deliveries_open (lane=? AND seq<?)"],
    "settle.open-in-lane": ["SEARCH d USING INDEX deliveries_open (lane=? AND seq<?)"],
    "accept.lane-busy": ["SEARCH d USING COVERING INDEX deliveries_lane (lane=?)"],
    "accept.dedup-find": [
        "SEARCH n USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        "SEARCH p USING PRIMARY KEY (day=? AND listener=? AND partner=? AND control=?)",
    ],
    "content.body": ["SEARCH b USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "content.body-late": ["SEARCH b USING INDEX bodies_late (message=?)"],
    "archive.messages-by-partner": ["SEARCH m USING INDEX messages_partner (partner=? AND seq>? AND seq<?)"],
    "archive.messages-by-key": [
        "SEARCH k USING PRIMARY KEY (month=? AND name=? AND digest=? AND message>? AND message<?)"
    ],
    "archive.messages-newest": ["SEARCH m USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "archive.deliveries-open": ["SCAN d USING INDEX deliveries_open"],
    "archive.oldest": ["SEARCH d USING INDEX deliveries_waiting (route=? AND endpoint=?)"],
    "journal.rows-of-message": ["SEARCH journal USING INDEX journal_message (message=? AND rowid>?)"],
    "instances.of-study": [
        "SEARCH i USING INDEX instances_study (study=?)",
        "instances_uid (instance=? AND message>?)",
    ],
    "instances.of-series": ["SEARCH i USING INDEX instances_series (series=?)"],
    "instances.same": ["instances_uid (instance=?)"],
    "instances.studies-by-key": [
        "SEARCH k USING PRIMARY KEY (digest=?)",
        "SCAN i USING COVERING INDEX instances_unkeyed",
    ],
    "instances.keys-forget": [
        "study_keys_study (study=?)",
        "instances_study (study=?)",
    ],
    "instances.ripe": ["gatherings_due (due>? AND due<?)"],
    "instances.gathered": ["instances_study (study=?)", "instances_series (series=?)"],
    "worklist.story": ["SEARCH worklist_said USING PRIMARY KEY (worklist=? AND owner=?)"],
    "worklist.owners": ["SEARCH k USING PRIMARY KEY (worklist=? AND kind=? AND digest=?)"],
    "worklist.steps-by-day": ["worklist_steps_day (worklist=? AND day>? AND day<?)"],
    "worklist.steps-by-patient": ["worklist_steps_patient (worklist=?"],
    "worklist.steps-by-accession": ["worklist_steps_accession (worklist=?"],
    "worklist.steps-by-study": ["worklist_steps_study (worklist=?"],
    "worklist.owners-of-study": [
        "SEARCH worklist_steps USING INDEX worklist_steps_study (worklist=? AND study=?)"
    ],
    "worklist.fed": ["SEARCH d USING INTEGER PRIMARY KEY (rowid>?)"],
    "purge.candidates": ["SEARCH m USING INTEGER PRIMARY KEY (rowid>?)"],
    "ledger.positions": ["SEARCH messages"],
}
"""What the plan must contain, for each statement that many rows must not slow down."""


@pytest.fixture
def database(folder: Path) -> Iterator[apsw.Connection]:
    opened = connection.open_writer(folder / "store.db")
    yield opened
    opened.close()


@pytest.mark.parametrize("name", sorted(READS))
def test_a_statement_goes_along_its_index(database: apsw.Connection, name: str) -> None:
    plan = _plan(database, name)

    for step in READS[name]:
        assert any(step in line for line in plan), plan


@pytest.mark.parametrize("name", [name for name in READS if name.startswith(("queue", "settle", "accept"))])
def test_nothing_on_the_way_of_a_message_scans_or_sorts(database: apsw.Connection, name: str) -> None:
    plan = _plan(database, name)

    assert not any("SCAN d" in line or "SCAN p" in line or "TEMP B-TREE" in line for line in plan), plan


@pytest.mark.parametrize("file", FILES)
def test_every_statement_says_why_it_is_right(file: str) -> None:
    text = (FOLDER / f"{file}.sql").read_text(encoding="utf-8")

    for block in re.split(r"^-- name: ", text, flags=re.MULTILINE)[1:]:
        name, following = block.splitlines()[:2]
        assert following.startswith("-- "), f"{file}.sql: {name} has no comment"


@pytest.mark.parametrize("file", FILES)
def test_every_statement_can_be_prepared(database: apsw.Connection, file: str) -> None:
    for name in statements(file):
        assert _plan(database, f"{file}.{name}") is not None


def test_every_statement_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py"))

    for file in FILES:
        unused = [name for name in statements(file) if not _is_used(name, code)]
        assert unused == [], f"{file}.sql"


def test_a_statement_that_stands_twice_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "twice.sql").write_text("-- name: a\n-- why\nSELECT 1\n-- name: a\n-- why\nSELECT 2\n")
    monkeypatch.setattr("engine.store.sqlite.statements.files", lambda package: folder)

    with pytest.raises(ValueError, match="stands twice"):
        statements("twice")


def test_a_gap_between_migrations_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 3):
        (folder / f"000{number}_x.sql").write_text("SELECT 1")
    monkeypatch.setattr("engine.store.sqlite.statements.files", lambda package: folder)

    with pytest.raises(ValueError, match="without a gap"):
        migrations()


def _plan(database: apsw.Connection, name: str) -> list[str]:
    file, _, statement = name.partition(".")
    sql = statements(file)[statement]
    if sql.startswith("PRAGMA"):
        return []
    cursor = database.cursor()
    names = set(re.findall(r":([a-z_]+)", sql))
    bindings: Any = dict.fromkeys(names, 1) if names else (1,) * _count(sql)
    return [row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]


def _count(sql: str) -> int:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    return max(numbered) if numbered else sql.count("?")


def _is_used(name: str, code: str) -> bool:
    return f'"{name}"' in code or any(
        name.startswith(f"{prefix}-") and f'"{prefix}-{{' in code for prefix in ("messages", "deliveries")
    )
