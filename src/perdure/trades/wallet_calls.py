"""A trade's steps at the wallet service: the money moved, or back where it was."""

from collections.abc import Mapping
from typing import Any

from perdure.capability.provider_effect import ProviderEffect
from perdure.trades.contracts import WALLETS, Moved, TradeInput
from perdure.trades.process import MOVE_MONEY, RETURN_MONEY
from perdure.trades.services.wallets import TRANSFER_STATUSES, WalletService, WalletTransfer

MoneyEffect = ProviderEffect[TradeInput, WalletTransfer, Moved]


def money_at(wallets: WalletService) -> MoneyEffect:
    """Return how a wallet service is asked to move a trade's money, and to give it back."""

    async def move(trade: TradeInput) -> WalletTransfer:
        return await wallets.transfer(reference=trade.operation_id, **money_says(trade))

    return ProviderEffect(
        provider=WALLETS,
        step=MOVE_MONEY,
        undo=RETURN_MONEY,
        ask=move,
        find=wallets.find_transfer,
        take_back=wallets.reverse,
        statuses=TRANSFER_STATUSES,
        outcome=lambda transfer: Moved(transfer.id, transfer.status),
        says=money_says,
    )


def money_says(trade: TradeInput) -> Mapping[str, Any]:
    """Return what is asked of a trade's money, and what an answer has to say of it."""
    request = trade.request
    return {
        "payer": request.buyer_account_id,
        "payee": request.seller_account_id,
        "amount_minor": request.paid_minor,
        "fee_minor": request.fees_minor,
        "currency": request.currency,
    }
