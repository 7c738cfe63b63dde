"""Fixtures of the campaigns: one nursery for the whole run, whose forks are the engines that are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.forking import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process that imported the product once; every engine is a fork of it."""
    found = Forks()
    try:
        yield found
    finally:
        found.close()
