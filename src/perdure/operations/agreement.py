"""What an answer of the outside has to say before it is believed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from perdure.core.errors import ProviderDisagrees

STATUS_UNKNOWN: Final = "provider_status_unknown"
"""The code where a provider answers a status, or a verdict, that we know no meaning of."""

_SHOWN_MAX: Final = 80

Said = TypeVar("Said")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an answer has to say.

    Args:
        provider: As in its queue's name, for messages.
        says: The only right value of each of these fields.
        among: The values of these that we know the meaning of.
    """

    provider: str
    says: Mapping[str, object]
    among: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def check(self, answer: object) -> None:
        """Refuse an answer that says something else.

        Raises:
            ProviderDisagrees: With both values; `provider_status_unknown` where it is only that.
        """
        differences = [
            f"{name} {_shown(said)} instead of {_shown(right)}"
            for name, right in self.says.items()
            if (said := getattr(answer, name)) != right
        ]
        unknown = [
            f"{name} {_shown(said)}, which is none of {', '.join(sorted(known))}"
            for name, known in self.among.items()
            if (said := getattr(answer, name)) not in known
        ]
        if differences or unknown:
            raise ProviderDisagrees(
                f"{self.provider} answered with {'; '.join(differences + unknown)}. Compare it"
                " with the provider's own books.",
                code=None if differences else STATUS_UNKNOWN,
            )

    def check_is_about(self, answer: object, name: str = "reference") -> None:
        """Refuse an answer about something else, whatever more it says.

        Raises:
            ProviderDisagrees: With both values.
        """
        Expected(self.provider, {name: self.says[name]}).check(answer)


async def agreed(expected: Expected, said: Said, ask: Callable[[], Awaitable[Said | None]]) -> Said:
    """Return an answer that says what it has to: this one, or else what the provider is asked for.

    Raises:
        ProviderDisagrees: Neither does.
    """
    try:
        expected.check(said)
    except ProviderDisagrees:
        found = await ask()
        if found is None:
            raise
        expected.check(found)
        return found
    return said


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
