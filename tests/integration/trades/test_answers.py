"""A service that answers something else than it was asked: never a yes, whoever asks and when."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from perdure.core.errors import ProviderDisagrees, ProviderOutcomeUnknown
from perdure.core.ids import new_id
from perdure.core.script import Bodies, CallStep
from perdure.operations import store
from perdure.operations.first_tries import FirstTries
from perdure.operations.model import HOUSE, NewOperation
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps, to_json
from perdure.storage.pool import Pool, transaction
from perdure.trades.asset_calls import AssetCalls
from perdure.trades.contracts import ID_PREFIX, KIND, TradeInput
from perdure.trades.process import (
    BLOCK_ASSET,
    DELIVER_ASSET,
    FIND_DELIVERY,
    MOVE_MONEY,
    RETURN_MONEY,
    UNBLOCK_ASSET,
)
from perdure.trades.services.assets import BlockedAsset
from perdure.trades.services.wallets import WalletTransfer
from perdure.trades.wallet_calls import money_at
from tests.workflows.scripted_trades import REQUEST

FORWARD: list[CallStep[Any, Any]] = [BLOCK_ASSET, MOVE_MONEY, DELIVER_ASSET]
CUT = ProviderOutcomeUnknown("It was cut.")
OF_A_BLOCK: dict[str, Any] = {
    "reference": "trd_other",
    "reservation": "ord_other",
    "owner": "acc_other",
    "asset": "RUBY",
    "quantity_lots": 300,
}
OF_A_TRANSFER: dict[str, Any] = {
    "reference": "trd_other",
    "payer": "acc_other",
    "payee": "acc_other",
    "amount_minor": 60_600,
    "fee_minor": 0,
    "currency": "JPY",
}
WRONG: dict[CallStep[Any, Any], list[tuple[str, Any]]] = {
    BLOCK_ASSET: [*OF_A_BLOCK.items(), ("status", "delivered"), ("status", "3")],
    MOVE_MONEY: [*OF_A_TRANSFER.items(), ("status", "4")],
    DELIVER_ASSET: [
        *OF_A_BLOCK.items(),
        ("recipient", "acc_other"),
        ("status", "blocked"),
        ("status", "unblocked"),
    ],
    UNBLOCK_ASSET: [
        ("reference", "trd_other"),
        ("quantity_lots", 300),
        ("status", "blocked"),
        ("status", "delivered"),
        ("status", "3"),
    ],
    RETURN_MONEY: [
        ("reference", "trd_other"),
        ("amount_minor", 60_600),
        ("fee_minor", 0),
        ("status", "done"),
        ("status", "failed"),
        ("status", "4"),
    ],
}
"""What each call may be answered that is not so."""
CASES = [
    pytest.param(step, name, said, id=f"{step.row_name} {name}={said}")
    for step, wrong in WRONG.items()
    for name, said in wrong
]
INQUIRED = [
    pytest.param(step, name, said, id=f"{step.row_name} {name}={said}")
    for step, wrong in WRONG.items()
    if step in FORWARD
    for name, said in wrong
    # What is not delivered yet is no lie.
    if (step, name) != (DELIVER_ASSET, "status")
]


Said = TypeVar("Said", BlockedAsset, WalletTransfer)


@dataclass
class Services:
    """Both of them: they do what they are asked, and tell of it as a test says.

    Attributes:
        lies: What is told otherwise than it is; `later`: once the next call is done.
        is_cut: The call is done, and its answer lost.
        calls: What was asked to be done.
    """

    block_is: BlockedAsset | None = None
    transfer_is: WalletTransfer | None = None
    lies: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    is_cut: bool = False
    calls: list[str] = field(default_factory=list)

    def _answer(self, call: str, said: Said) -> Said:
        self.calls.append(call)
        self.lies |= self.later
        if self.is_cut:
            raise CUT
        return replace(said, **self.lies)

    async def block(self, *, reference: str, reservation: str, quantity_lots: int) -> BlockedAsset:
        owner, asset = REQUEST.seller_account_id, REQUEST.asset
        self.block_is = BlockedAsset(
            "blk_1", reference, reservation, owner, asset, quantity_lots, "blocked", ""
        )
        return self._answer("block", self.block_is)

    async def find_block(self, _: str) -> BlockedAsset | None:
        return self.block_is and replace(self.block_is, **self.lies)

    async def deliver(self, *, reference: str, recipient: str) -> BlockedAsset:
        assert self.block_is is not None, reference
        self.block_is = replace(self.block_is, status="delivered", recipient=recipient)
        return self._answer("deliver", self.block_is)

    async def unblock(self, _: str) -> BlockedAsset:
        assert self.block_is is not None
        self.block_is = replace(self.block_is, status="unblocked")
        return self._answer("unblock", self.block_is)

    async def transfer(self, **asked: Any) -> WalletTransfer:
        self.transfer_is = WalletTransfer(id="wtr_1", status="done", **asked)
        return self._answer("transfer", self.transfer_is)

    async def find_transfer(self, _: str) -> WalletTransfer | None:
        return self.transfer_is and replace(self.transfer_is, **self.lies)

    async def reverse(self, _: str) -> WalletTransfer:
        assert self.transfer_is is not None
        self.transfer_is = replace(self.transfer_is, status="reversed")
        return self._answer("reverse", self.transfer_is)


@dataclass
class Trading:
    """A trade, and what does the work of its calls."""

    trade: TradeInput
    services: Services
    bodies: Bodies

    async def do(self, *steps: CallStep[Any, Any]) -> None:
        for step in steps:
            await self.bodies[step](self.trade)


@pytest.fixture
async def trading(pool: Pool) -> Trading:
    trade = TradeInput(new_id(ID_PREFIX), REQUEST)
    new = NewOperation(
        id=trade.operation_id,
        kind=KIND,
        customer_id=HOUSE,
        input=to_json(trade),
        reference=trade.operation_id,
    )
    async with transaction(pool) as connection:
        await store.accept(connection, new, actor="test")
    services: Any = Services()
    given: dict[str, Any] = {"first_tries": FirstTries(), "timeout_s": 5.0}
    calls, steps = ProviderCalls(pool), TransactionalSteps(pool)
    at_assets = AssetCalls(calls, steps, services, **given)
    at_wallets = money_at(services).bodies(calls, steps, **given)
    return Trading(trade, services, {**at_assets.bodies, **at_wallets})


async def disagrees(trading: Trading, step: CallStep[Any, Any], name: str, said: Any) -> None:
    """Do a step that meets what is wrong: both values are shown."""
    with pytest.raises(ProviderDisagrees) as caught:
        await trading.do(step)
    shown = repr(said) if isinstance(said, str) else str(said)
    assert f"{name} {shown}" in caught.value.message
    assert any(word in caught.value.message for word in (" instead of ", ", which is none of "))
    trading.services.lies, trading.services.later = {}, {}


@pytest.mark.parametrize(("step", "name", "said"), CASES)
async def test_what_a_service_answers_otherwise_is_shown_and_never_believed_t6(
    trading: Trading, step: CallStep[Any, Any], name: str, said: Any
) -> None:
    before = FORWARD[: FORWARD.index(step)] if step in FORWARD else [BLOCK_ASSET, MOVE_MONEY]
    await trading.do(*before)
    trading.services.later = {name: said}
    await disagrees(trading, step, name, said)
    # Once the service tells what is so, it goes on, and nothing was done twice.
    await trading.do(step)
    done = [one for one in trading.services.calls if one in {"block", "transfer"}]
    assert len(done) == len(set(done))


@pytest.mark.parametrize(("step", "name", "said"), INQUIRED)
async def test_what_it_tells_otherwise_of_a_lost_answer_is_not_believed_either_t6(
    trading: Trading, step: CallStep[Any, Any], name: str, said: Any
) -> None:
    await trading.do(*FORWARD[: FORWARD.index(step)])
    trading.services.is_cut = True
    with pytest.raises(ProviderOutcomeUnknown):
        await trading.do(step)
    trading.services.is_cut = False
    trading.services.lies = {name: said}
    assert step.resolve is not None
    await disagrees(trading, step.resolve, name, said)
    await trading.do(step)
    assert len(trading.services.calls) == FORWARD.index(step) + 1


@pytest.mark.parametrize(
    ("step", "name", "said"),
    [
        (FIND_DELIVERY, "recipient", "acc_other"),
        (FIND_DELIVERY, "quantity_lots", 300),
        (FIND_DELIVERY, "reference", "trd_other"),
        (UNBLOCK_ASSET, "status", "delivered"),
        (UNBLOCK_ASSET, "reference", "trd_other"),
        (RETURN_MONEY, "reference", "trd_other"),
    ],
)
async def test_the_way_back_does_not_end_at_what_is_told_otherwise_before_it_t8(
    trading: Trading, step: CallStep[Any, Any], name: str, said: Any
) -> None:
    await trading.do(*(FORWARD if step is FIND_DELIVERY else [BLOCK_ASSET, MOVE_MONEY]))
    trading.services.lies = {name: said}
    await disagrees(trading, step, name, said)
    await trading.do(step)
