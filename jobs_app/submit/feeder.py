"""Has the forms that start a job follow the kinds that workers bring, on every page that has such a form."""

from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder
from jobs_app.runtime import Runtime
from jobs_app.submit.state import StartForm

WITH_FORM = (rooms.DASHBOARD, rooms.JOB)


class FormFeeder(Feeder):
    """Has each tab's form read its kind again."""

    def __init__(self, live: Broadcaster) -> None:
        self._live = live

    async def change_kinds(self) -> None:
        for room in self._live.rooms.open():
            if rooms.kind_of(room) in WITH_FORM:
                await self._live.deltas.handle(room, StartForm.follow)


def register(live: Broadcaster, active: Runtime) -> None:
    """Have the forms follow the kinds."""
    live.add(FormFeeder(live))
