"""Leads from CSV files as people really have them."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from outreach.cli.leads.csv_file import Row, Sheet, Skip, read_leads
from outreach.cli.leads.csv_text import check_encoding, opened_text
from outreach.cli.leads.own_texts import OwnTexts
from outreach.cli.leads.summary import of_file
from outreach.errors import Rejected


def sheet(text: str, *maps: str) -> Sheet:
    return Sheet(io.StringIO(text, newline=""), maps)


def read(text: str, *maps: str, clear: tuple[str, ...] = ()) -> tuple[list[Row], list[Skip]]:
    """The leads and what was left out."""
    skipped: list[Skip] = []
    own = OwnTexts.among(sheet(text, *maps))
    leads = read_leads(sheet(text, *maps), skipped.append, clear=clear)
    return list(own.marked(leads)), skipped


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_file_is_read_with_the_delimiter_of_its_header(delimiter: str) -> None:
    """Comma, semicolon (Excel in much of Europe), tab and bar."""
    text = "Email , name\nzoe@acme.example,Zoë\n".replace(",", delimiter)

    assert read(text) == ([{"email": "zoe@acme.example", "name": "Zoë"}], [])


def test_a_column_that_is_not_known_becomes_a_custom_field() -> None:
    """Named as in the header; an empty cell is a known, empty value."""
    assert read("EMAIL,City,Plan\na@acme.example, Köln ,\n")[0] == [
        {
            "email": "a@acme.example",
            "custom_fields": {"City": "Köln"},
            "empty_fields": {"Plan": ""},
        }
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


def test_a_mailbox_is_imported_once_however_it_is_written() -> None:
    """Unicode and punycode, composed and decomposed: one line, one address."""
    leads, skipped = read(
        "email\nx@bücher.example\nX@xn--bcher-kva.example\nx@bu\u0308cher.example\u00a0\n"
    )

    assert leads == [{"email": "x@xn--bcher-kva.example"}]
    assert [skip.reason for skip in skipped] == ["the address is already on line 2"] * 2


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


def test_a_cell_that_is_too_long_is_no_fault_of_quotes() -> None:
    """Its line alone is left out."""
    leads, skipped = read(f"email,name\na@acme.example,{'x' * 10_000_000}\nb@acme.example,B\n")

    assert leads == [{"email": "b@acme.example", "name": "B"}]
    assert skipped == [Skip(2, "", "it has a cell of more than 1,000,000 characters")]


def test_a_quote_may_be_what_made_a_cell_too_long() -> None:
    """Nobody can say which of the two it is."""
    lines = "\n".join(["x" * 1000] * 1100)
    _, skipped = read(f'email,name\na@acme.example,"{lines}')

    assert skipped[0].reason == (
        "lines 2 to 1001 have a cell of more than 1,000,000 characters, or a quote that is not closed"
    )


def test_a_line_that_no_memory_should_hold_is_refused() -> None:
    """It is looked for in pieces, before any line is read."""
    with pytest.raises(Rejected, match="Line 2 of the file has more than 20,000,000 characters"):
        check_encoding(io.BytesIO(b"email\n" + b"x" * 20_000_001), "utf-8")
    check_encoding(io.BytesIO(b"email\n" + b"x\r" * 10_000_001), "utf-8")


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
        ("who,name\na@acme.example,A\n", "has no column email: its first line is 'who,name'"),
        ("a@acme.example,A\nemail@acme.example,B\n", "has no column email"),
        ("x\n" * 40 + "email\na@acme.example\n", "has no column email"),
        ("e\0m\0a\0i\0l\0\n", "NUL characters; is it UTF-16"),
        ("email,Name,name\n", r"two columns 'name' \(2 and 3\).*leave one out with --map"),
        ("Email,Secondary Email,email\n", r"two columns 'email' \(1 and 3\)"),
        ("email,First Name,first_name\n", r"two columns 'first_name' \(2 and 3\)"),
        ("email,city,plan,City\n", r"two columns 'City' \(2 and 4\)"),
        (
            f"email,{'x' * 200_000}\n",
            r"Column 2 has a name of more than 1,000 characters \('x{40}'",
        ),
        ("x" * 300_000, "has no column email: its first line is 'x{60}'"),
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

    leads = read_leads(Sheet(lines()))
    next(leads)
    ahead = consumed - 2

    assert (ahead, 1 + sum(1 for _ in leads)) == (0, 100_000)


# --- files as people's tools write them -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "lead"),
    [
        (
            "LinkedIn, with its notes",
            ('Notes:\n"Some of the addresses, as members choose, may be absent."\n\n'
            "First Name,Last Name,URL,Email Address,Company,Position,Connected On\n"
            "Mia,Roth,https://l.example/in/mia,mia@li.example,Linden,CTO,12 Jan 2026\n"),
            {"email": "mia@li.example", "name": "Mia Roth", "role": "CTO", "company": "Linden"},
        ),
        (
            "HubSpot",
            ('"Record ID","First Name","Last Name","Email","Associated Company","Job Title"\n'
            '"101","Mia","Roth","mia@hs.example","Hornbeam AG","CTO"\n'),
            {"email": "mia@hs.example", "name": "Mia Roth", "role": "CTO", "company": "Hornbeam AG"},
        ),
        (
            "HubSpot's companies",
            "Email,Company name,Company Domain Name\nmia@hs.example,Hornbeam,hornbeam.example\n",
            {"email": "mia@hs.example", "company": "Hornbeam", "domain": "hornbeam.example"},
        ),
        (
            "Apollo",
            ("First Name,Last Name,Title,Company Name,Company Name for Emails,Email,Website\n"
            "Mia,Roth,CTO,Sapphire GmbH,Sapphire,mia@ap.example,http://www.ap.example\n"),
            {
                "email": "mia@ap.example", "name": "Mia Roth", "role": "CTO",
                "company": "Sapphire GmbH", "domain": "http://www.ap.example",
            },
        ),
        (
            "Google Contacts",
            ("First Name,Last Name,Organization Name,Organization Title,E-mail 1 - Label,"
            "E-mail 1 - Value,E-mail 2 - Value\n"
            "Mia,Roth,Linden,CTO,* Work,mia@gc.example ::: mia2@gc.example,x@gc.example\n"),
            {"email": "mia@gc.example", "name": "Mia Roth", "role": "CTO", "company": "Linden"},
        ),
        (
            "Outlook",
            ("Title,First Name,Last Name,Company,Job Title,E-mail Address,E-mail 2 Address,Web Page\n"
            "Dr.,Mia,Roth,Linden,CTO,mia@ol.example,x@ol.example,http://ol.example\n"),
            {
                "email": "mia@ol.example", "name": "Mia Roth", "role": "CTO", "company": "Linden",
                "domain": "http://ol.example",
            },
        ),
        (
            "Excel in German, a list with two halves of the name",
            ("sep=;\nVorname;Name;Firma;Funktion;E-Mail-Adresse;Webseite\n"
            "Mia;Roth;Linde;Leiterin;mia@de.example;www.de.example\n"),
            {
                "email": "mia@de.example", "name": "Mia Roth", "role": "Leiterin",
                "company": "Linde", "domain": "www.de.example",
            },
        ),
        (
            "Excel in German, with the whole name beside its halves",
            "Name;Vorname;Nachname;E-Mail\nDr. Mia Roth;Mia;Roth;mia@de.example\n",
            {"email": "mia@de.example", "name": "Dr. Mia Roth"},
        ),
        (
            "Excel in French",
            "Prénom;Nom;Société;Fonction;Adresse e-mail\nMia;Roth;Tilleul;Directrice;mia@fr.example\n",
            {"email": "mia@fr.example", "name": "Mia Roth", "role": "Directrice", "company": "Tilleul"},
        ),
        (
            "a French list of whole names",
            "Nom;Courriel;Entreprise\nMia Roth;mia@fr.example;Tilleul\n",
            {"email": "mia@fr.example", "name": "Mia Roth", "company": "Tilleul"},
        ),
        (
            "Excel in Spanish",
            "Nombre;Apellidos;Empresa;Cargo;Correo electrónico\nMia;Roth;Tilo;Directora;mia@es.example\n",
            {"email": "mia@es.example", "name": "Mia Roth", "role": "Directora", "company": "Tilo"},
        ),
        (
            "a Spanish list of whole names",
            "NOMBRE,CORREO\nMia Roth,mia@es.example\n",
            {"email": "mia@es.example", "name": "Mia Roth"},
        ),
        ("Excel's sep, quoted", '"sep=,"\nemail,name\nmia@se.example,Mia\n', {"email": "mia@se.example", "name": "Mia"}),
        ("a separator of one's own", "sep=^\nemail^name\nmia@se.example^Mia\n", {"email": "mia@se.example", "name": "Mia"}),
        ("line ends of old Macs", "email,name\rmia@cr.example,Mia\r", {"email": "mia@cr.example", "name": "Mia"}),
        ("headers in capitals", "EMAIL,Name,COMPANY\nmia@ch.example,Mia,Chalk\n", {"email": "mia@ch.example", "name": "Mia", "company": "Chalk"}),
        ("a header with a line break", 'email,"Company\n(legal name)"\nmia@ml.example,Mallow\n', {"email": "mia@ml.example", "company": "Mallow"}),
        ("a first header with a line break", '"Company\nName",email\nMallow,mia@ml.example\n', {"email": "mia@ml.example", "company": "Mallow"}),
        ("a better column than one with a comment", "Company (ID),Company Name,email\n4711,Mallow,mia@ml.example\n", {"email": "mia@ml.example", "company": "Mallow"}),
        ("a person beside a company", "Email (Contact Person),Email (Company)\nmia@ml.example,info@ml.example\n", {"email": "mia@ml.example"}),
        ("a private address beside one for business", "Email (Home),Email (Work)\nmia@home.example,mia@ml.example\n", {"email": "mia@ml.example"}),
        ("an index without a name", ",email,name\n0,mia@pd.example,Mia\n", {"email": "mia@pd.example", "name": "Mia"}),
        ("columns without anything", "email,name,,\nmia@tr.example,Mia,,\n", {"email": "mia@tr.example", "name": "Mia"}),
        ("too few cells", "email,name,company\nmia@fc.example\n", {"email": "mia@fc.example", "name": "", "company": ""}),
        (
            "spaces that may not break",
            "email,name,company\nmia@nb.example,\u00a0Mia\u00a0Roth\u00a0,Nimbus\u00a0AG\n",
            {"email": "mia@nb.example", "name": "Mia Roth", "company": "Nimbus AG"},
        ),
        ("a name on two lines", 'email,name\nmia@tl.example,"Mia\nRoth"\n', {"email": "mia@tl.example", "name": "Mia Roth"}),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value and "\r" not in value else "",
)  # fmt: skip
def test_each_tools_file_is_read(name: str, text: str, lead: Row) -> None:
    """Its columns by their names; each of another name than ours keeps that for templates."""
    leads, skipped = read(text)

    assert ([{**row, "custom_fields": {}, "empty_fields": {}} for row in leads], skipped) == (
        [{**lead, "custom_fields": {}, "empty_fields": {}}],
        [],
    ), name


def test_a_column_that_is_known_by_another_name_keeps_it_for_templates() -> None:
    """`{{ first_name }}` and `{{ job_title }}` work as before; what has our own name is there once."""
    (lead,), _ = read(
        "E-Mail,First\nName,Job Title\n".replace("First\nName", '"First\nName"')
        + "m@x.example,Mia,CTO\n"
    )

    assert lead == {
        "email": "m@x.example", "name": "Mia", "role": "CTO",
        "custom_fields": {"First Name": "Mia", "Job Title": "CTO"}, "empty_fields": {},
    }  # fmt: skip


def test_how_a_header_was_read_is_told() -> None:
    """Lines above it, a column without a name, other names than ours, a name that shows another value."""
    file = sheet(
        "Export of today\n,Email,First Name,company,Company Name\n0,m@x.example,Mia,Linden,Linden AG\n"
    )
    list(read_leads(file))

    assert of_file(file) == [
        "1 line(s) above the header were passed over.",
        'Column 1 has no name: what is in it was left out; --map "#1=field" takes it.',
        "Columns read by their names: “First Name” is the name, first part.",
        "Column 5 (Company Name) is hidden: {{ Company Name }} in a template is the lead's company, from column 4 (company).",
    ]
    plain = sheet("Email,name,City\nm@x.example,Mia,Graz\n")
    list(read_leads(plain))
    assert of_file(plain) == []


@pytest.mark.parametrize(
    ("maps", "lead"),
    [
        (["Who=email"], {"email": "m@x.example", "custom_fields": {"Kunde": "Linden", "x": "1", "y": "2"}}),
        (["who=email", "Kunde=Company", "#3=", "#4=points"], {"email": "m@x.example", "company": "Linden", "custom_fields": {"points": "2"}}),
        (["#1=EMAIL", "#2=first_name", "#3="], {"email": "m@x.example", "name": "Linden", "custom_fields": {"y": "2"}}),
    ],
)  # fmt: skip
def test_a_column_is_what_somebody_says_it_is(maps: list[str], lead: Row) -> None:
    """By its header or its number; nothing behind the sign leaves it out."""
    text = "Who;Kunde;x;y\nm@x.example;Linden;1;2\n"

    assert read(text, *maps) == ([{**lead, "empty_fields": {}}], [])


@pytest.mark.parametrize(
    ("maps", "why"),
    [
        (["Who"], "'Who' names no column; write it like --map"),
        (["=email"], "'=email' names no column"),
        (["Whom=role"], "no column 'Whom'; its columns are Email, Who, Who, #4"),
        (["#9=role"], "no column '#9'"),
        (["Who=role"], "several columns 'Who'; say which one by its number"),
        (["#2=role", "#3=role"], "two columns 'Who'"),
        (["#2=email"], r"two columns 'Who' \(1 and 2\)|two columns 'Email'"),
    ],
)
def test_a_column_that_is_not_there_or_not_the_only_one_is_refused(
    maps: list[str], why: str
) -> None:
    """With the names that there are."""
    with pytest.raises(Rejected, match=why):
        sheet("Email,Who,Who,,x\n", *maps)


def test_empty_cells_empty_what_somebody_names() -> None:
    """In each row those that are empty there."""
    text = "email,name,City,Job Title\na@x.example,,,CTO\nb@x.example,Ben,Graz,\n"

    leads, _ = read(text, clear=("name", "City", "Job Title"))

    assert [lead["clear"] for lead in leads] == [["name"], ["role"]]
    assert [lead["custom_fields"] for lead in leads] == [
        {"City": "", "Job Title": "CTO"},
        {"City": "Graz", "Job Title": ""},
    ]
    kept = read(text)[0][0]
    assert ("clear" in kept, kept["empty_fields"]) == (False, {"City": ""})


@pytest.mark.parametrize("column", ["email", "domain", "Plan", "First Name=x"])
def test_what_cannot_be_emptied_is_refused(column: str) -> None:
    """An address, a company's domain, what is not in the file."""
    with pytest.raises(Rejected, match="nothing to empty in a column"):
        read("email,domain,name\na@x.example,,\n", clear=(column,))


