"""The payment that `perdure up` has one begin with."""

from typing import Any

from perdure.config import Settings
from perdure.outside import use_of
from perdure.providers.gateway import GATEWAY_ROLE


def first_payment(settings: Settings) -> dict[str, Any]:
    """Return what is asked for, by a method that the gateway's class takes for a trial."""
    gateway = use_of(GATEWAY_ROLE, settings).load()
    return {
        "amount_minor": 1250,
        "currency": "USD",
        "payment_method": getattr(gateway, "example_method", "tok_ok"),
        "payer": {"email": "payer@example.com"},
        "payee": {"name": "Ada", "email": "ada@example.com"},
    }
