"""What recipients read, of the files that people really have: links, lists, lines, subjects."""

import email
import email.policy
from uuid import UUID

import pytest

from outreach.campaign.models import Company, Lead, Sender
from outreach.errors import TemplateNotReady
from outreach.mail.document import CLIPPED
from outreach.mail.entities import in_attribute
from outreach.mail.mime import build
from outreach.mail.plain_text import plain_text
from outreach.mail.render import Rendered, render
from outreach.preflight.campaign import TRIAL

PIXEL = "https://app.acme.com/api/track/open?id=1&type=campaign_lead"


def rendered(
    template: str, *, subject: str = "x", variables: bool = False, **lead: str
) -> Rendered:
    fields = {"name": "Mia", "company": "Valley", **lead}
    name, company = fields.pop("name"), fields.pop("company")
    return render(
        Company(name=company, email_subject=subject, email_template=template),
        Lead(email="mia@va.example", name=name, role="CTO", custom_fields=fields),
        pixel_url=None,
        subject_variables=variables,
    )


def shown(template: str, **lead: str) -> tuple[str, str]:
    """What stands in the body of the document, and the text."""
    mail = rendered(template, **lead)
    body = mail.html.partition("<body>\n")[2].partition("\n</body>")[0]
    return body.removeprefix('<div dir="auto">\n').removesuffix("\n</div>"), mail.text


# --- subjects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("{{ name }}, a deck for {{ company }}", "Mia O'Roth & Co, a deck for <Alder>"),
        ("{name}, a deck for {company}", "Mia O'Roth & Co, a deck for <Alder>"),
        ("{% if name %}For you{% endif %}", "For you"),
        ("{{ name|upper }} {{ nickname or 'there' }}", "MIA O'ROTH & CO there"),
        ("Q&A, Q&amp;A <b> {Quick|Short}", "Q&A, Q&amp;A <b> {Quick|Short}"),
        ("{{ address }}: 50 % off", "Main St 1 8010 Graz: 50 % off"),
        ("  {{ name if not name }}  Two spaces ", "Two spaces"),
    ],
)
def test_a_subject_with_variables_is_filled_as_one_line_of_text(
    subject: str, expected: str
) -> None:
    """Never as HTML, whatever the values are."""
    lead = {"name": "Mia O'Roth & Co", "company": "<Alder>", "address": "Main St 1\r\n8010 Graz"}
    mail = rendered("Hi", subject=subject, variables=True, **lead)
    assert (mail.subject, rendered("Hi", subject=subject, **lead).subject) == (expected, subject)


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        ("Your {{ city }}", "has {{ city }}, which this lead has no value for"),
        ("{{ name", "has an error in line 1: unexpected end of template, expected 'end of print"),
        ("{{ '' }}", "leaves this lead's mail without one"),
        ("A {{ braces }} deck", "leaves “{{x}}” in this lead's mail"),
        ("{{ long }}", "becomes longer than 1,000 characters"),
        ("{{ control }}", "becomes one with a control character"),
    ],
)
def test_a_subject_that_cannot_be_filled_fails_its_lead(subject: str, why: str) -> None:
    """In words of the subject, not of the template."""
    values = {"braces": "{{x}}", "control": "a\x86b", "long": "x" * 1_001}
    with pytest.raises(TemplateNotReady) as refused:
        rendered("Hi", subject=subject, variables=True, **values)
    assert str(refused.value).startswith(f"The email subject of Valley {why}")
    assert str(refused.value).endswith(
        "; correct the subject, then run `outreach campaigns retry-failed`."
    )


# --- links --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("?id=7&region=eu&copy=2&section=3&times=9&amp=1", "?id=7&region=eu&copy=2&section=3&times=9&amp=1"),
        ("?a=1&amp;copy=2&lt;b&#61;1&#x26;c", "?a=1&copy=2<b=1&c"),
        ("?a&notify&copycat&copy", "?a&notify&copycat©"),
        ("?a&copy;=1&nothing;&copyx;", "?a©=1&nothing;&copyx;"),
        ("&", "&"),
    ],
)  # fmt: skip
def test_the_value_of_an_attribute_is_decoded_as_browsers_do(written: str, meant: str) -> None:
    """`&copy` is no sign where a letter, a digit or `=` follows it."""
    assert in_attribute(written) == meant