def test_texts_that_differ_within_a_company_are_each_leads_own() -> None:
    """By its name, or by its domain where a row has that alone; what its rows share is not told."""
    leads, _ = read(
        "email,company,domain,email_subject,email_template\n"
        "a@x.example,Plane,,Your talk,Hi\n"
        "b@x.example,PLANE,,Your post,Hi\n"
        "c@x.example,Birch,b.example,One,Hi\n"
        "d@x.example,,http://www.B.example/,One,Ho\n"
        "e@x.example,Plane,,,\n"
        "f@x.example,,,Mine,Mine\n"
        "g@x.example,Fir,gmail.com,Yours,Yours\n"
        "h@x.example,Gum,gmail.com,Ours,Ours\n"
    )

    assert {lead["email"][0]: lead["own_text"] for lead in leads if "own_text" in lead} == {
        "a": ["email_subject"], "b": ["email_subject"], "c": ["email_template"],
        "d": ["email_template"],
    }  # fmt: skip


def test_lines_that_are_no_leads_are_told() -> None:
    """The header again, a total, several addresses in one cell."""
    _, skipped = read(
        'email,name\na@x.example,A\nemail,name\nTotal: 1,\n"a@x.example; b@x.example",A\n'
    )

    assert [(skip.line, skip.reason) for skip in skipped] == [
        (3, "it repeats the header"),
        (4, "this is not a mail address"),
        (5, "it holds several addresses"),
    ]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("email\tname\r\nm@x.example\tZoë\r\n".encode("utf-16"), "Zoë"),
        ("email,name\nm@x.example,Zoë\n".encode("utf-32"), "Zoë"),
        ("email,name\nm@x.example,Zoë\n".encode("utf-8-sig"), "Zoë"),
    ],
    ids=["UTF-16, as Excel's “Unicode text”", "UTF-32", "UTF-8"],
)
def test_a_byte_order_mark_says_the_encoding(tmp_path: Path, data: bytes, name: str) -> None:
    """Which is no guess."""
    file = tmp_path / "leads.csv"
    file.write_bytes(data)
    with opened_text(file, None) as text:
        assert [lead["name"] for lead in read_leads(Sheet(text))] == [name]


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("Mia", "Roth", "Mia Roth"),
        ("Mia", "Mia Roth", "Mia Roth"),
        ("Anna Maria", "Anna Maria Roth", "Anna Maria Roth"),
        ("Mia Roth", "Roth", "Mia Roth"),
        ("Mia Roth", "Mia Roth", "Mia Roth"),
        ("Martín", "San Martín", "Martín San Martín"),
        ("Mia", "Dr. Mia Roth", "Dr. Mia Roth"),
        ("Mia", '"Roth, Mia"', "Roth, Mia"),
        ("Roth", "Rothman", "Roth Rothman"),
    ],
)
def test_a_name_in_two_cells_is_joined_once(first: str, last: str, name: str) -> None:
    """Some tools have the whole name in one of them."""
    leads, _ = read(f"First Name,Last Name,email\n{first},{last},mia@ml.example\n")
    assert [lead["name"] for lead in leads] == [name]
