"""What people may be alerted about: a condition, its threshold, and where to send it as well."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

RATE_OVER = timedelta(minutes=15)
# how far back the samples of an evaluation go
SAMPLES_OVER = timedelta(days=1)
MAX_THRESHOLD = 1e12
# above these a condition can never hold
MAX_THRESHOLDS: dict[str, float] = {
    "failure_rate": 100.0,
    "queue_growing": SAMPLES_OVER / timedelta(minutes=1) - 1,
}
MAX_URL = 2000
WHERE_TO = (
    "where to send it as well: an http:// or https:// address gets signed JSON, any other is an address of apprise, "
    "such as mailto://, slack://, workflows:// (Teams) or tgram://; empty: only on the pages"
)
# how an address begins: http and https for signed webhooks, all others for services
ADDRESS = r"^[A-Za-z0-9]+://[^\s]"

Condition = Literal["wait", "failure_rate", "lost_worker", "no_worker", "silent_job", "queue_growing", "storage"]
# what a condition means, with a gap for its threshold
MEANING: dict[str, str] = {
    "wait": "a job has waited longer than {} seconds",
    "failure_rate": f"more than {{}} percent of the jobs of the last {RATE_OVER // timedelta(minutes=1)} min failed",
    "lost_worker": "a worker has been silent for longer than {} seconds",
    "no_worker": "jobs have waited longer than {} seconds, and no worker takes any",
    "silent_job": "a running job has reported nothing for longer than {} seconds",
    "queue_growing": "the queue has grown for {} minutes while slots are free",
    "storage": "the database is larger than {} megabytes",
}


def _rule_schema(schema: dict[str, Any]) -> None:
    """What the types do not show: thresholds that never hold, and how an address begins."""
    schema["properties"]["webhook_url"]["pattern"] = f"^$|{ADDRESS}"
    schema["allOf"] = [
        {
            "if": {"properties": {"condition": {"const": condition}}, "required": ["condition"]},
            "then": {"properties": {"threshold": {"maximum": largest}}},
        }
        for condition, largest in MAX_THRESHOLDS.items()
    ]


class RuleDraft(BaseModel):
    """A rule as somebody requests it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_rule_schema)

    name: str = Field(min_length=1, max_length=200)
    condition: Condition
    threshold: float = Field(gt=0, le=MAX_THRESHOLD, allow_inf_nan=False, description="see each condition")
    kind: str = Field("", max_length=200, description="for failure_rate and silent_job: only jobs of this kind")
    webhook_url: str = Field("", max_length=MAX_URL, description=WHERE_TO)
    paused: bool = False


class RulePatch(BaseModel):
    """A change of a rule; what is not named stays."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_rule_schema)

    name: str = Field("", min_length=1, max_length=200)
    condition: Condition = "wait"
    threshold: float = Field(1.0, gt=0, le=MAX_THRESHOLD, allow_inf_nan=False)
    kind: str = Field("", max_length=200)
    webhook_url: str = Field("", max_length=MAX_URL, description=WHERE_TO)
    paused: bool = False
    version: int | None = Field(None, ge=1, description="the version that is changed; refused if there is a newer one")
