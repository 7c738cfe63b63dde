"""A stored body as it leaves: piece by piece, so that no instance is ever in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from functools import partial
from typing import Final

import anyio.to_thread

from engine.errors import Transient
from engine.model import Body

_PIECE: Final = 256 * 1024


async def pieces_of(body: Body, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
    """Give the bytes of a body from `start` to `stop` (its end where None), at most 256 KiB at a time.

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
    try:
        file = await anyio.to_thread.run_sync(partial(os.open, body.path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise Transient("the stored instance cannot be read", code="body") from error
    try:
        while start < stop:
            piece = await anyio.to_thread.run_sync(os.pread, file, min(_PIECE, stop - start), start)
            if not piece:
                raise Transient("the stored instance is shorter than it was", code="body")
            start += len(piece)
            yield piece
    except OSError as error:
        raise Transient("the stored instance cannot be read", code="body") from error
    finally:
        os.close(file)
