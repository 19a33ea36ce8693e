"""What the workers need of erasures."""

from perdure.capability.assembly import kept_traces
from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.later import Waking
from perdure.durable.payloads.settings import PayloadSettings
from perdure.durable.queues import LANES, OPERATIONS
from perdure.durable.registration import Registration
from perdure.erasures.activities import ErasureActivities
from perdure.erasures.workflow import ErasureWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries erasures out: one may have many rows, as floods have."""
    payloads = host.settings.of(PayloadSettings)
    steps = ErasureActivities(
        host.pool,
        host.steps,
        host.ledger,
        kept_traces(),
        host.own(Waking),
        keys_known_s=payloads.key_cache_s,
        is_encrypted=bool(payloads.keys),
    )
    return Work(
        registrations=[
            Registration(OPERATIONS, [ErasureWorkflow]),
            Registration(
                LANES,
                activities=[
                    steps.settle_down,
                    steps.erase_mentions,
                    steps.empty_fields,
                    steps.retire_keys,
                    steps.delete_keys,
                    steps.close,
                ],
            ),
        ]
    )
