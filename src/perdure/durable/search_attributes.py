"""The search attributes: few, without personal data, set once when a workflow starts."""

from typing import Final

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

OPERATION_KIND: Final = SearchAttributeKey.for_keyword("OperationKind")
OPERATION_STATUS: Final = SearchAttributeKey.for_keyword("OperationStatus")
CUSTOMER_ID: Final = SearchAttributeKey.for_keyword("CustomerId")
FAILURE_STEP: Final = SearchAttributeKey.for_keyword("FailureStep")

NAMES: Final = [key.name for key in (OPERATION_KIND, OPERATION_STATUS, CUSTOMER_ID, FAILURE_STEP)]


def of_operation(kind: str, customer_id: str) -> TypedSearchAttributes:
    """Return what an operation's workflow is found by."""
    return TypedSearchAttributes(
        [SearchAttributePair(OPERATION_KIND, kind), SearchAttributePair(CUSTOMER_ID, customer_id)]
    )
