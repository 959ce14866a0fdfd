"""The newest lines of the jobs whose page is open, as they are broadcast. No I/O, no Reflex."""

from collections import OrderedDict, deque
from datetime import datetime

from jobs_app.job.timeline.rows import Line, ends_step, line
from runlane.model.snapshot import JobEvent

TAIL_LINES = 200
# How many lines stay when the tabs are about to read what is older.
TAIL_KEPT = 50


class Tail:
    """The newest lines of a job, and how long the steps took that they ended."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=TAIL_LINES)
        self.ended: OrderedDict[str, float] = OrderedDict()

    def append(self, event: JobEvent, began: datetime | None, step: tuple[int, datetime] | None) -> None:
        """Add a line; ``step`` is the version and the start of the step that it may end."""
        self.lines.append(line(event, began))
        if step is not None and ends_step(event):
            self.ended[str(step[0])] = round((event.at - step[1]).total_seconds(), 3)
            while len(self.ended) > TAIL_LINES:
                self.ended.popitem(last=False)

    def shorten(self) -> None:
        while len(self.lines) > TAIL_KEPT:
            self.lines.popleft()
