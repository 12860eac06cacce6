"""Bodies of POSTs to an address to unsubscribe: valid ones in every odd shape, and others.

The same for Python and for the web app's route.
"""

from typing import NamedTuple

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b0un-d"


class Body(NamedTuple):
    name: str
    type: str
    body: bytes


def _lines(*lines: str, end: str = "\r\n") -> bytes:
    return end.join([*lines, ""]).encode()


PART = 'Content-Disposition: form-data; name="List-Unsubscribe"'

ACTS = [
    Body("urlencoded", URLENCODED, b"List-Unsubscribe=One-Click"),
    Body("urlencoded with a charset", f"{URLENCODED}; charset=UTF-8", b"List-Unsubscribe=One-Click"),
    Body("a trailing line break", URLENCODED, b"List-Unsubscribe=One-Click\r\n"),
    Body("percent-encoded", URLENCODED, b"List%2DUnsubscribe=One%2DClick"),
    Body("another field", URLENCODED, b"a=b&List-Unsubscribe=One-Click&c="),
    Body("no type", "", b"List-Unsubscribe=One-Click"),
    Body("multipart", MULTIPART, _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--")),
    Body(
        "a quoted boundary",
        'Multipart/Form-Data; Boundary="b0un-d"',
        _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--"),
    ),
    Body(
        "signs in the boundary",
        'multipart/form-data; boundary="=_(a+b)?./:"',
        _lines("--=_(a+b)?./:", PART, "", "One-Click", "--=_(a+b)?./:--"),
    ),
    Body(
        "blanks after the boundary",
        MULTIPART,
        _lines("--b0un-d  \t", PART, "", "One-Click", "--b0un-d-- "),
    ),
    Body(
        "a folded part header",
        MULTIPART,
        _lines(
            "--b0un-d",
            "Content-Disposition: form-data;",
            '\tname="List-Unsubscribe"',
            "",
            "One-Click",
            "--b0un-d--",
        ),
    ),
    Body(
        "a preamble",
        MULTIPART,
        _lines("This is multipart.", "--b0un-d", PART, "", "One-Click", "--b0un-d--"),
    ),
    Body(
        "an epilogue",
        MULTIPART,
        _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--", "The end.", "--b0un-d"),
    ),
    Body(
        "an unquoted name",
        MULTIPART,
        _lines(
            "--b0un-d",
            "content-disposition: form-data; name=List-Unsubscribe",
            "",
            "One-Click",
            "--b0un-d--",
        ),
    ),
    Body(
        "line feeds alone",
        MULTIPART,
        _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--", end="\n"),
    ),
    Body(
        "a line break after the value",
        MULTIPART,
        _lines("--b0un-d", PART, "", "One-Click", "", "--b0un-d--"),
    ),
    Body(
        "no line break at the end",
        MULTIPART,
        _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--").removesuffix(b"\r\n"),
    ),
    Body(
        "a type of the part",
        MULTIPART,
        _lines(
            "--b0un-d", "Content-Type: text/plain; charset=us-ascii", PART, "", "One-Click", "--b0un-d--"
        ),
    ),
    Body(
        "a second part",
        MULTIPART,
        _lines(
            "--b0un-d",
            'Content-Disposition: form-data; name="a"; filename="b; name=c"',
            "",
            "d",
            "--b0un-d",
            PART,
            "",
            "One-Click",
            "--b0un-d--",
        ),
    ),
]  # fmt: skip

DOES_NOTHING = [
    Body("empty", URLENCODED, b""),
    Body("without One-Click", URLENCODED, b"List-Unsubscribe="),
    Body("another value", URLENCODED, b"List-Unsubscribe=Two-Clicks"),
    Body("another name", URLENCODED, b"X-List-Unsubscribe=One-Click"),
    Body("JSON", "application/json", b'{"List-Unsubscribe": "One-Click"}'),
    Body("text", "text/plain", b"List-Unsubscribe=One-Click"),
    Body("multipart without a boundary", "multipart/form-data", b"List-Unsubscribe=One-Click"),
    Body("an empty multipart", MULTIPART, b""),
    Body("the field after the end", MULTIPART, _lines("--b0un-d--", "--b0un-d", PART, "", "One-Click")),
    Body("no delimiter", MULTIPART, _lines(PART, "", "One-Click")),
    Body("a part without a name", MULTIPART, _lines("--b0un-d", "", "One-Click", "--b0un-d--")),
    Body(
        "multipart of another kind",
        "multipart/mixed; boundary=b0un-d",
        _lines("--b0un-d", PART, "", "One-Click", "--b0un-d--"),
    ),
    Body("bytes", MULTIPART, bytes(range(256)) * 8),
]  # fmt: skip
