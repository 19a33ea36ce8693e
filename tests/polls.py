"""The one way in which tests wait: for what they need, with a deadline and a pause."""

from perdure.testing.polls import eventually, eventually_without_a_loop

__all__ = ["eventually", "eventually_without_a_loop"]
