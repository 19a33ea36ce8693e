"""Every patch marker: what changed, since when, and when the old branch may go.

A marker is removed in two releases: `workflow.deprecate_patch` once no run from before it is open,
then nothing.
"""

from typing import Final

BATCHES_IN_STRETCHES: Final = "batches-in-stretches"
"""2026-11-28, reconciliations.

An activity compares batch after batch for up to a minute, and pauses between them itself. Until no
earlier run is open.
"""

CALLBACKS_ARE_HINTS: Final = "callbacks-are-hints"
"""2026-11-27, payments v4.

What a callback tells is compared, and the gateway asked, before a payment fails by it; all that
come are looked at, not the first alone. `FIRST_TRIES` goes with it. Until no earlier run is open.
"""

CANCEL_WAITING_CALL: Final = "cancel-waiting-call"
"""2026-11-21, every kind.

A request to cancel takes a provider's activity out of its queue. Until no earlier run is open.
"""

CANCEL_WAITING_CHECK: Final = "cancel-waiting-check"
"""2026-11-27, payments.

A request to cancel does not wait for the fraud check, which may wait for its scorer for long. Until
no earlier run is open.
"""

FIRST_TRIES: Final = "first-tries"
"""2026-11-21, payments v3, and every kind's messages.

A provider that is quick is called where the workflow runs, and by its queue only if that comes to
nothing. Until no earlier run is open.
"""

LANE_HISTORY: Final = "lane-history"
"""2026-11-22, lanes.

A lane begins a new history when Temporal says that its own is long, not only after many stretches.
Until no earlier run is open.
"""

PAYMENT_DAILY_LIMIT: Final = "payment-daily-limit"
"""2026-11-21, payments v2.

A daily limit per customer is kept with the hold; `FIRST_TRIES` goes with it. Until no v1 run is
open.
"""

UNDO_EARLIER_RUNS: Final = "undo-earlier-runs"
"""2026-11-27, payments and renewals.

What is called off or refused before this run came to its provider is undone all the same, as a
lane or an earlier run may have been there. Until no earlier run is open.
"""
