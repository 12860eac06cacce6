"""Opens a file of leads as text and checks its encoding before the import. Reads only."""

import codecs
import io
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from outreach.errors import Rejected

USUAL = "utf-8"
_MARKED = (
    # Longest first: UTF-32's mark begins with UTF-16's.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LONGEST_LINE = 20_000_000
"""Characters: a whole line is in memory at once."""
_CHUNK = 64 * 1024


@contextmanager
def opened_text(path: Path, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    """The file's text, once all of it is checked to be in this encoding; it can be read again.

    None: UTF-8, or the encoding of the file's own byte order mark. Raises Rejected.
    """
    with path.open("rb") as opened, tempfile.TemporaryFile() as copy:
        file: BinaryIO = opened
        if not opened.seekable():  # a pipe, such as <(…), can be read once only
            shutil.copyfileobj(opened, copy)
            copy.seek(0)
            file = copy
        encoding = encoding or _marked(file)
        check_encoding(file, encoding)
        file.seek(0)
        yield io.TextIOWrapper(file, encoding=encoding, newline="")


def check_encoding(file: BinaryIO, encoding: str) -> None:
    """Read the file to its end. Raises Rejected with the line that is not in this encoding, or that
    is too long for memory.

    It never guesses: any file can be read as Windows-1252, and a wrong guess would be sent as a
    person's misspelt name.
    """
    decoder, line, length = _decoder(encoding), 1, 0
    while True:
        chunk = file.read(_CHUNK)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            raise _wrong_encoding(encoding, line, error) from None
        if not chunk:
            return
        line += text.count("\n")
        ends = max(text.rfind("\n"), text.rfind("\r"))
        length = length + len(text) if ends < 0 else len(text) - ends
        if length > LONGEST_LINE:
            raise Rejected(
                f"Line {line} of the file has more than {LONGEST_LINE:,} characters, so nothing "
                "was imported; is it a CSV file?"
            )


def _marked(file: BinaryIO) -> str:
    head = file.read(4)
    file.seek(0)
    return next((encoding for mark, encoding in _MARKED if head.startswith(mark)), USUAL)


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
        decoder.decode(b"")
        "".encode(encoding)  # a codec such as base64 is not a text encoding
    except (LookupError, TypeError, ValueError):
        raise Rejected(
            f"There is no encoding {encoding!r}", "write one like utf-8, cp1252 or utf-16"
        ) from None
    return decoder


def _wrong_encoding(encoding: str, line: int, error: UnicodeError) -> Rejected:
    data = error.object if isinstance(error, UnicodeDecodeError) else b""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        advice = "it looks like UTF-16: import it with --encoding utf-16"
    elif codecs.lookup(encoding).name.startswith("utf-8"):
        advice = (
            "save it as “CSV UTF-8”, or name its encoding, for Western Excel usually "
            "--encoding cp1252"
        )
    else:
        advice = "name its encoding with --encoding"
    at = line + data[: getattr(error, "start", 0)].count(b"\n")
    return Rejected(f"The file is not {encoding} (line {at}), so nothing was imported", f"{advice}")
