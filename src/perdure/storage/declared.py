"""What `perdure migrate` sees to beside the migrations, as kinds declare it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declared:
    """What kinds of operation have in the database beside their tables.

    Args:
        indexes: Of tables that may be large: what each is on, by its name; see
            `storage/indexes.py`.
    """

    indexes: Mapping[str, str]
