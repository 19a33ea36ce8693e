"""A kind that does not exist: its steps and its script, for what runs any kind's."""

from dataclasses import dataclass, field, replace
from operator import attrgetter

from perdure.core.errors import PerdureError, Refused
from perdure.core.script import CallStep, OwnStep, Runner, Step


@dataclass(frozen=True)
class Wish:
    """The script's input."""

    operation_id: str = "wsh_1"
    provider: str = "fairy"


@dataclass(frozen=True)
class Granted:
    """The provider's answer, or what became of it."""

    answer: str | None = None


@dataclass(frozen=True)
class End:
    """How it ended."""

    status: str
    notification_ids: list[str] = field(default_factory=list)


def _provider(wish: Wish) -> str:
    return wish.provider


def _not_made(wish: Wish, error: PerdureError) -> PerdureError:
    return Refused(f"{wish.provider} did nothing. {error.message}", code="not_made")


HOLD = Step("wish.hold", Wish, str)
GRANT_AT_ONCE = Step("wish.grant_at_once", Wish, Granted)
FIND_OUT = CallStep("wish.find_out", Wish, Granted, provider=_provider, inquires=True)
GRANT = CallStep(
    "wish.grant",
    Wish,
    str,
    provider=_provider,
    first_try=GRANT_AT_ONCE,
    resolve=FIND_OUT,
    found=attrgetter("answer"),
    not_made=_not_made,
)
GRANT_OR_PARK = replace(GRANT, first_try=None, parks=True)
WAIT = OwnStep("wish.wait", str, str)
SETTLE = Step("wish.settle", str, End)
TAKE_BACK = CallStep("wish.take_back", Wish, Granted, provider=_provider, undoes=GRANT)
CLOSE = Step("wish.close", str, End, undoes=True)

ENDED = End("succeeded", ["ntf_1"])


async def run_wish(wish: Wish, steps: Runner) -> End:
    """Grant a wish, or leave everything as it was."""
    try:
        await steps.run(HOLD, wish)
        granted = await steps.run(WAIT, await steps.run(GRANT, wish))
        if granted == "curse":
            raise Refused("It was a curse.", code="cursed")
        end = await steps.run(SETTLE, granted)
    except PerdureError as error:
        await steps.run(TAKE_BACK, wish)
        end = await steps.run(CLOSE, error.message)
    await steps.tell(end.notification_ids)
    return end