def test_a_link_s_parameters_stay_as_they_are_meant() -> None:
    """In the text, and in the HTML where a browser would take them for signs."""
    address = "https://shop.example/p?id=7&region=eu&copy=2&section=3&currency=EUR&times=9&lang=en"
    _, of_link = shown(f'<p>See <a href="{address}">our page</a>.</p>')
    _, plain = shown(f"See {address} today.")
    html, of_text = shown("<p>https://shop.example/p?id=7&region=eu&copy=2, &copy 2026 &lt 3</p>")

    assert of_link == f"See our page ({address})."
    assert plain == f"See {address} today."
    assert html == "<p>https://shop.example/p?id=7&amp;region=eu&amp;copy=2, &copy 2026 &lt 3</p>"
    assert of_text == "https://shop.example/p?id=7&region=eu&copy=2, © 2026 < 3"


def test_the_text_names_an_address_without_what_a_mail_to_it_begins_with() -> None:
    """Nobody can write to `a@x.example?subject=…`."""
    assert plain_text('<a href="mailto:a@x.example?subject=Re%3A&body=Hi">write</a>') == (
        "write (a@x.example)"
    )


# --- lines and lists ----------------------------------------------------------------------------

ADDRESS = "Main St 1\r\n8010 Graz"


@pytest.mark.parametrize(
    ("template", "html", "text"),
    [
        (
            "<p>{{ address }}</p>{address}",
            "<p>Main St 1<br>8010 Graz</p>Main St 1<br>8010 Graz",
            "Main St 1\n8010 Graz\n\nMain St 1\n8010 Graz",
        ),
        ('<p title="{{ address }}">x</p>', '<p title="Main St 1\n8010 Graz">x</p>', "x"),
        (
            "<pre>a  {{ address }}\n  b</pre>",
            "<pre>a  Main St 1\n8010 Graz\n  b</pre>",
            "a  Main St 1\n8010 Graz\n  b",
        ),
        (
            "Hi\n\n{{ address }}",
            '<p dir="auto">Hi</p>\n<p dir="auto">Main St 1<br>\n8010 Graz</p>',
            "Hi\n\nMain St 1\n8010 Graz",
        ),
        (
            "<p>{{ address|upper }} {{ address.split('\\n')[1] }}</p>",
            "<p>MAIN ST 1<br>8010 GRAZ 8010 Graz</p>",
            "MAIN ST 1\n8010 GRAZ 8010 Graz",
        ),
    ],
)
def test_a_value_of_several_lines_keeps_them(template: str, html: str, text: str) -> None:
    """In HTML and in the text, but not within a tag."""
    assert shown(template, address=ADDRESS) == (html, text)


def test_the_lines_of_a_plain_template_stay_as_they_were_typed() -> None:
    """Their indentation, and the line that mail programs know a signature by."""
    template = "Hi,\n  - fast\n    - really\n\nCode:\n\tindent  \n   \n\n-- \nAda\n> quoted\n"
    html, text = shown(template)
    assert text == "Hi,\n  - fast\n    - really\n\nCode:\n\tindent\n\n-- \nAda\n> quoted"
    assert html == (
        '<p dir="auto">Hi,<br>\n&nbsp;&nbsp;- fast<br>\n&nbsp;&nbsp;&nbsp;&nbsp;- really</p>\n'
        '<p dir="auto">Code:<br>\n&nbsp;&nbsp;&nbsp;&nbsp;indent</p>\n'
        '<p dir="auto">-- <br>\nAda<br>\n&gt; quoted</p>'
    )


def test_a_template_that_is_indented_as_a_whole_is_not() -> None:
    """As one that was cut out of a program."""
    assert shown("\n    Hi {{ name }},\n\n      - fast\n    Ada\n")[1] == "Hi Mia,\n\n  - fast\nAda"


