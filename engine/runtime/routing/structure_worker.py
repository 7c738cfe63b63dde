"""Judges one message with hl7apy in a process of its own: `python -m engine.runtime.routing.structure_worker`.

It reads the message as UTF-8 from standard input and writes JSON, `{"findings": [[severity, path, text], ...]}`, to
standard output. hl7apy's own words hold values of the message, so only what is known to hold none is passed on.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MEMORY_BYTES: Final = 1 << 30
_AT: Final = r"(?P<parent>\S+?)\.(?P<at>\w+)"
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_PART = re.compile(r"\w+?_(\d+)")
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})_(\d+)")
_RULES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(f"Missing required child {_AT}"), "is required and missing"),
    (re.compile(f"Child limit exceeded {_AT}"), "is there more often than allowed"),
    (re.compile(rf"Value .* not in table (?P<table>HL7\d+) in element {_AT}"), "is not in table {table}"),
    (re.compile(f"Datatype .* is not correct for {_AT}"), "is no field of this version, or of another type"),
    (
        re.compile(r"Invalid children detected for <Segment (?P<at>\w+)>"),
        "has fields that this version lacks",
    ),
    (re.compile(r"Invalid children detected for <Field (?P<at>\w+)"), "has components that its type lacks"),
    (re.compile(r"Invalid children detected for"), "has segments that its structure lacks"),
)
"""What hl7apy reports, and how it is told; `at` is the place."""


def findings(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield severity (`error`, `warning`), path and text of everything that hl7apy finds."""
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.exceptions import HL7apyException
    from hl7apy.parser import parse_message

    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        try:
            message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=True)
            message.validate(report_file=str(report))
        except HL7apyException as error:
            if not report.exists():
                yield "error", "MSH", f"cannot be judged by hl7apy: {type(error).__name__}"
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            yield (
                "error",
                "MSH",
                f"hl7apy fails on this message by a fault of its own: {type(error).__name__}",
            )
        lines = report.read_text("utf-8").split("\n") if report.exists() else []
    seen: dict[tuple[str, str, str], None] = {}
    for line in lines:
        severity, _, said = line.partition(": ")
        if severity in ("Error", "Warning"):
            seen[severity.lower(), *_told(said)] = None
    yield from seen


def _told(said: str) -> tuple[str, str]:
    """Return path and text of one line of hl7apy's report."""
    for pattern, text in _RULES:
        found = pattern.match(said)
        if found is not None:
            parts = found.groupdict()
            path = _path(parts.get("parent", ""), parts.get("at", ""))
            return path, text.format(table=parts.get("table", ""))
    return "MSH", "is against the standard in a way that hl7apy tells only with values"


def _path(parent: str, at: str) -> str:
    """Return `PID_3` as `PID-3`, `CX_4` of `PID_3` as `PID-3.4`; what no path leads to (a group, a type) as it is."""
    field = _FIELD.fullmatch(at)
    if field is not None:
        return f"{field[1]}-{field[2]}"
    above, part = _FIELD.fullmatch(parent), _PART.fullmatch(at)
    if above is not None and part is not None:
        return f"{above[1]}-{above[2]}.{part[1]}"
    if part is not None and not _SEGMENT.fullmatch(at):
        return f"{parent}.{at}".lstrip(".")
    return at or "MSH"


def main() -> int:
    """Judge what stands on standard input."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    text = sys.stdin.buffer.read().decode("utf-8")
    sys.stdout.write(json.dumps({"findings": list(findings(text))}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
