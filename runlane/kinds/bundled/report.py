"""A report put together from sections: a demonstration of every sort of input that a form can have."""

from typing import Literal

from pydantic import Field

from runlane.define.kind import Kind, Params, Secret


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


KIND = Kind(
    name="report",
    title="Report",
    description="Writes a report section by section. Its form has every sort of input.",
    params=ReportParams,
    group="demo",
)
