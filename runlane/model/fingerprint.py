"""Which failures are the same: by the type of the error, its message without what varies, and where it was raised."""

import hashlib
import re

from runlane.model.snapshot import JobError
from runlane.model.tracebacks import top_frame

# Hexadecimal digits: 48 bits, plenty for the causes that one system has.
LENGTH = 12
COMPARED_CHARS = 300

# What differs between two messages of one cause: ids, quoted texts, numbers, white space.
_VARIES = (
    (re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"), "<id>"),
    (re.compile(r"\b(?:0x)?(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{8,}\b"), "<id>"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "<text>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
    (re.compile(r"\s+"), " "),
)


def normalised(message: str) -> str:
    """The message with what varies replaced by placeholders."""
    text = message[: 4 * COMPARED_CHARS]
    for pattern, placeholder in _VARIES:
        text = pattern.sub(placeholder, text)
    return text.strip()[:COMPARED_CHARS]


def fingerprint(error: JobError) -> str:
    """The fingerprint that failures with one cause share, within a kind."""
    parts = (error.type, normalised(error.message), top_frame(error.traceback))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:LENGTH]
