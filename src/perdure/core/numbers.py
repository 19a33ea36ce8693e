"""How large whole numbers are that columns hold; amounts have a limit of their own in `money`."""

from typing import Final

INTEGER_MAX: Final = 2**31 - 1
"""The most that an `integer` holds: versions, and places in a list, are such."""
