"""What users write for a timer."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from channels.timer.instants import check_cron
from engine.config.models import Duration, Exposure, ListenerConfig, Reading, StrictModel, ZoneName

Cron = Annotated[
    str,
    Reading(
        "a cron expression",
        'write minute, hour, day, month and weekday: "0 * * * *" or "30 6 * * mon-fri"',
        (),
        check_cron,
        {"type": "string", "examples": ["0 * * * *"]},
    ),
]


class Timetable(StrictModel):
    """When to make a message: `cron` or `every`."""

    cron: Cron | None = None
    """Minute, hour, day, month and weekday, read in the zone. An hour that exists twice counts once, the first time;
    what falls into an hour that does not exist happens when that hour is over."""

    every: Duration | None = None
    """A period of at least a second, counted from the beginning of 1970 in UTC, so that restarts do not shift it."""

    zone: ZoneName | None = None
    """The zone in which `cron` is read and `at` is written; the listener's, else the engine's."""

    missed: Literal["run_once", "run_all", "skip"] = "run_once"
    """What becomes of instants that passed while the engine was down: one message for the latest, one for each (of
    the latest 100), or none for those more than a minute ago."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.cron is None) == (self.every is None):
            raise PydanticCustomError(
                "scalar", "{told}", {"told": "one of cron and every", "help": "write one of them"}
            )
        if self.every is not None and self.every < timedelta(seconds=1):
            told = {"told": "a timer runs at most once a second", "help": "write 1s or more"}
            raise PydanticCustomError("scalar", "{told}", told)
        return self


class TimerListener(ListenerConfig):
    """Make a message at the instants of a schedule: `{"at": local time with offset, "scheduled": the same in UTC}`."""

    type: ClassVar[str] = "timer"

    timer: Timetable
    """The schedule."""

    def exposure(self) -> Exposure | None:
        """A timer listens to nobody."""
        return None
