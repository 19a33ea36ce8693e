"""What the workers need of renewals."""

from collections.abc import Iterable

from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.operations.kinds import OperationKind
from perdure.renewals.activities import RenewalLedgerActivities
from perdure.renewals.contracts import ID_PREFIX, KIND, WORKFLOW
from perdure.renewals.registry_activities import RenewalRegistryActivities
from perdure.renewals.workflow import RenewalWorkflow

RENEWALS = OperationKind(KIND, ID_PREFIX, WORKFLOW)


def registrations(
    ledger: RenewalLedgerActivities,
    at_registries: RenewalRegistryActivities,
    registries: Iterable[str],
) -> list[Registration]:
    """Return the work of the queues that renewals use.

    Args:
        registries: The registries' names, as in their queues': each has a queue of its own, so that
            a slow one holds up no other.
    """
    return [
        Registration(
            OPERATIONS,
            [RenewalWorkflow],
            [ledger.hold_fee, ledger.record, ledger.let_stand, ledger.close],
        ),
        *(
            Registration(
                provider_queue(registry),
                activities=[
                    at_registries.check_domain,
                    at_registries.renew,
                    at_registries.resolve_renewal,
                    at_registries.read_report,
                    at_registries.undo_renewal,
                ],
            )
            for registry in registries
        ),
    ]
