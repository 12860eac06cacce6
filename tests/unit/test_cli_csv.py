"""Leads from CSV files as people really have them."""

import io
from collections.abc import Iterator

import pytest

from outreach.cli.csv_leads import Row, Skip, check_encoding, read_leads
from outreach.errors import Rejected


def read(text: str) -> tuple[list[Row], list[Skip]]:
    """The leads and what was left out."""
    skipped: list[Skip] = []
    return list(read_leads(io.StringIO(text, newline=""), skipped.append)), skipped


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_is_read_with_the_delimiter_of_its_header(delimiter: str) -> None:
    """Comma, semicolon (Excel in much of Europe) and tab."""
    text = "Email , name\nzoe@acme.example,Zoë\n".replace(",", delimiter)

    assert read(text) == ([{"email": "zoe@acme.example", "name": "Zoë"}], [])


def test_a_column_that_is_not_known_becomes_a_custom_field() -> None:
    """Named as in the header; an empty cell is a known, empty value."""
    assert read("EMAIL,City,Plan\na@acme.example, Köln ,\n")[0] == [
        {"email": "a@acme.example", "custom_fields": {"City": "Köln", "Plan": ""}}
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    """Excel writes one before “CSV UTF-8”."""
    assert read("\ufeffemail\na@acme.example\n")[0] == [{"email": "a@acme.example"}]


def test_a_template_keeps_its_lines_and_indentation() -> None:
    """A quoted cell may hold line breaks; the next row's line number counts them."""
    leads, skipped = read('email,email_template\na@acme.example,"<p>\n  Hi\n</p>"\nbad,\n')

    assert leads[0]["email_template"] == "<p>\n  Hi\n</p>"
    assert skipped == [Skip(5, "bad", "this is not a mail address")]


def test_a_bad_address_leaves_out_its_line_alone() -> None:
    """The others go on; a line of empty cells is nothing at all."""
    leads, skipped = read("email,name\nnobody,x\n,y\n,\n\na@acme.example,z\n")

    assert leads == [{"email": "a@acme.example", "name": "z"}]
    assert skipped == [
        Skip(2, "nobody", "this is not a mail address"),
        Skip(3, "", "it has no address"),
    ]


def test_of_the_same_address_the_first_line_wins_whatever_its_case() -> None:
    """The second is told, with the line of the first."""
    leads, skipped = read("email,name\nA@acme.example,first\na@ACME.example,second\n")

    assert [lead["name"] for lead in leads] == ["first"]
    assert skipped == [Skip(3, "a@acme.example", "the address is already on line 2")]


def test_a_row_with_more_cells_than_the_header_is_left_out() -> None:
    """Its values stand in the wrong columns. Empty cells too many or cells too few do no harm."""
    leads, skipped = read(
        "email,name\na@acme.example,Doe, Jane\nb@acme.example,B,,\nc@acme.example\n"
    )

    assert leads == [
        {"email": "b@acme.example", "name": "B"},
        {"email": "c@acme.example", "name": ""},
    ]
    assert [(skip.line, skip.reason[:32]) for skip in skipped] == [
        (2, "it has 3 cells and the header 2:")
    ]


def test_a_quote_that_is_never_closed_does_not_swallow_rows_silently() -> None:
    """What cannot be read is told with all its lines, and the rest goes on."""
    leads, skipped = read(
        'email,name\na@acme.example,"Jane\nb@acme.example,"B"\nc@acme.example,C\n'
    )

    assert leads == [{"email": "c@acme.example", "name": "C"}]
    assert [skip.line for skip in skipped] == [2]
    assert skipped[0].reason.startswith("lines 2 to 3, where a quote is not closed,")


def test_a_row_with_a_nul_character_is_left_out() -> None:
    """Postgres cannot store one."""
    assert read("email,name\na@acme.example,x\0y\nb@acme.example,B\n") == (
        [{"email": "b@acme.example", "name": "B"}],
        [Skip(2, "a@acme.example", "it holds a NUL character")],
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The file is empty"),
        ("\n\n", "The file is empty"),
        ("mail,name\na@acme.example,A\n", "has no column email: its first line is 'mail,name'"),
        ("e\0m\0a\0i\0l\0\n", "NUL characters; is it UTF-16"),
        ("email,,name\n", "Column 2 has no name"),
        ("email,Name,name\n", "two columns 'name'"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(text: str, why: str) -> None:
    """One sentence that says what to correct."""
    with pytest.raises(Rejected, match=why):
        read(text)


@pytest.mark.parametrize(
    ("data", "encoding", "why"),
    [
        (b"email\nJos\xe9", "utf-8", r"not utf-8 \(line 2\).*--encoding cp1252"),
        ("email".encode("utf-16"), "utf-8", "--encoding utf-16"),
        (b"email\n\x81", "cp1252", r"not cp1252 \(line 2\)"),
        (b"email", "latin-nonsense", "no encoding 'latin-nonsense'"),
        (b"email", "base64", "no encoding 'base64'"),
    ],
)
def test_a_file_in_another_encoding_is_refused_before_anything_is_imported(
    data: bytes, encoding: str, why: str
) -> None:
    """Never guessed: a wrong guess is a person's misspelt name in a mail that left."""
    with pytest.raises(Rejected, match=why):
        check_encoding(io.BytesIO(data), encoding)


def test_a_character_across_two_chunks_is_no_error() -> None:
    """The file is checked in pieces, its characters are not."""
    check_encoding(io.BytesIO(b"x" * 65535 + "é".encode()), "utf-8")


def test_a_hundred_thousand_lines_are_streamed() -> None:
    """Each lead is handed out before the next line is read."""
    consumed = 0

    def lines() -> Iterator[str]:
        nonlocal consumed
        for number in range(100_001):
            consumed += 1
            yield f"lead{number}@acme.example,Lead\n" if number else "email,name\n"

    leads = read_leads(lines())
    next(leads)
    ahead = consumed - 2

    assert (ahead, 1 + sum(1 for _ in leads)) == (0, 100_000)
