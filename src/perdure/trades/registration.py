"""What the workers need of trades."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import OPERATIONS
from perdure.durable.registration import Registration, registrations_of
from perdure.operations.lanes.script import LaneScript
from perdure.outside import use_of
from perdure.trades.asset_calls import AssetCalls
from perdure.trades.contracts import ASSETS, WALLETS, TradeInput
from perdure.trades.funding import TradeFunds
from perdure.trades.orders.matching import Matching
from perdure.trades.process import run_trade
from perdure.trades.reversal_workflow import TradeReversalWorkflow
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE
from perdure.trades.wallet_calls import money_at
from perdure.trades.workflow import TradeWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries trades out."""
    assets, wallets = use_of(ASSETS_ROLE, host.settings), use_of(WALLETS_ROLE, host.settings)
    asset_service = host.outside.made(assets)
    at_assets = AssetCalls(
        host.calls,
        host.steps,
        asset_service,
        first_tries=host.first_tries(),
        timeout_s=assets.timeout_s,
    )
    at_wallets = money_at(host.outside.made(wallets)).bodies(
        host.calls, host.steps, first_tries=host.first_tries(), timeout_s=wallets.timeout_s
    )
    funds = TradeFunds(host.pool, host.steps, host.ledger)
    bodies = {**funds.bodies, **at_assets.bodies, **at_wallets}
    lane = LaneScript(run_trade, TradeInput, bodies, deliver=host.deliver, permit=host.permit)
    return Work(
        registrations=[
            *registrations_of(
                run_trade,
                [TradeWorkflow, TradeReversalWorkflow],
                bodies,
                providers=[ASSETS, WALLETS],
            ),
            Registration(OPERATIONS, beside=[Matching(host, asset_service).run]),
        ],
        lane=lane.run,
    )