def test_the_signature_s_space_survives_the_encoding() -> None:
    """Quoted-printable would lose it at the end of a line."""
    mail = build(
        rendered("Hi\n-- \nAda"),
        sender=Sender(id=UUID(int=1), email="ada@ours.example"),
        to=Lead(email="mia@va.example"),
        attachment=None,
        search_token="o1",
        date=TRIAL,
    )
    parsed = email.message_from_bytes(bytes(mail), policy=email.policy.default)
    text = parsed.get_body(("plain",))
    assert text is not None
    assert text.get_content() == "Hi\r\n-- \r\nAda\r\n"


def test_lists_are_numbered_and_indented_in_the_text() -> None:
    """As Google Docs writes them, too: a paragraph in each item."""
    assert plain_text(
        '<p>Hi,</p><ul><li dir="ltr"><p><span>One</span></p></li><li><p>Two</p>'
        "<ul><li>Two a</li></ul></li></ul><ol><li>First</li><li>Second<ol><li>x</li></ol></li></ol>"
        '<ol start="7"><li>Seventh</li></ol><p>-- <br>Ada</p>'
    ) == ("Hi,\n\n- One\n- Two\n  - Two a\n\n1. First\n2. Second\n  1. x\n\n7. Seventh\n\n-- \nAda")


def test_lists_in_lists_without_end_stay_small() -> None:
    """Their indentation would grow with the square of the template."""
    assert len(plain_text("<ul><li>x" * 30_000)) < 30_000 * 40


@pytest.mark.parametrize(
    ("template", "directed"),
    [
        ("مرحبا", '<p dir="auto">مرحبا</p>'),
        ("<p>שלום</p>", '<div dir="auto">\n<p>שלום</p>\n</div>'),
    ],
)
def test_a_text_runs_in_the_direction_of_its_letters(template: str, directed: str) -> None:
    """Unless the template is a document that says so itself."""
    assert directed in rendered(template).html
    assert "auto" not in rendered(f"<html><body>{template}</body></html>").html


# --- what is left over --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "left"),
    [
        ("<p>Hi {<b>{ name }}</b>, q</p>", "{{ name }}"),
        ("<p>Hi &#123;&#123; name &#125;&#125;, q</p>", "{{ name }}"),
        ('<p><a href="&#x7b;&lcub;site}}">x</a></p>', "{{site}}"),
        ("<p>Hi {name}<i></i>}</p>".replace("{name}", "{<i></i>{ x }"), "{{ x }}"),
    ],
)
def test_a_placeholder_that_was_cut_by_tags_fails_its_lead(template: str, left: str) -> None:
    """No template engine sees it, every recipient does."""
    with pytest.raises(TemplateNotReady) as refused:
        rendered(template)
    assert str(refused.value) == (
        f"The email template of Valley leaves “{left}” in this lead's mail; "
        "correct the template, then run `outreach campaigns retry-failed`."
    )


def test_braces_that_nobody_sees_stop_nothing() -> None:
    """Those of style sheets and comments."""
    markup = "<style>@media print{a{b:c}}</style><!-- {&#123; }} --><p>Hi</p>"
    assert rendered(markup).text == "Hi"


# --- long mails ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<html><head></head><BODY title='a>b'>{}</body></html>", "<BODY title='a>b'><img"),
        ("<html><head><title>x</title></head><p>{}</p></html>", "</head><img"),
        ("<html><!-- <body> --><p>{}</p></html>", "<html><img"),
        ("<p>{}</p>", "<body><img"),
    ],
)
def test_the_pixel_comes_first_where_gmail_would_cut_it_off(template: str, expected: str) -> None:
    """It clips at 102 kB and fetches nothing of the rest; the search word stays the last."""
    company = Company(email_subject="x", email_template=template.format("x" * CLIPPED))
    document = render(company, Lead(email="m@va.example"), pixel_url=PIXEL, search_token="o7").html
    assert expected in document.replace("<body>\n<img", "<body><img")
    assert (document.count("<img"), document.index("<img") < document.index("o7</span>")) == (
        1,
        True,
    )
