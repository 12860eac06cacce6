"""Addresses as they stand in the cells of people's spreadsheets."""

import pytest

from outreach.mail.addresses import from_cell, is_valid, without_tag


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("mia@ad.example", "mia@ad.example"),
        ("Roth, Mia <mia@ad.example>", "mia@ad.example"),
        ("<mia@AD.example>", "mia@ad.example"),
        ("mailto:mia@ad.example", "mia@ad.example"),
        ("MAILTO:mia@ad.example?subject=Hi", "mia@ad.example"),
        ("mia@ad.example.", "mia@ad.example"),
        ("mia@ad.example;", "mia@ad.example"),
        ("'mia@ad.example'", "mia@ad.example"),
        ("\u201cmia@ad.example\u201d", "mia@ad.example"),
        ("\u202amia@ad.example\u202c", "mia@ad.example"),
        ("mia@ad.example\r\n", "mia@ad.example"),
        ("mia@gc.example ::: mia2@gc.example", "mia@gc.example"),
        ("o'hara@ad.example", "o'hara@ad.example"),
        ("'+4915100@sms.example", "+4915100@sms.example"),
        ("'-jo@ad.example", "-jo@ad.example"),
        ("'mia@ad.example", "mia@ad.example"),
        ("mailto:%20mia@ad.example", "mia@ad.example"),
    ],
)
def test_an_address_is_taken_out_of_what_stands_around_it(cell: str, address: str) -> None:
    """What mail programs, spreadsheets and Google Contacts write."""
    assert from_cell(cell) == address
    assert is_valid(address)


@pytest.mark.parametrize(
    "cell",
    [
        "mia@ad.example; mia.r@ad.example",
        "mia@ad.example,tom@ad.example",
        "mia@ad,example",
        "mia @ad.example",
        "mia@ad.example?subject=x",
        "N/A",
        "Mia <Roth>",
        "'",
        "",
    ],
)
def test_what_is_no_single_address_stays_what_it_is(cell: str) -> None:
    """To be refused, not guessed."""
    assert not is_valid(from_cell(cell))


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        ("Ada+Test@Ours.example", "ada@ours.example"),
        ("ada@ours.example", "ada@ours.example"),
        ("+ada@ours.example", "+ada@ours.example"),
    ],
)
def test_a_tag_leads_to_the_same_mailbox(address: str, mailbox: str) -> None:
    """As Gmail has it."""
    assert without_tag(address) == mailbox
