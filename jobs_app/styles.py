"""The design language: one colour a status, spacing, and the few rules that components share.

Colours are Radix scales, so that light and dark follow by themselves. Nothing here holds state.
"""

from jobs.models import JobStatus

STATUS_COLOR: dict[str, str] = {
    JobStatus.SCHEDULED: "purple",
    JobStatus.QUEUED: "gray",
    JobStatus.RUNNING: "blue",
    JobStatus.COMPLETED: "grass",
    JobStatus.FAILED: "tomato",
    JobStatus.CANCELLED: "amber",
}
STATUS_LABEL: dict[str, str] = {status: status.capitalize() for status in JobStatus}
STATUS_ICON: dict[str, str] = {
    JobStatus.SCHEDULED: "calendar-clock",
    JobStatus.QUEUED: "hourglass",
    JobStatus.RUNNING: "loader",
    JobStatus.COMPLETED: "check",
    JobStatus.FAILED: "triangle-alert",
    JobStatus.CANCELLED: "ban",
}

PAGE_WIDTH = "1400px"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
TABULAR = {"font_variant_numeric": "tabular-nums"}
ONE_LINE = {"overflow": "hidden", "text_overflow": "ellipsis", "white_space": "nowrap", "min_width": "0"}
CARD = {
    "background": "var(--color-panel-solid)",
    "border": "1px solid var(--gray-a4)",
    "border_radius": "var(--radius-4)",
}
MONO_BLOCK = {
    "font_family": MONO,
    "font_size": "12.5px",
    "line_height": "1.55",
    "white_space": "pre-wrap",
    "overflow_wrap": "anywhere",
    "background": "var(--gray-a2)",
    "border_radius": "var(--radius-3)",
    "padding": "12px",
    "max_height": "420px",
    "overflow": "auto",
}

APP_STYLE = {
    "body": {"background": "var(--gray-2)"},
    "a:focus-visible, button:focus-visible, input:focus-visible": {
        "outline": "2px solid var(--accent-8)",
        "outline_offset": "2px",
    },
    ".only-read": {
        "position": "absolute",
        "width": "1px",
        "height": "1px",
        "overflow": "hidden",
        "clip_path": "inset(50%)",
        "white_space": "nowrap",
    },
    "button.plain": {
        "all": "unset",
        "cursor": "pointer",
        "display": "inline-flex",
        "align_items": "center",
        "gap": "4px",
    },
    "@media (prefers-reduced-motion: reduce)": {
        "*": {"animation": "none !important", "transition": "none !important"},
    },
}
