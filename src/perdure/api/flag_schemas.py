"""Flags as they are set and shown."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, create_model

from perdure.api.schemas import (
    PAGE_LIMIT_MAX,
    CustomerId,
    Number,
    PageQuery,
    Reason,
    RequestBody,
    Text,
)
from perdure.capability.engine_flags import flag_attributes
from perdure.flags.model import PERCENT_ALL, Flag, FlagChange, Rule
from perdure.flags.rules import RULES_MAX, VALUES_MAX, VARIANTS_MAX

_ATTRIBUTES: Final = flag_attributes().all
"""What rules may name, of the kinds that are installed: fields of theirs."""

_Values = Annotated[list[Text], Field(max_length=VALUES_MAX)]


class _RuleBody(RequestBody):
    """Gives a variant to what all its conditions hold for."""

    variant: Text = Field(description="What it gives.")
    kinds: _Values = Field(default=[], description="Kinds of operation; empty: any.")
    customers: Annotated[list[CustomerId], Field(max_length=VALUES_MAX)] = Field(
        default=[], description="Customers' ids; empty: any."
    )
    percent: int = Field(
        default=PERCENT_ALL,
        description="How many of a hundred customers. Who is in stays in when it grows.",
        json_schema_extra={"minimum": 0, "maximum": PERCENT_ALL},
    )

    def to_rule(self) -> Rule:
        """Return the rule."""
        return Rule(
            self.variant,
            tuple(self.kinds),
            {name: tuple(found) for name in _ATTRIBUTES if (found := getattr(self, name))},
            tuple(self.customers),
            self.percent,
        )


def _named(of: Any, **default: Any) -> dict[str, Any]:
    """Return the attributes' fields, each of this type."""
    return {
        name: (of, Field(description=f"{one.help}; empty: any, and none.", **default))
        for name, one in _ATTRIBUTES.items()
    }


if TYPE_CHECKING:
    RuleBody = _RuleBody
else:
    RuleBody = create_model(
        "RuleBody", __base__=_RuleBody, __doc__=_RuleBody.__doc__, **_named(_Values, default=[])
    )


class FlagBody(RequestBody):
    """A flag, whole."""

    variants: Annotated[list[Text], Field(max_length=VARIANTS_MAX)] = Field(
        description="All that it can give.", examples=[["legacy", "perdure"]]
    )
    default_variant: Text = Field(
        description="Where no rule gives one, and while it is off.", examples=["perdure"]
    )
    rules: Annotated[list[RuleBody], Field(max_length=RULES_MAX)] = Field(
        default=[], description="The first whose conditions hold counts."
    )
    enabled: bool = True
    version: Number = Field(
        description="The one it was read at: a change made meanwhile is not overwritten. 0: new."
    )
    reason: Reason

    def to_flag(self, key: str) -> Flag:
        """Return the flag."""
        return Flag(
            key=key,
            variants=tuple(self.variants),
            default_variant=self.default_variant,
            rules=tuple(rule.to_rule() for rule in self.rules),
            enabled=self.enabled,
            version=self.version,
        )


class _RuleView(BaseModel):
    """A rule of a flag."""

    variant: str = Field(description="What it gives.")
    kinds: list[str] = Field(description="Kinds of operation; empty: any.")
    customers: list[str] = Field(description="Customers' ids; empty: any.")
    percent: int = Field(description="How many of a hundred customers.")


if TYPE_CHECKING:
    RuleView = _RuleView
else:
    RuleView = create_model(
        "RuleView", __base__=_RuleView, __doc__=_RuleView.__doc__, **_named(list[str])
    )


class FlagView(BaseModel):
    """A flag."""

    object: Literal["flag"] = "flag"
    key: str
    enabled: bool
    variants: list[str] = Field(description="All that it can give.")
    default_variant: str = Field(description="Where no rule gives one, and while it is off.")
    rules: list[RuleView] = Field(description="The first whose conditions hold counts.")
    version: int

    @classmethod
    def of(cls, flag: Flag) -> "FlagView":
        """Show one."""
        content = flag.content
        rules = [{name: [] for name in _ATTRIBUTES} | rule for rule in content["rules"]]
        return cls(key=flag.key, version=flag.version, **content | {"rules": rules})


class FlagChangesQuery(PageQuery):
    """Which changes of a flag."""

    starting_after: Annotated[Number, Field(ge=1)] | None = Field(  # type: ignore[assignment]
        default=None, description="The last version of the page before: answers older ones."
    )
    limit: int = Field(default=10, ge=1, le=PAGE_LIMIT_MAX)


class FlagChangeView(BaseModel):
    """Who changed a flag, when and why."""

    object: Literal["flag_change"] = "flag_change"
    key: str
    version: int = Field(description="The flag's, after it.")
    at: datetime
    actor: str
    reason: str
    before: dict[str, Any] | None = Field(description="None: it was new.")
    after: dict[str, Any]

    @classmethod
    def of(cls, change: FlagChange) -> "FlagChangeView":
        """Show one."""
        return cls(
            key=change.key,
            version=change.version,
            at=change.at,
            actor=change.actor,
            reason=change.reason,
            before=change.before,
            after=change.after,
        )
