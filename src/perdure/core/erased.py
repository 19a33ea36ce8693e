"""What is said to who asks for something for a customer that has been erased."""

from typing import Final

from perdure.core.errors import Refused

CUSTOMER_ERASED: Final = "customer_erased"
"""The code."""


def customer_erased(customer_id: str) -> Refused:
    """Return the refusal of what is asked for somebody who has been erased, or is being."""
    return Refused(
        f"Customer {customer_id} has been erased, or is being; nothing more is done for them.",
        code=CUSTOMER_ERASED,
        param="customer_id",
    )
