"""The kinds that there are, as every page that offers a choice of them has them. No I/O."""

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

from runlane.model.kind import Kind

# What a form begins with, if a worker has brought it.
FIRST_KIND = "web_agent"
# With more of them, a page has a field to type in instead of a menu.
MANY_KINDS = 30


class KindChoice(TypedDict):
    """A kind as it is offered."""

    name: str
    title: str


class KindGroup(TypedDict):
    """Kinds of one group, in order; the only group has no label."""

    label: str
    kinds: list[KindChoice]


def kind_groups(kinds: Iterable[Kind]) -> list[KindGroup]:
    """The kinds by their groups, in the order in which they come; of two with the same title, each has its name too."""
    known = list(kinds)
    titles = Counter(kind.title for kind in known)
    groups: dict[str, list[KindChoice]] = {}
    for kind in known:
        title = kind.title if titles[kind.title] == 1 else f"{kind.title} ({kind.name})"
        groups.setdefault(kind.group, []).append(KindChoice(name=kind.name, title=title))
    is_only = len(groups) < 2
    return [KindGroup(label="" if is_only else name.capitalize(), kinds=kinds) for name, kinds in groups.items()]


def first_kind(kinds: Iterable[Kind]) -> str:
    """The name of the kind that a form begins with; empty if there is none."""
    names = [kind.name for kind in kinds]
    return FIRST_KIND if FIRST_KIND in names else next(iter(names), "")
