"""A stored body as it leaves: piece by piece, so that no instance is ever in memory as a whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio.to_thread

from engine.errors import Transient
from engine.model import Body, Extent


async def pieces_of(body: Body, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
    """Give the bytes of a body from `start` to `stop` (its end where None), read in threads as `Extent.chunks` reads.

    Raises:
        Transient: the file is gone or shorter than it was.
    """
    stop = body.size if stop is None else stop
    if body.data is not None:
        if stop > start:
            yield body.data[start:stop]
        return
    if body.path is None:
        raise Transient("the store does not hold the instance any more", code="body")
    chunks = Extent(body.path, start, stop - start).chunks()
    try:
        while piece := await anyio.to_thread.run_sync(next, chunks, b""):
            yield piece
    except OSError as error:
        raise Transient(
            "the stored instance cannot be read, or is shorter than it was", code="body"
        ) from error
    finally:
        chunks.close()
