"""The durable store: one contract (`protocol`), one implementation per database, chosen by URL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from engine.clock import Clock
from engine.store.protocol import Store, StoreRefused

__all__ = ["Store", "StoreRefused", "open_store"]


def open_store(url: str, *, clock: Clock, must_exist: bool = False) -> AbstractAsyncContextManager[Store]:
    """Return a context that opens the store at `url` (`sqlite:var/passerelle.db`) and closes it.

    Raises, on entering:
        NotFound: it does not exist and `must_exist`.
        StoreLocked: another process holds it (exit code 75).
        StoreRefused: the URL is not known, or this place or file can hold no store.
        StoreFailed: the disk refuses a write or an fsync (exit code 74).
        StoreCorrupt: the database is damaged.
    """
    scheme, _, rest = url.partition(":")
    if scheme != "sqlite" or not rest:
        raise StoreRefused(f"{scheme}: no such store; write sqlite:PATH")
    from engine.store.sqlite.store import open_sqlite

    return open_sqlite(
        Path(rest.removeprefix("//") if rest.startswith("///") else rest), clock=clock, must_exist=must_exist
    )
