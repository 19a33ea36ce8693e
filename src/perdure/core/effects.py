"""What a provider does for us under our reference, and what it calls the states of that."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """What a provider did, as it tells of it; inherit it under the provider's word for it.

    Args:
        id: The provider's own.
        reference: Ours: the operation's id.
        status: In the provider's words; see `EffectStatuses`.
    """

    id: str
    reference: str
    amount_minor: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectStatuses:
    """The statuses that we know the meaning of.

    Args:
        stands: It was done, and stands: `paid`.
        undone: It was taken back: `recalled`.
        nothing: It came to nothing, and stays so: `failed`.
    """

    stands: str
    undone: str
    nothing: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """All of them."""
        return frozenset((self.stands, self.undone, *self.nothing))

    def after_taking_back(self, status: str) -> str:
        """Return what something has to be called once it was taken back, given as it was before."""
        return status if status in self.nothing else self.undone
