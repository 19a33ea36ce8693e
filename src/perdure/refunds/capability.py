"""Refunds: what was taken, given back by whoever took it."""

from typing import Final

from perdure.capability.declaration import Capability
from perdure.refunds.contracts import ID_PREFIX, KIND, WORKFLOW, RefundRequest

REFUNDS: Final = Capability(
    name=KIND,
    plural="refunds",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Refunds: what was taken, given back.",
    request=RefundRequest,
    wire="perdure.refunds.wiring:wire",
    work="perdure.refunds.registration:work",
    is_created=False,
    invariants="perdure.refunds.verify:INVARIANTS",
)
