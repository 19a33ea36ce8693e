"""Identifiers: of a kind, sorted by time, the same on every attempt."""

from datetime import timedelta

import pytest
from typeid import TypeID

from perdure.core.errors import InvalidInput
from perdure.core.ids import check_id, derived_id, earlier_id, new_id
from perdure.durable.operation_ids import is_operation, operation_of


def test_ids_sort_by_the_time_they_were_made() -> None:
    made = [new_id("pay") for _ in range(100)]
    assert made == sorted(made)
    assert len(set(made)) == 100


def test_a_derived_id_is_the_same_on_every_attempt_and_another_for_another_purpose() -> None:
    source = new_id("pay")
    assert derived_id("ltr", source, "hold") == derived_id("ltr", source, "hold")
    assert derived_id("ltr", source, "hold") != derived_id("ltr", source, "post")
    assert derived_id("ltr", source, "hold") != derived_id("ltr", new_id("pay"), "hold")


def test_a_derived_id_is_an_id_and_carries_its_sources_time() -> None:
    source = new_id("pay")
    derived = check_id(derived_id("ltr", source, "hold"), "ltr")
    assert derived.split("_")[1][:8] == source.split("_")[1][:8]


def test_a_derived_id_is_what_it_has_always_been() -> None:
    source = "pay_01h455vb4pex5vsknk084sn02q"
    assert derived_id("ltr", source, "hold") == "ltr_01h455vb4peapss14dvt0y736p"
    assert (
        derived_id("ltr", "acc_7zzzzzzzzzzzzzzzzzzzzzzzzz", "post")
        == "ltr_7zzzzzzzzzfqh9vdv4pgt1nnfc"
    )


@pytest.mark.parametrize("value", ["", "pay", "pay_", "pay_zzz", "acc_01h455vb4pex5vsknk084sn02q"])
def test_what_is_no_id_of_the_kind_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_id(value, "pay", param="payment_id")
    assert (caught.value.code, caught.value.param) == ("invalid_id", "payment_id")


def test_a_child_workflow_belongs_to_its_operation() -> None:
    payment_id = new_id("pay")
    assert operation_of(f"{payment_id}-fraud") == payment_id
    assert operation_of(payment_id) == payment_id
    assert operation_of("something-else") is None
    assert is_operation(payment_id)
    assert not is_operation(f"{payment_id}-fraud")


def test_an_earlier_id_is_the_first_of_its_moment() -> None:
    source = new_id("pay")
    a_second_earlier = earlier_id(source, timedelta(seconds=1))
    assert check_id(a_second_earlier, "pay") == a_second_earlier
    moment = TypeID.from_string(source).uuid.int >> 80
    first = TypeID.from_string(a_second_earlier).uuid.int
    assert (first >> 80, first % (1 << 80)) == (moment - 1000, 0)
    assert a_second_earlier < earlier_id(source, timedelta(0)) < source


def test_nothing_is_earlier_than_the_first_of_all_ids() -> None:
    assert earlier_id(new_id("pay"), timedelta(days=100_000)) == f"pay_{'0' * 26}"
