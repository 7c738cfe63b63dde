"""Measure what the shipped mappers carry and write docs/reference/mapper-coverage.md.

    python -m bench.coverage [--corpus ../shared/corpus] [--out FILE]

Without the corpus the page holds the invented messages only.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.coverage.measured import beside_others, measured
from bench.coverage.messages import CORPUS
from bench.coverage.page import page
from bench.mappers import NAMES
from bench.wire import REPOSITORY
from engine.config.shipped import mapper_names
from engine.config.two_way import two_way
from engine.mapping.two_way import TwoWayMapper

PAGE = REPOSITORY / "docs" / "reference" / "mapper-coverage.md"


def main() -> None:
    """Read the command line, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    found = [two_way(REPOSITORY, name) for name in NAMES]
    mappers = [each for each in found if isinstance(each, TwoWayMapper)]
    tables = measured(mappers, given.corpus, lambda name: print(name, file=sys.stderr))
    pairs = beside_others(mappers, given.corpus) if given.corpus.is_dir() else {}
    shipped = [two_way(REPOSITORY, name) for name in mapper_names(REPOSITORY)]
    one_way = {each.name: [*each.definition.one_way()] for each in shipped if isinstance(each, TwoWayMapper)}
    given.out.write_text(page(tables, pairs, one_way), encoding="utf-8")


if __name__ == "__main__":
    main()
