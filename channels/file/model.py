"""What users write for a folder that is read from or written to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import field_validator

from engine.codecs.hl7v2.charsets import codecs_of
from engine.config.models import (
    Bool,
    Count,
    Duration,
    EndpointConfig,
    Exposure,
    FilePath,
    ListenerConfig,
    StrictModel,
    matching,
)

FileName = Annotated[
    str,
    matching(
        "a file name",
        'write it with {id}, for example "{kind}-{id}.json"',
        r"(?=.*\{id\})(?:[^/{}.]|\{(?:id|kind)\})(?:[^/{}]|\{(?:id|kind)\})*",
    ),
]


class FileListener(ListenerConfig):
    """Take the files of a folder, one message each; what was committed moves to `done`, what was refused to `bad`."""

    type: ClassVar[str] = "file"

    file: FilePath
    """The folder to read from."""

    match: Annotated[
        str, matching("a pattern", 'write "RDV_*.json"; * ? and [] as in a shell', r"[^/\0]+")
    ] = "*"
    """Which file names to take, as in a shell; case matters. Hidden files, `*.tmp` and `*.part` are never taken."""

    every: Duration = timedelta(seconds=1)
    """How often to look."""

    stable: Duration = timedelta(seconds=5)
    """How long size and modification time must stand still before a file counts as whole. `0s` where senders rename
    files into place."""

    order: Literal["name", "mtime"] = "name"
    """In which order files are taken: by name, or the one modified longest ago first."""

    in_flight: Count = 16
    """Most files handed in at once; `1` where no file may overtake one that has to be tried again."""

    done: FilePath = Path("done")
    """Where a file goes after its message was committed; relative to the folder, on the same file system."""

    bad: FilePath = Path("bad")
    """Where a refused file goes, with its reasons beside it in `NAME.reason.txt`; as `done`."""

    batch: Literal["split", "whole"] = "split"
    """HL7 v2: whether the messages of a batch file (FHS, BHS, MSH..., BTS, FTS, or several MSH) are handed in one by
    one, in order, or the file as one. A wrong count refuses the file before any of its messages is handed in; where
    messages of it are refused, the file goes to `bad`, and its good messages have been taken all the same."""

    charset: str = ""
    """HL7 v2: the character set of the files, where their MSH-18 is empty or wrong: `windows-1252`, `8859/1`."""

    create: Bool = True
    """Whether to make the folders at start where they are missing; `false` for a mounted share."""

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        if value and not codecs_of(value):
            raise ValueError("this is no character set of HL7 table 0211")
        return value

    def exposure(self) -> Exposure | None:
        """A folder is on this machine."""
        return None


class BatchConfig(StrictModel):
    """When messages that were collected become one batch file."""

    count: Count = 500
    """So many messages at most."""

    every: Duration = timedelta(hours=1)
    """So long after the first of them at the latest."""


class FileEndpoint(EndpointConfig):
    """Write each message as a file that appears whole, under a name of its own."""

    type: ClassVar[str] = "file"

    file: FilePath
    """The folder to write to."""

    name: FileName | None = None
    """File name with `{id}` (the message's id) and, if wanted, `{kind}`; `{id}` and the extension of the content
    type where it is not given. A destination's own `name` wins."""

    create: Bool = True
    """Whether to make the folder at start where it is missing; `false` for a mounted share."""

    batch: BatchConfig | None = None
    """HL7 v2: collect messages, durably, into one batch file (FHS, BHS, MSH..., BTS, FTS) named after its first."""

    def exposure(self) -> Exposure | None:
        """A folder is on this machine."""
        return None
