"""The newest events, as every page of events shows them. Written by broadcast, and when a tab joins."""

import reflex as rx

from jobs_app.live.event_log import LogLine


class LiveEvents(rx.State):
    """The newest events, newest first."""

    lines: list[LogLine] = []
