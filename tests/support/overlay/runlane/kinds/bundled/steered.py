"""Does what a test writes into a file, line by line, when it is written; runs until the file ends it."""

from runlane.define.kind import Kind, Params


class SteeredParams(Params):
    """``path`` is the file. Its lines: ``step <text>``, ``fail <text>`` and ``end``."""

    path: str


KIND = Kind(name="steered", title="Steered", description="", params=SteeredParams)
