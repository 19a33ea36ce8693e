"""Every patch marker: what changed, since when, and when the old branch may go.

A marker is removed in two releases: `workflow.deprecate_patch` once no run from before it is open,
then nothing.
"""

from typing import Final

PAYMENT_DAILY_LIMIT: Final = "payment-daily-limit"
"""2026-11-21, payments v2.

A daily limit per customer is kept with the hold. Until no v1 run is open.
"""
