"""Writes a report of made-up figures, one section a step."""

import asyncio

from runlane.engine.progress import Progress
from runlane.kinds.bundled.report import ReportParams

ENDINGS = {"text": ("txt", "text/plain"), "markdown": ("md", "text/markdown"), "csv": ("csv", "text/csv")}


async def run(params: ReportParams, job: Progress) -> dict[str, object]:
    lines = [params.title, ""]
    for number, section in enumerate(params.sections, start=1):
        await job.step(f"Writing {section}", number - 1, len(params.sections))
        lines.append(f"{number}. {section}: {number * 42}")
        await asyncio.sleep(0.2)
    if params.attach:
        ending, media_type = ENDINGS[params.format]
        await job.artifact(f"report.{ending}", "\n".join(lines).encode(), media_type)
    return {"title": params.title, "sections": len(params.sections), "source": params.source.url}
