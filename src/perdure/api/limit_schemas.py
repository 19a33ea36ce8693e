"""Limits as they are set and shown."""

from dataclasses import asdict
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from perdure.api.schemas import Reason, RequestBody
from perdure.limits.model import BudgetState, LimitChange
from perdure.limits.rules import AT_ONCE_MAX, PER_SECOND_MAX
from perdure.limits.store import LimitStatus


class LimitBody(RequestBody):
    """A limit, whole; what is left out is not limited."""

    per_second: float | None = Field(
        default=None,
        description="How many calls begin a second, over the whole fleet.",
        examples=[50.0],
        json_schema_extra={"exclusiveMinimum": 0, "maximum": PER_SECOND_MAX},
    )
    at_once: int | None = Field(
        default=None,
        description="How many calls are under way at once, over the whole fleet.",
        json_schema_extra={"minimum": 1, "maximum": AT_ONCE_MAX},
    )
    reason: Reason


class LimitView(BaseModel):
    """A provider's limit, whether it is called now, and how it answers."""

    object: Literal["limit"] = "limit"
    provider: str
    per_second: float | None = Field(
        description="How many calls begin a second, over the whole fleet; null: any number."
    )
    at_once: int | None = Field(
        description="How many are under way at once, over the whole fleet; null: any number."
    )
    state: BudgetState = Field(
        description="`open`: it is called; `paused`: it asked to wait; `broken`: it failed too"
        " often; `probed`: one call finds out whether it is back."
    )
    calls: int | None = Field(
        description="How many calls were begun since the limit was first set; null without one."
    )
    wanted: int = Field(description="How many are under way, or wait for the limit in a process.")
    failing_share: float | None = Field(
        description="How many of the latest calls it did not answer, of 1; null: none lately."
    )
    failing_since: datetime | None = Field(
        description="Since when it answers nobody who asks for some one thing; null: it does."
    )
    called_again_at: datetime | None = Field(
        description="Until when it is not called, where it asked to wait or failed too often."
    )

    @classmethod
    def of(cls, status: LimitStatus) -> "LimitView":
        """Show one."""
        return cls(
            **asdict(status.limit),
            state=status.state,
            calls=status.calls,
            wanted=status.wanted,
            failing_share=status.standing.failing_share,
            failing_since=status.standing.failing_since,
            called_again_at=status.standing.until,
        )


class LimitFigures(BaseModel):
    """What a limit said."""

    per_second: float | None = Field(description="How many calls begin a second; null: any number.")
    at_once: int | None = Field(description="How many are under way at once; null: any number.")


class LimitChangeView(BaseModel):
    """Who changed a limit, when and why; null where there was none, or is none any more."""

    object: Literal["limit_change"] = "limit_change"
    provider: str
    at: datetime
    actor: str
    reason: str
    before: LimitFigures | None
    after: LimitFigures | None

    @classmethod
    def of(cls, change: LimitChange) -> "LimitChangeView":
        """Show one."""
        return cls.model_validate(asdict(change))
