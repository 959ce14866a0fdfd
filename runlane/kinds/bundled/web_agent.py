"""A browser agent at work, one action a step. The agent is simulated: no page is fetched."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class WebAgentParams(Params):
    start_url: str = Field("https://example.com", max_length=2000, description="The page the agent begins on.")
    goal: str = Field("", max_length=2000, description="What the agent should achieve, in your own words.")
    steps: int = Field(10, ge=1, le=100, description="How many actions the agent takes.")
    step_seconds: float = Field(1.0, ge=0, le=60, description="How long each action takes.")


KIND = Kind(
    name="web_agent",
    title="Web agent",
    description="Walks through a web page one action at a time. A simulation: nothing is fetched.",
    params=WebAgentParams,
    timeout_s=2 * 3600,
)
