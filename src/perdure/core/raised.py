"""Where an error was raised, without anything of what was worked on: no values, no messages."""

from types import TracebackType
from typing import Any, Final

_FRAMES_MAX: Final = 30


def raised_in(error: BaseException) -> dict[str, Any]:
    """Return an error's type and the innermost places it came through, the outermost first."""
    frames = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        frames.append(
            {
                "module": frame.f_globals.get("__name__", "?"),
                "function": frame.f_code.co_qualname,
                "line": traceback.tb_lineno,
            }
        )
        traceback = traceback.tb_next
    return {"type": type(error).__qualname__, "frames": frames[-_FRAMES_MAX:]}
