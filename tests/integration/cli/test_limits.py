"""`perdure limits`, as a shell runs it."""

import pytest

from .shell import Shell


def test_a_limit_is_set_listed_and_removed(shell: Shell) -> None:
    done = shell.run(
        "limits", "set", "gateway", "--per-second", "20", "--at-once", "10", "--reason", "contract"
    )
    assert "gateway: no limit -> 20 a second, 10 at once" in done.stdout, done.stderr
    (listed,) = [
        one for one in shell.json("limits", "list")["data"] if one["provider"] == "gateway"
    ]
    assert (listed["per_second"], listed["at_once"], listed["state"]) == (20, 10, "open")
    assert "gateway" in shell.run("limits", "list").stdout

    done = shell.run("limits", "remove", "gateway", "--reason", "no limit any more")

    assert "20 a second, 10 at once -> no limit" in done.stdout, done.stderr
    history = shell.json("limits", "history", "gateway")["data"]
    assert [change["reason"] for change in history[:2]] == [
        "no limit any more",
        "contract",
    ]
    assert "no limit any more" in shell.run("limits", "history").stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("set", "gatway", "--at-once", "2", "--reason", "x"), "did you mean gateway?"),
        (("set", "gateway", "--reason", "x"), "how many calls a second"),
        (("set", "gateway", "--at-once", "2", "--reason", " "), "reason"),
        (("remove", "bank", "--reason", "x"), "bank has no limit"),
    ],
)
def test_what_cannot_be_is_refused(shell: Shell, arguments: tuple[str, ...], says: str) -> None:
    done = shell.run("limits", *arguments)

    assert done.returncode != 0
    assert says in " ".join(done.stderr.split())
