"""A clock that stands still where a test put it."""

from datetime import UTC, datetime, timedelta

NOW = datetime.now(UTC)


class FixedClock:
    """Shows the time of the test run plus `shift`; its waits return at once and are counted."""

    def __init__(self, shift: timedelta = timedelta(0)) -> None:
        self._now = NOW + shift
        self.waited: list[float] = []

    def now_ms(self) -> int:
        return int(self._now.timestamp() * 1000)

    def monotonic(self) -> float:
        return self._now.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
