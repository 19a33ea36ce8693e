"""Who has what of assets and money, by the books of the services that keep them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from perdure.config import Settings
from perdure.outside import use_of
from perdure.providers.host import ProviderHost
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

_TIMEOUT_S: Final = 30.0
HOUSE: Final = "house"
"""Whose wallet the fees are in."""

Place = tuple[str, str]
"""An account, and an asset or a currency."""


@dataclass(frozen=True, slots=True)
class Possessions:
    """Who has what, by one side's books.

    Args:
        assets: In lots; `reserved` and `blocked`: what of it is set aside.
        money: In minor units.
    """

    assets: Counter[Place] = field(default_factory=Counter)
    reserved: Counter[Place] = field(default_factory=Counter)
    blocked: Counter[Place] = field(default_factory=Counter)
    money: Counter[Place] = field(default_factory=Counter)

    def sums(self) -> dict[str, int]:
        """Return how much there is of each asset and currency."""
        found: Counter[str] = Counter()
        for (_, what), amount in (*self.assets.items(), *self.money.items()):
            found[what] += amount
        return dict(sorted(found.items()))


async def read_services(settings: Settings) -> Possessions:
    """Return who has what by the services' own books."""
    found = Possessions()
    async with ProviderHost(timeout_s=_TIMEOUT_S) as host:
        async for holding in use_of(ASSETS_ROLE, settings).make(host).holdings():
            place = holding.owner, holding.asset
            found.assets[place] += holding.quantity_lots
            found.reserved[place] += holding.reserved_lots
            found.blocked[place] += holding.blocked_lots
    async with ProviderHost(timeout_s=_TIMEOUT_S) as host:
        async for wallet in use_of(WALLETS_ROLE, settings).make(host).wallets():
            found.money[wallet.account, wallet.currency] += wallet.balance_minor
    return found
