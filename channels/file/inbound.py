"""Takes the files of a folder and puts each away after its message, or all messages of a batch, were committed.

A crash between the commit and the rename shows the file again: its control id, name and SHA-256, meets the
duplicate check, and the file is put away without a second message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NoReturn

import anyio
from anyio.abc import TaskStatus

from channels._folder import aside, consequence
from channels.file.handling import Away, NotWhole, other_name, put_away, read_whole
from channels.file.model import FileListener
from channels.file.pieces import Piece, pieces_of
from channels.file.watch import Found, Watch
from engine.errors import CommitUnknown, Rejected, Transient
from engine.model import Disposition, Fault, Message, Peer, Verdict
from engine.spi import ChannelContext, Inbound, Intake

_LONGEST_PAUSE = 30.0
_UNREADABLE_FOR = 60.0


class Reasons:
    """The exchange of a file: its reply is the text that is put beside a refused one."""

    def reply(self, verdict: Verdict) -> bytes:
        lines = [f"{verdict.disposition.word}, message {verdict.message_id}"]
        lines += [f"{fault.path or '(document)'}: {fault.text}" for fault in verdict.faults]
        return ("\n".join(lines) + "\n").encode()


@dataclass(slots=True)
class _Round:
    """What one handful of files came to; `error` is why the rest must wait."""

    moves: list[Away]
    error: Transient | CommitUnknown | None = None


class FileInbound(Inbound):
    """Serves one folder. Files are handed in by up to `in_flight` at a time, in order."""

    config: FileListener

    def __init__(self, config: FileListener, context: ChannelContext) -> None:
        super().__init__(config, context)
        self._folder = context.folder / config.file
        self._done = self._folder / config.done
        self._bad = self._folder / config.bad
        self._watch = Watch(
            self._folder,
            config.match,
            by_time=config.order == "mtime",
            stable=config.stable.total_seconds(),
        )
        self._stopping = False
        self._pausing = anyio.CancelScope()
        self._ended: anyio.Event | None = None

    async def serve(self, intake: Intake, *, task_status: TaskStatus[str]) -> None:
        """Poll until stopped; Transient when the folder cannot be read or written, so that serving starts again."""
        ended = self._ended = anyio.Event()
        try:
            await self._on_disk(self._prepare)
            task_status.started(str(self._folder))
            failures = 0
            while not self._stopping:
                taken, error = await self._look(intake)
                failures = failures + 1 if error is not None else 0
                if error is not None or not taken:
                    await self._pause(self._delay(failures, error))
        finally:
            ended.set()

    async def stop(self) -> None:
        self._stopping = True
        self._pausing.cancel()
        if self._ended is not None:
            await self._ended.wait()

    # ----------------------------------------------------------------- one round

    async def _look(self, intake: Intake) -> tuple[int, Transient | CommitUnknown | None]:
        """Take what is whole, by handfuls; return how many were taken and why it ended early."""
        try:
            found = await aside(self._watch.scan)
        except OSError as error:
            self._fail(error, "read")
        whole = self._watch.whole(found, self.context.clock.monotonic())
        taken = 0
        for start in range(0, len(whole), self.config.in_flight):
            if self._stopping:
                break
            handful = await self._take(intake, whole[start : start + self.config.in_flight])
            taken += len(handful.moves)
            if handful.error is not None:
                return taken, handful.error
        return taken, None

    async def _take(self, intake: Intake, handful: Sequence[Found]) -> _Round:
        result = _Round([])
        with ExitStack() as shares:
            admitted = self._admit(intake, handful, shares, result)
            read = await aside(lambda: self._read(admitted))
            async with anyio.create_task_group() as group:
                for found, content in read:
                    group.start_soon(self._hand_in, intake, found, content, result)
            await self._on_disk(lambda: put_away(self._folder, result.moves))
        return result

    def _admit(
        self, intake: Intake, handful: Sequence[Found], shares: ExitStack, result: _Round
    ) -> list[Found]:
        admitted = []
        for found in handful:
            size = found.signature.size
            try:
                if size > self.config.limits.body:
                    text = f"{size} bytes are more than the {self.config.limits.body} allowed"
                    raise Rejected(text, faults=[Fault("", text, "too_large")])
                shares.enter_context(intake.admit(self.config.partner, size))
                admitted.append(found)
            except Rejected as error:
                self._refuse(found, error, result)
            except Transient as error:
                result.error = error
                break
        return admitted

    def _refuse(self, found: Found, error: Rejected, result: _Round) -> None:
        message_id = self.context.new_id()
        faults = error.faults or (Fault("", str(error), error.code),)
        reason = Reasons().reply(Verdict(Disposition.REFUSED, message_id, faults))
        result.moves.append(Away(found, self._bad, other_name(found.name, message_id), reason))
        self._note("refused_unread", "a file was refused before its content was handed in")

    def _read(self, admitted: Sequence[Found]) -> list[tuple[Found, bytes | OSError | NotWhole]]:
        read: list[tuple[Found, bytes | OSError | NotWhole]] = []
        for found in admitted:
            try:
                read.append((found, read_whole(self._folder, found)))
            except (OSError, NotWhole) as error:
                read.append((found, error))
        return read

    async def _hand_in(
        self, intake: Intake, found: Found, content: bytes | OSError | NotWhole, result: _Round
    ) -> None:
        if isinstance(content, NotWhole):
            self._watch.forget(found)
            return
        if isinstance(content, OSError):
            self._watch.set_aside(found.name, self.context.clock.monotonic() + _UNREADABLE_FOR)
            self._note(
                "unreadable", "a file cannot be read, and is left alone for a minute", code=content.errno
            )
            return
        try:
            pieces = pieces_of(found.name, content, self.config, zone=self.context.zone)
        except Rejected as error:
            self._refuse(found, error, result)
            return
        reasons: list[bytes] = []
        first = ""
        for number, piece in enumerate(pieces, start=1):
            message = self._message(piece)
            first = first or message.id
            try:
                receipt = await intake(message, Reasons())
            except (Transient, CommitUnknown) as error:
                result.error = (
                    error  # the whole file comes again; what was taken of it meets the duplicate check
                )
                return
            if receipt.disposition is Disposition.REFUSED:
                place = f"message {number} of {len(pieces)}: ".encode() if len(pieces) > 1 else b""
                reasons.append(place + receipt.reply)
        other = other_name(found.name, first or self.context.new_id())
        folder, reason = (self._bad, b"".join(reasons)) if reasons else (self._done, None)
        result.moves.append(Away(found, folder, other, reason))

    def _message(self, piece: Piece) -> Message:
        return Message(
            id=self.context.new_id(),
            listener=self.context.name,
            body=piece.body,
            codec=piece.codec,
            received_ms=self.context.clock.now_ms(),
            partner=self.config.partner,
            control_id=piece.control_id,
            peer=Peer(str(self._folder)),
            content_type=piece.content_type,
            meta=piece.meta,
        )

    # ----------------------------------------------------------------- the folder

    def _prepare(self) -> None:
        if self.config.create:
            for folder in (self._folder, self._done, self._bad):
                os.makedirs(folder, exist_ok=True)
        device = os.stat(self._folder).st_dev
        for folder in (self._done, self._bad):
            if os.stat(folder).st_dev != device:
                raise Transient(
                    f"{folder} is on another file system than {self._folder}: a file cannot be moved there whole",
                    code="other_disk",
                )

    async def _on_disk(self, work: Callable[[], None]) -> None:
        try:
            await aside(work)
        except OSError as error:
            self._fail(error, "move files in")

    def _fail(self, error: OSError, doing: str) -> NoReturn:
        cause = consequence(error, self._folder, doing=doing)
        raise Transient(str(cause), code=getattr(cause, "code", "io")) from error

    def _note(self, event: str, text: str, *, code: int | None = None) -> None:
        """Log and count without the file's name: it may bear a person's."""
        self.context.counters.count("channel_events", channel=self.context.name, event=event)
        extra = {"action": f"file_{event}", "listener": self.context.name, "code": code}
        self.context.logger.warning("%s: look into the folder %s", text, self._folder, extra=extra)

    def _delay(self, failures: int, error: Transient | CommitUnknown | None) -> float:
        if isinstance(error, Transient) and error.retry_after is not None:
            return error.retry_after
        return min(_LONGEST_PAUSE, self.config.every.total_seconds() * float(2 ** min(failures, 16)))

    async def _pause(self, seconds: float) -> None:
        with anyio.CancelScope() as self._pausing:
            if not self._stopping:
                await self.context.clock.sleep(seconds)
