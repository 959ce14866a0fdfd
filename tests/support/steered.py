"""Jobs of the kind ``steered``: they run, and take a step, when a test writes it. See ``steered_jobs``."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Script:
    """What a steered job reads; it is given the path as its parameter."""

    path: Path

    @property
    def params(self) -> dict[str, str]:
        self.path.touch()
        return {"path": str(self.path)}

    def step(self, message: str) -> None:
        self._write(f"step {message}")

    def fail(self, message: str) -> None:
        self._write(f"fail {message}")

    def end(self) -> None:
        self._write("end")

    def _write(self, line: str) -> None:
        with self.path.open("a") as script:
            script.write(f"{line}\n")
