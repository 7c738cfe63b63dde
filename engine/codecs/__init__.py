"""Bytes <-> documents: one module or package per content type, found by its name, none knowing another."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import cast

from engine.errors import NotFound
from engine.model import Body
from engine.spi import Codec, Document, LargeCodec


@cache
def codec_names() -> tuple[str, ...]:
    """Return the names of all codecs, sorted, without importing them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def codec(name: str) -> Codec:
    """Import and return the codec `name` (`json`, `text`, ...); NotFound when there is none.

    A codec is stateless: everyone shares the one instance that its module offers as `CODEC`.
    """
    if name not in codec_names():
        raise NotFound(f"no codec {name!r}; there are {', '.join(codec_names())}")
    return cast(Codec, importlib.import_module(f"engine.codecs.{name}").CODEC)


def written(document: Document, content_type: str) -> Body:
    """Return a document as its codec writes it; a large one as what the store puts together (`LargeCodec`).

    Raises:
        Rejected: it cannot be written.
    """
    found = codec(document.codec)
    if hasattr(found, "body"):
        return cast(LargeCodec, found).body(document, content_type)
    return Body.of(found.encode(document), content_type)
