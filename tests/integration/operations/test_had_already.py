"""A provider that says it has something under our reference already: that is read, and compared."""

from typing import Any

import pytest

from perdure.core.errors import HAS_IT_ALREADY, ProviderDisagrees, ProviderOutcomeUnknown
from perdure.operations.provider_calls import ProviderCalls
from perdure.storage.pool import Pool

from .conftest import NewOperationMaker
from .test_provider_answers import LIES, YES, Provider

HAS_IT = ProviderOutcomeUnknown("There is one.", code=HAS_IT_ALREADY, in_flight=False)


@pytest.mark.parametrize("at_first", ["agrees", "differs", "cannot be told"])
async def test_what_a_provider_has_already_is_ours_once_it_agrees_t6(
    pool: Pool, accept: NewOperationMaker, at_first: str
) -> None:
    lie: dict[str, Any] = LIES["amount"] if at_first == "differs" else {}
    provider, calls = Provider(pool, await accept(), answers=[HAS_IT]), ProviderCalls(pool)
    provider.says, provider.loses = lie, at_first == "cannot be told"
    if at_first != "agrees":
        kind = ProviderDisagrees if lie else ProviderOutcomeUnknown
        with pytest.raises(kind):
            await calls.get_or_create(provider.call())
        assert (await provider.row())[0] == "unknown"
        provider.says, provider.loses = {}, False
    assert await calls.get_or_create(provider.call()) == YES
    assert (await provider.row())[0] == "answered"
    assert provider.calls == 1
