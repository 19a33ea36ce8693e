"""What rules may name, as the kinds that are built in declare it."""

from perdure.capability.engine_flags import flag_attributes

ATTRIBUTES = flag_attributes()
