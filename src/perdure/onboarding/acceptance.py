"""Taking onboardings in: refused at once, or stored and certain to reach an end."""

from collections.abc import Callable, Sequence

from perdure.onboarding import rules, store
from perdure.onboarding.contracts import (
    ID_PREFIX,
    KIND,
    OnboardingInput,
    OnboardingOptions,
    OnboardingRequest,
)
from perdure.operations.request_acceptance import RequestAcceptance
from perdure.storage.pool import Connection


class OnboardingAcceptance(RequestAcceptance[OnboardingRequest]):
    """Validates onboardings and stores those that may begin.

    Args:
        options: What those are told that are accepted now.
    """

    def __init__(self, options: OnboardingOptions) -> None:
        super().__init__(
            kind=KIND,
            id_prefix=ID_PREFIX,
            check_request=rules.check_request,
            request_type=OnboardingRequest,
            input_of=lambda operation_id, request: OnboardingInput(operation_id, request, options),
            # Whoever was checked is who was asked for: another person is another onboarding.
            correctable={},
        )

    async def look(
        self, connection: Connection, requests: Sequence[OnboardingRequest]
    ) -> Callable[[OnboardingRequest], None]:
        """Look who is a customer; what it returns refuses them with `already_onboarded`."""
        taken = await store.onboarded(connection, [request.customer_id for request in requests])

        def refuse(request: OnboardingRequest) -> None:
            if request.customer_id in taken:
                raise rules.already_onboarded(request.customer_id)

        return refuse
