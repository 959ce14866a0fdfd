"""Runlane: jobs as Python functions, a queue, and pages that show every step.

Every public name is here, and is imported when it is first used, so that a program that only submits jobs loads no
more than it needs.
"""

import importlib
from typing import TYPE_CHECKING, Any

from runlane.version import __version__

if TYPE_CHECKING:
    from runlane.client.client import Client as Client
    from runlane.client.errors import Incompatible as Incompatible
    from runlane.client.errors import JobCancelled as JobCancelled
    from runlane.client.errors import JobFailed as JobFailed
    from runlane.client.errors import NotFound as NotFound
    from runlane.client.errors import NotRunlane as NotRunlane
    from runlane.client.errors import Refused as Refused
    from runlane.client.errors import RunlaneError as RunlaneError
    from runlane.client.errors import ServerFailed as ServerFailed
    from runlane.client.errors import Unauthorized as Unauthorized
    from runlane.client.errors import Unreachable as Unreachable
    from runlane.client.errors import WrongResult as WrongResult
    from runlane.client.run import Run as Run
    from runlane.client.sync import SyncClient as SyncClient
    from runlane.client.sync import SyncRun as SyncRun
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

_HOMES = {
    "runlane.client.client": ("Client",),
    "runlane.client.errors": (
        "Incompatible",
        "JobCancelled",
        "JobFailed",
        "NotFound",
        "NotRunlane",
        "Refused",
        "RunlaneError",
        "ServerFailed",
        "Unauthorized",
        "Unreachable",
        "WrongResult",
    ),
    "runlane.client.run": ("Run",),
    "runlane.client.sync": ("SyncClient", "SyncRun"),
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
