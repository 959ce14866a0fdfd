"""Read what people type into the forms of admin pages."""


def whole(text: str) -> int | str:
    """The whole number that a field of a form holds; what it holds, if that is none."""
    return int(text) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 12 else text
