"""The flags that say which system takes an operation, as the kinds declare them."""

from collections.abc import Mapping

from perdure.capabilities import installed
from perdure.flags.model import Attribute, Attributes


def engine_flags() -> Mapping[str, str]:
    """Return the flag of each kind that another system also carries out, by its name."""
    return {one.name: one.engine_flag for one in installed().values() if one.engine_flag}


def flag_attributes() -> Attributes:
    """Return what the rules of each flag may name."""
    by_flag: dict[str, list[Attribute]] = {}
    for one in installed().values():
        if one.engine_flag:
            by_flag.setdefault(one.engine_flag, []).extend(one.routed_by)
    return Attributes(by_flag)
