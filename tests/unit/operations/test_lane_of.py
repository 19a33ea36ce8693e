"""Which lane a customer's operations go to."""

from collections import Counter

from perdure.operations.lanes.store import lane_of


def test_a_customer_has_one_lane_everywhere() -> None:
    # Written down: processes of two versions have to agree.
    assert [lane_of(f"cus_{number}", 8) for number in range(6)] == [0, 6, 4, 2, 1, 7]


def test_customers_are_spread_over_all_lanes() -> None:
    sizes = Counter(lane_of(f"cus_{number}", 8) for number in range(8_000))
    assert set(sizes) == set(range(8))
    assert max(sizes.values()) < 2 * min(sizes.values())
