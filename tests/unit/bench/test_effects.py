from bench.books import differences, provider_violations
from bench.provider import CHARGES, MESSAGES, Provider
from bench.saga import sagas, total_minor


def provider_after(count: int) -> Provider:
    provider = Provider()
    for saga in sagas(count):
        body = {"reference": str(saga.number), "amount_minor": saga.amount_minor, "currency": "USD"}
        assert provider.answer(CHARGES, body)["status"] == "succeeded"
        provider.answer(MESSAGES, {"reference": str(saga.number), "to": "", "text": ""})
    return provider


def test_each_saga_charged_and_told_once_is_right() -> None:
    assert provider_violations(sagas(20), provider_after(20).answer("/books", {})) == []


def test_a_double_charge_is_seen() -> None:
    provider = provider_after(2)
    provider.answer(CHARGES, {"reference": "0", "amount_minor": 100, "currency": "USD"})

    found = provider_violations(sagas(2), provider.answer("/books", {}))

    total = total_minor(sagas(2))
    assert found == ["charges is 3, not 2", f"charged_minor is {total + 100}, not {total}"]


def test_a_lost_message_is_seen() -> None:
    provider = provider_after(1)
    provider.answer(CHARGES, {"reference": "1", "amount_minor": 107, "currency": "USD"})

    found = provider_violations(sagas(2), provider.answer("/books", {}))

    assert found == ["messages is 1, not 2", "message_references is 1, not 2"]


def test_a_number_that_is_missing_is_a_difference() -> None:
    assert differences({"entries": 2}, {}) == ["entries is None, not 2"]


def test_accounts_and_amounts_stay_in_their_range() -> None:
    work = sagas(3_000)

    assert {saga.account_number for saga in work} == set(range(1_000))
    assert min(saga.amount_minor for saga in work) == 100
    assert max(saga.amount_minor for saga in work) == 999
