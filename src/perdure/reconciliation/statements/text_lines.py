"""The lines of a file of text, decoded as somebody said, none of them endless."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from perdure.reconciliation.statements.model import wrong

LINE_BYTES_MAX: Final = 65_536
ENCODINGS: Final = ("utf-8", "latin-1", "cp1252")
"""Those that a file may be in: nothing is guessed, as a wrong guess reads another name."""

_MARK: Final = b"\xef\xbb\xbf"
_OF_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def read_lines(file: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield each line's number, from 1, and its text without what ends it.

    Raises:
        InvalidInput: `invalid_encoding`, `invalid_statement`; names the line.
    """
    number = 0
    while content := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number == 1:
            if content.startswith(_OF_UTF16):
                raise wrong(1, "encoding", "it is UTF-16; save it as UTF-8.", code=_CODE)
            content = content.removeprefix(_MARK)
        if len(content) > LINE_BYTES_MAX:
            raise wrong(number, "line", f"it has more than {LINE_BYTES_MAX} bytes.")
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError as error:
            byte = content[error.start]
            others = " or ".join(one for one in ENCODINGS if one != encoding)
            raise wrong(
                number,
                "encoding",
                f"the byte {byte:#x} is not {encoding}; if the file is {others}, say so with the"
                " account.",
                code=_CODE,
            ) from None
        yield number, text.rstrip("\r\n")


_CODE: Final = "invalid_encoding"
