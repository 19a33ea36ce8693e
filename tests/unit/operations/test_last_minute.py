"""What a worker did within the last minute."""

from perdure.operations.lanes.workers import LastMinute


def test_what_is_older_than_a_minute_is_not_counted() -> None:
    now_s = [0.0]
    lately = LastMinute(lambda: now_s[0])
    for now_s[0] in (0.0, 0.9, 30.0, 59.5):
        lately.add()
        lately.add("charge: It is slow.")
    lately.add("score: It is away.")
    assert lately.counts() == (4, {"charge: It is slow.": 4, "score: It is away.": 1})
    now_s[0] = 61.0
    assert lately.counts() == (2, {"charge: It is slow.": 2, "score: It is away.": 1})
    now_s[0] = 200.0
    assert lately.counts() == (0, {})
