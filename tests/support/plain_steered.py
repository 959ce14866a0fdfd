"""A plain function that tests steer; apart from the others, for a worker that brings one starts processes for it."""

import os
import subprocess
from pathlib import Path

from runlane import SyncContext, job


@job(title="Plain", timeout=600, max_attempts=2)
def plain(ctx: SyncContext, path: str, spins: bool = False, fails: bool = False, pages: int = 2) -> dict[str, int]:
    """Adds up its pages in a process of its own; ``spins`` until it is killed; ``fails`` at its last page, once."""
    total = ctx.saved("total", 0)
    for page in ctx.steps(range(1, pages + 1), "Page {}"):
        print(f"at page {page}")
        if fails and ctx.attempt == 1 and page == pages:
            raise LookupError("no such page")
        total += page
        ctx.save(total=total)
    if spins:
        child = subprocess.Popen(["sleep", "600"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        while True:
            pass
    ctx.artifact("total.txt", str(total).encode(), "text/plain")
    return {"total": total, "pid": os.getpid()}
