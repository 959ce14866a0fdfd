"""Runlane: jobs as Python functions, a queue, and pages that show every step.

Every public name is here, and is imported when it is first used, so that a program that only submits jobs loads no
more than it needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runlane.define.context import Context as Context
    from runlane.define.context import Finished as Finished
    from runlane.define.context import ProcessFailed as ProcessFailed
    from runlane.define.context import SyncContext as SyncContext
    from runlane.define.job import Job as Job
    from runlane.define.job import job as job
    from runlane.define.params import Params as Params
    from runlane.define.params import Secret as Secret
    from runlane.define.refusal import DefinitionError as DefinitionError
    from runlane.define.resource import Resource as Resource
    from runlane.define.retry import GiveUp as GiveUp
    from runlane.model.limits import Rate as Rate

__version__ = "0.2.0"

_HOMES = {
    "runlane.define.context": ("Context", "Finished", "ProcessFailed", "SyncContext"),
    "runlane.define.job": ("Job", "job"),
    "runlane.define.params": ("Params", "Secret"),
    "runlane.define.refusal": ("DefinitionError",),
    "runlane.define.resource": ("Resource",),
    "runlane.define.retry": ("GiveUp",),
    "runlane.model.limits": ("Rate",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME_OF, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'runlane' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
