from bench.books import differences, provider_violations
from bench.provider import CHARGES, MESSAGES, PAYOUTS, Provider
from bench.saga import sagas, total_minor


def provider_after(count: int) -> Provider:
    provider = Provider()
    for saga in sagas(count):
        pay_out(provider, str(saga.number), saga.amount_minor)
        provider.act(MESSAGES, {"reference": str(saga.number), "to": "", "text": ""})
    return provider


def pay_out(provider: Provider, reference: str, amount_minor: int, path: str = PAYOUTS) -> None:
    provider.act(path, {"reference": reference, "amount_minor": amount_minor, "currency": "USD"})


def test_each_saga_paid_out_and_told_once_is_right() -> None:
    assert provider_violations(sagas(20), provider_after(20).books()) == []


def test_a_double_payout_is_seen() -> None:
    provider = provider_after(2)
    pay_out(provider, "0", 100)

    found = provider_violations(sagas(2), provider.books())

    total = total_minor(sagas(2))
    assert found == ["payouts is 3, not 2", f"paid_out_minor is {total + 100}, not {total}"]


def test_a_lost_message_is_seen() -> None:
    provider = provider_after(1)
    pay_out(provider, "1", 107)

    found = provider_violations(sagas(2), provider.books())

    assert found == ["messages is 1, not 2", "message_references is 1, not 2"]


def test_a_charge_where_payouts_were_asked_for_is_seen() -> None:
    provider = provider_after(1)
    pay_out(provider, "1", 107, path=CHARGES)

    found = provider_violations(sagas(1), provider.books())

    assert found == [
        "charges is 1, not 0",
        "charge_references is 1, not 0",
        "charged_minor is 107, not 0",
    ]


def test_a_number_that_is_missing_is_a_difference() -> None:
    assert differences({"entries": 2}, {}) == ["entries is None, not 2"]


def test_accounts_and_amounts_stay_in_their_range() -> None:
    work = sagas(3_000)

    assert {saga.account_number for saga in work} == set(range(1_000))
    assert min(saga.amount_minor for saga in work) == 100
    assert max(saga.amount_minor for saga in work) == 999
