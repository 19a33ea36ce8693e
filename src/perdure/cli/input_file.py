"""Files that commands read: from the disk, or from a pipe."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from perdure.core.errors import InvalidInput

STANDARD_INPUT: Final = Path("-")


@contextmanager
def open_input(path: Path) -> Iterator[BinaryIO]:
    """Open a file that can be read more than once; `-` is what comes in by a pipe.

    What comes by a pipe is first kept in a temporary file without a name, to its end.

    Raises:
        InvalidInput: It cannot be read.
    """
    with ExitStack() as stack:
        try:
            file: BinaryIO = (
                sys.stdin.buffer if path == STANDARD_INPUT else stack.enter_context(path.open("rb"))
            )
            if not file.seekable():
                kept = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, kept)
                kept.seek(0)
                file = kept
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror}.", param="FILE") from error
        yield file


def beside(path: Path, suffix: str) -> Path:
    """Return where something about a file is written: beside it, or in the working directory.

    There is no place beside what comes by a pipe.
    """
    if path == STANDARD_INPUT:
        return Path(f"stdin{suffix}")
    if path.is_relative_to("/dev") or path.is_relative_to("/proc"):
        return Path(f"{path.stem}{suffix}")
    return path.with_name(f"{path.stem}{suffix}")
