"""Write what the Basic Application Level Confidentiality Profile does with each attribute, from a table of facts.

    .venv/bin/python -m tests.codecs.dicom.make_profile confidentiality_profile_attributes.json 2024b

The input is table E.1-1 of DICOM PS3.15 as JSON, as innolitics/dicom-standard (MIT licence) extracts it from the
standard's own pages: `standard/confidentiality_profile_attributes.json`, whose history names the edition. One line per
attribute: tag, action of the profile, then the action of each option that has one. Texts of the standard are not taken.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[3] / "engine" / "codecs" / "dicom" / "confidentiality.tsv"
OPTIONS = {
    "rtnUIDsOpt": "retain_uids",
    "rtnDevIdOpt": "retain_device_identity",
    "rtnInstIdOpt": "retain_institution_identity",
    "rtnPatCharsOpt": "retain_patient_characteristics",
    "rtnLongFullDatesOpt": "retain_full_dates",
    "rtnLongModifDatesOpt": "retain_modified_dates",
    "cleanDescOpt": "clean_descriptors",
    "cleanStructContOpt": "clean_structured_content",
}
"""Columns of the table, and the options as a route says them; graphics are always removed, since nobody cleans them."""
HEAD = """\
; DICOM PS3.15 {edition}, table E.1-1: what the Basic Application Level Confidentiality Profile and its options do.
; Made by tests/codecs/dicom/make_profile.py. X remove, Z empty, D dummy, U other UID, K keep, C clean (PS3.15 E.1.1).
"""


def lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line per attribute, by tag; private attributes are no line, since they are all alike."""
    for row in sorted(rows, key=lambda each: str(each["tag"]).upper()):
        tag = str(row["tag"]).strip("()").replace(",", "").upper()
        if len(tag) == 8:
            options = [f"{OPTIONS[name]}={row[name]}" for name in OPTIONS if name in row]
            yield "\t".join([tag, str(row["basicProfile"]).rstrip("*"), *options])


def main(source: str, edition: str) -> None:
    """Write the table."""
    rows = json.loads(Path(source).read_text("utf-8"))
    TARGET.write_text(HEAD.format(edition=edition) + "\n".join(lines(rows)) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
