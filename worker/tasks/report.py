"""A report put together from sections: a demonstration of every sort of input that a form can have."""

import asyncio
from typing import Literal

from pydantic import Field

from runlane import Context, Params, Secret, job

ENDINGS = {"text": ("txt", "text/plain"), "markdown": ("md", "text/markdown"), "csv": ("csv", "text/csv")}


class Source(Params):
    url: str = Field("https://example.com/figures", max_length=2000, description="Where the figures would come from.")
    api_key: Secret = Field("", max_length=200, description="Shown nowhere. Nothing is fetched, so any will do.")


class ReportParams(Params):
    title: str = Field("Weekly report", min_length=1, max_length=200)
    format: Literal["text", "markdown", "csv"] = Field("markdown", description="What the report is written as.")
    sections: list[str] = Field(["Summary", "Figures", "Outlook"], min_length=1, max_length=50)
    source: Source = Source()
    attach: bool = Field(True, description="Attach the report as a file.")
    options: dict[str, int] = Field({}, description="Anything else, as JSON.")


@job(title="Report", group="demo", summary="{title}")
async def report(ctx: Context, params: ReportParams) -> dict[str, object]:
    """Writes a report of made-up figures, one section a step. Its form has every sort of input."""
    lines = [params.title, ""]
    for number, section in enumerate(params.sections, start=1):
        await ctx.step(f"Writing {section}", number - 1, len(params.sections))
        lines.append(f"{number}. {section}: {number * 42}")
        await asyncio.sleep(0.2)
    if params.attach:
        ending, media_type = ENDINGS[params.format]
        await ctx.artifact(f"report.{ending}", "\n".join(lines).encode(), media_type)
    return {"title": params.title, "sections": len(params.sections), "source": params.source.url}
