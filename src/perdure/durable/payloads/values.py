"""How what goes to Temporal is written and read: as its SDK does, and days too."""

from datetime import date, datetime
from typing import Any, Final

from temporalio.converter import (
    AdvancedJSONEncoder,
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    JSONTypeConverter,
)


class _Encoder(AdvancedJSONEncoder):
    def default(self, o: Any) -> Any:
        """Write a day as ISO 8601 has it."""
        return o.isoformat() if isinstance(o, date) else super().default(o)


class _Days(JSONTypeConverter):
    """Reads days, and moments, also where the sandbox has its own stand-in for their type."""

    def to_typed_value(self, hint: type, value: Any) -> Any:
        """Return what a text is; anything else is not handled here."""
        if hint is str or not isinstance(value, str):
            return JSONTypeConverter.Unhandled
        # A stand-in is equal to what it stands for, and not the same.
        for kind in (date, datetime):
            if hint == kind:
                try:
                    return kind.fromisoformat(value)
                except ValueError as error:
                    raise TypeError(f"{value!r} is no {kind.__name__}.") from error
        return JSONTypeConverter.Unhandled


_JSON: Final = JSONPlainPayloadConverter(encoder=_Encoder, custom_type_converters=[_Days()])


class PayloadValues(CompositePayloadConverter):
    """Converts values to payloads and back; workflows make one each."""

    def __init__(self) -> None:
        super().__init__(
            *(
                _JSON if isinstance(usual, JSONPlainPayloadConverter) else usual
                for usual in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


VALUES: Final = DataConverter(payload_converter_class=PayloadValues)
"""What clients convert with where nothing is encrypted."""
