"""ONE suite for every database: what a store must do, whatever holds its rows.

A test class for a database derives from `StoreContract` and gives `open`. The same class, over `Delayed`, `Failing` and
`Losing` (`tests.store.faulty`), shows that no decision rests on what was read before an await.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from engine.store.protocol import Store
from tests.store.contract_accept import AcceptContract
from tests.store.contract_archive import ArchiveContract
from tests.store.contract_instances import InstanceContract
from tests.store.contract_lanes import LaneContract
from tests.store.contract_operate import OperateContract
from tests.store.contract_overtaking import OvertakingContract
from tests.store.contract_several import SeveralContract
from tests.store.contract_state import StateContract
from tests.store.contract_worklists import WorklistContract


class StoreContract(
    AcceptContract,
    LaneContract,
    OvertakingContract,
    SeveralContract,
    OperateContract,
    ArchiveContract,
    InstanceContract,
    WorklistContract,
    StateContract,
    ABC,
):
    """All facets; `open` gives an empty store in a folder of its own."""

    @abstractmethod
    def open(self, folder: Path) -> AbstractAsyncContextManager[Store]:
        """Open an empty store, and close it on the way out."""

    @pytest.fixture
    async def store(self, folder: Path) -> AsyncIterator[Store]:
        async with self.open(folder) as store:
            yield store
