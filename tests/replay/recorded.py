"""Which versions of which workflow are recorded, by what scenarios."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perdure.bank_sync.workflow import BankSyncWorkflow
from perdure.durable import versions
from perdure.erasures.workflow import ErasureWorkflow
from perdure.identity.recheck_workflow import RecheckWorkflow
from perdure.onboarding.follow_up_workflow import FollowUpWorkflow
from perdure.onboarding.workflow import OnboardingWorkflow
from perdure.payments.workflow import PaymentWorkflow
from perdure.reconciliation.break_workflow import ReconciliationBreakWorkflow
from perdure.reconciliation.workflow import ReconciliationWorkflow
from perdure.refunds.workflow import RefundWorkflow
from perdure.renewals.workflow import RenewalWorkflow
from perdure.trades.reversal_workflow import TradeReversalWorkflow
from perdure.trades.workflow import TradeWorkflow
from perdure.transfers.workflow import TransferWorkflow

from .bank_sync_scenarios import BANK_SYNC_SCENARIOS
from .erasure_scenarios import ERASURE_SCENARIOS
from .onboarding_scenarios import (
    FOLLOW_UP_SCENARIOS,
    ONBOARDING_SCENARIOS,
    RECHECK_SCENARIOS,
    RECHECK_SCENARIOS_WOKEN,
)
from .reconciliation_scenarios import BREAK_SCENARIOS, NIGHT_SCENARIOS
from .refund_scenarios import REFUND_SCENARIOS
from .renewal_scenarios import RENEWAL_SCENARIOS, RENEWAL_SCENARIOS_CALLED_OFF
from .scenarios import (
    SCENARIOS,
    SCENARIOS_AT_ONCE,
    SCENARIOS_THAT_WAIT,
    SCENARIOS_WITH_LIES,
    Scenario,
)
from .trade_scenarios import REVERSAL_SCENARIOS, TRADE_SCENARIOS, TRADE_SCENARIOS_UNDONE
from .transfer_scenarios import TRANSFER_SCENARIOS

HISTORIES = Path(__file__).parent / "histories"


@dataclass(frozen=True)
class Recorded:
    """One version of a workflow's logic, of which histories were recorded.

    Args:
        version: As its folder is called: the kind, and the version's number.
        markers: The patch markers its runs carry.
        markers_of_some: Those that only some of them carry.
    """

    version: str
    workflow: type
    scenarios: Sequence[Scenario[Any]]
    markers: frozenset[str] = frozenset()
    markers_of_some: frozenset[str] = frozenset()

    def path(self, scenario_name: str) -> Path:
        return HISTORIES / self.version / f"{scenario_name}.json"


SECOND = (frozenset({versions.FIRST_TRIES}), frozenset({versions.CANCEL_WAITING_CALL}))
"""The markers of all, and of some, of what has only these two."""

RECORDED = [
    Recorded("payment-v1", PaymentWorkflow, SCENARIOS),
    Recorded(
        "payment-v2",
        PaymentWorkflow,
        SCENARIOS,
        frozenset({versions.PAYMENT_DAILY_LIMIT}),
    ),
    Recorded(
        "payment-v3",
        PaymentWorkflow,
        SCENARIOS + SCENARIOS_AT_ONCE,
        frozenset({versions.FIRST_TRIES}),
    ),
    Recorded(
        "payment-v4",
        PaymentWorkflow,
        SCENARIOS + SCENARIOS_AT_ONCE + SCENARIOS_WITH_LIES,
        frozenset({versions.CALLBACKS_ARE_HINTS}),
    ),
    Recorded(
        "payment-v5",
        PaymentWorkflow,
        SCENARIOS + SCENARIOS_AT_ONCE + SCENARIOS_WITH_LIES + SCENARIOS_THAT_WAIT,
        frozenset({versions.CALLBACKS_ARE_HINTS}),
        frozenset({versions.CANCEL_WAITING_CHECK}),
    ),
    Recorded(
        "payment-v6",
        PaymentWorkflow,
        SCENARIOS + SCENARIOS_AT_ONCE + SCENARIOS_WITH_LIES + SCENARIOS_THAT_WAIT,
        frozenset({versions.CALLBACKS_ARE_HINTS}),
        frozenset(
            {
                versions.CANCEL_WAITING_CALL,
                versions.CANCEL_WAITING_CHECK,
                versions.UNDO_EARLIER_RUNS,
            }
        ),
    ),
    Recorded("transfer-v1", TransferWorkflow, TRANSFER_SCENARIOS),
    Recorded("renewal-v1", RenewalWorkflow, RENEWAL_SCENARIOS),
    Recorded("refund-v1", RefundWorkflow, REFUND_SCENARIOS),
    Recorded("transfer-v2", TransferWorkflow, TRANSFER_SCENARIOS, *SECOND),
    Recorded("renewal-v2", RenewalWorkflow, RENEWAL_SCENARIOS, frozenset(), SECOND[0]),
    Recorded(
        "renewal-v3",
        RenewalWorkflow,
        RENEWAL_SCENARIOS + RENEWAL_SCENARIOS_CALLED_OFF,
        frozenset(),
        SECOND[0] | {versions.UNDO_EARLIER_RUNS},
    ),
    Recorded("refund-v2", RefundWorkflow, REFUND_SCENARIOS, *SECOND),
    Recorded("trade-v1", TradeWorkflow, TRADE_SCENARIOS + TRADE_SCENARIOS_UNDONE),
    Recorded(
        "trade_reversal-v1",
        TradeReversalWorkflow,
        REVERSAL_SCENARIOS,
    ),
    Recorded("onboarding-v1", OnboardingWorkflow, ONBOARDING_SCENARIOS, frozenset(), SECOND[1]),
    Recorded("follow_up-v1", FollowUpWorkflow, FOLLOW_UP_SCENARIOS, frozenset(), SECOND[0]),
    Recorded("recheck-v1", RecheckWorkflow, RECHECK_SCENARIOS),
    Recorded("recheck-v2", RecheckWorkflow, RECHECK_SCENARIOS + RECHECK_SCENARIOS_WOKEN),
    Recorded("bank_sync-v1", BankSyncWorkflow, BANK_SYNC_SCENARIOS),
    Recorded("reconciliation-v1", ReconciliationWorkflow, NIGHT_SCENARIOS, frozenset(), SECOND[0]),
    Recorded("reconciliation_break-v1", ReconciliationBreakWorkflow, BREAK_SCENARIOS),
    Recorded("erasure-v1", ErasureWorkflow, ERASURE_SCENARIOS, frozenset(), SECOND[1]),
]
