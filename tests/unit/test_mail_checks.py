"""What a check finds in the finished mail, so that it says "nothing is wrong" of no wrong one."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from outreach.campaign.models import Company, Lead, Sender
from outreach.campaign.snapshot import PlannedMail
from outreach.mail.role_addresses import role_of
from outreach.preflight.fallbacks import Fallbacks
from outreach.preflight.findings import Problem, Tally
from outreach.preflight.leads import problems


def planned(template: str, *, subject: str = "A deck", **values: Any) -> PlannedMail:
    variables = values.pop("variables", False)
    known = {"email": "mia@acme.example", "name": "Mia", "role": "CTO"}
    known |= {key: values.pop(key) for key in [*values] if key in known}
    return PlannedMail(
        id=uuid4(),
        status="pending",
        sender=Sender(id=UUID(int=1), email="ada@ours.example"),
        lead=Lead(**known, custom_fields=values),
        company=Company(name="Acme", email_subject=subject, email_template=template),
        subject_variables=variables,
    )


def found(template: str, **values: Any) -> list[tuple[str, str]]:
    return [(one.severity, one.message) for one in problems(planned(template, **values))]


def tag(left: str) -> list[tuple[str, str]]:
    return [("warning", f"The mail has {left}, which looks like a tag that nobody filled")]


# --- tags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "left"),
    [
        ("{Hi|Hello|Hey} {{ name }}", "{Hi|Hello|Hey}"),
        ("Hi {first_name|there}", "{first_name|there}"),
        ("Hi at {company.name}", "{company.name}"),
        ("Hi {!Contact.FirstName}", "{!Contact.FirstName}"),
        ("Hi {nmae}", "{nmae}"),
        ("Hi *|FNAME|*", "*|FNAME|*"),
        ("Hi at [[company]]", "[[company]]"),
        ("Hi [First Name]", "[First Name]"),
        ("Hi [FIRST_NAME]", "[FIRST_NAME]"),
        ("Hi [Vorname]", "[Vorname]"),
        ("Hi %FIRST_NAME%,", "%FIRST_NAME%"),
        ("Hi «First_Name»", "«First_Name»"),
        ("Hi <<First Name>>", "<<First Name>>"),
        ("<p>Hi <<First Name>></p>", "<<First Name>>"),
        ("<p>Hi &lt;&lt;name&gt;&gt;</p>", "<<name>>"),
        ("<p>Hi {<span>{name}</span>}</p>", "{Mia}"),
        ('<p><a href="https://x.example/%7B%7B%20name%20%7D%7D">x</a></p>', "%7B%7B%20name%20%7D%7D"),
        ("Hi {{ city }}", "[city]"),
    ],
)  # fmt: skip
def test_a_tag_that_nobody_filled_is_warned_of(template: str, left: str) -> None:
    """In the spelling of whatever tool; also where a lead's value is one."""
    assert found(template, city="[city]") == tag(left)


@pytest.mark.parametrize(
    "template",
    [
        "Hi {{ name }}, [1] [sic] [Webinar] «Hallo» 100% sure, 5 % or 7 %",
        "See https://x.example/?q=%C3%A4%20b&c=[1]",
        "<style>a{b:c}</style><p style='width:50%'>[if x] {}</p><!-- {nmae} -->",
        '<p><a href="https://x.example/?f[name]=1&amp;q=%7Bx">x</a></p>',
        "I <3 you, 1 << 2 >> 1, a*b*c ** d",
        r"It is in C:\new or \\server\name",
    ],
)
def test_what_is_no_tag_is_not(template: str) -> None:
    """Footnotes, quotes, percentages, addresses."""
    assert found(template) == []


@pytest.mark.parametrize(
    ("template", "left"),
    [
        ("<p>Hi {<b>{ name }}</b></p>", "{{ name }}"),
        ("<p>Hi &#123;&#123; name &#125;&#125;</p>", "{{ name }}"),
        ("<p>Hi {{ city }}</p>", "{{city}}"),
        ("Hi {city}", "{{city}}"),
    ],
)
def test_doubled_braces_are_an_error_since_the_lead_fails(template: str, left: str) -> None:
    """Cut by tags, written as entities, or a value of the lead."""
    assert found(template, city="{{city}}") == [
        ("error", f"The template leaves “{left}” in this lead's mail")
    ]


def test_only_the_leads_whose_values_matter_are_told() -> None:
    """Mails of one template are looked at together, but for such values."""
    template = '<p>Hi {{ name }} of {{ city }}</p><a href="{{ site }}">x</a>'
    usual = {"city": "Graz", "site": "https://x.example"}
    assert [
        found(template, **usual),
        found(template, **usual | {"city": "[City]"}),
        found(template, **usual | {"site": "x.example"}),
        found(template, **usual | {"site": "https://y.example"}),
    ] == [
        [],
        tag("[City]"),
        [("warning", "A link leads to x.example, which is no web address")],
        [],
    ]


# --- subjects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "placeholders"),
    [
        ("{{ name }}, a deck for {company}", ["{{ name }}", "{company}"]),
        ("{% if name %}For you{% endif %}", ["{% if name %}", "{% endif %}"]),
        ("{{first_name}} - {{unknown}}", ["{{first_name}}", "{{unknown}}"]),
        ("Hi {{ name }", ["{{ name"]),
    ],
)
def test_a_placeholder_in_a_subject_that_is_sent_as_it_stands_is_an_error(
    subject: str, placeholders: list[str]
) -> None:
    """Rows of the web app have such subjects; the campaign says whether they are filled."""
    assert found("Hi {{ name }}", subject=subject) == [
        ("error", f"The email subject has {one}, which this campaign sends as it stands")
        for one in placeholders
    ]


@pytest.mark.parametrize("variables", [True, False])
@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ("A {deck} for $5", "The email subject has {deck}, which looks like a tag that nobody filled"),
        ("{Quick|Short} question", "The email subject has {Quick|Short}, which looks like a tag that nobody filled"),
        ("Hi [First Name]", "The email subject has [First Name], which looks like a tag that nobody filled"),
        ("Q&amp;A", "The email subject has “&amp;”, which is shown as it stands: a subject is no HTML"),
    ],
)  # fmt: skip
def test_a_subject_that_looks_wrong_is_warned_of(
    subject: str, told: str, *, variables: bool
) -> None:
    """Whether it has variables or not."""
    assert found("Hi", subject=subject, variables=variables) == [("warning", told)]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("{{ name }}, a deck", []),
        ("Your {{ city }}", [("error", "The subject has {{ city }}, which the lead does not have")]),
        ("{{ role }}s", [("warning", "The subject has {{ role }}, which is empty for the lead")]),
        ("{{ role }}", [("error", "The subject leaves this lead's mail without one")]),
        ("{{ x }} deck", [("warning", "{{ x }} is “NULL” for the lead, which a person reads as a mistake")]),
        ("{% if %}", [("error", "The subject has an error in line 1: Expected an expression, got 'end of statement block'")]),
        ("{{ y }} deck", [("error", "The subject leaves “{{y}}” in this lead's mail")]),
    ],
)  # fmt: skip
def test_a_subject_with_variables_is_checked_as_a_template_is(
    subject: str, expected: list[tuple[str, str]]
) -> None:
    """With the lead's values."""
    lead = {"role": "", "x": "NULL", "y": "{{y}}"}
    assert found("Hi", subject=subject, variables=True, **lead) == expected


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *("#N/A", "NULL", "null", "nan", "None", "undefined", "-", "?", "#REF!", "N/A", "(blank)"),
        *("Unknown", "[object Object]", " NULL "),
    ],
)
def test_a_value_that_stands_for_none_is_warned_of(value: str) -> None:
    """As spreadsheets, databases and programs write it."""
    told = f"is “{value.strip()}” for the lead, which a person reads as a mistake"
    assert found("Hi {{ name }} in {{ city }}", name=value, city="Graz") == [
        ("warning", f"{{{{ name }}}} {told}")
    ]


@pytest.mark.parametrize(
    "value", ["Null", "Nan", "Marks & Spencer", "B&Q;", "a < b", "<3", "<me@x.y>"]
)
def test_a_name_that_looks_like_one_is_not(value: str) -> None:
    """Christopher Null and Nan Goldin get their mails."""
    assert found("Hi {{ name }}", name=value) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Se&aacute;n O&#39;Brien", "&aacute;"),
        ("Marks &amp; Spencer", "&amp;"),
        ("<b>Main</b> St", "<b>"),
        ('see <a href="https://x.example">us</a>', '<a href="https://x.example">'),
    ],
)
def test_html_in_a_value_is_warned_of(value: str, shown: str) -> None:
    """A value is text: the recipient would see the HTML itself."""
    for template in ("Hi {{ city }}", "<p>Hi {{ city }}</p>"):
        told = f"{{{{ city }}}} is a text with “{shown}”, which is shown as it stands: values are no HTML"
        assert found(template, city=value) == [("warning", told)]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("José García".encode().decode("cp1252"), "“Ã©” for “é”"),
        ("Málaga".encode().decode("latin-1"), "“Ã¡” for “á”"),
        ("Jos�", "“�”, in place of a letter"),
    ],
)
def test_letters_that_were_read_in_a_wrong_encoding_are_warned_of(value: str, told: str) -> None:
    ((severity, said),) = found("Hi {{ city }}", city=value)
    assert (severity, told in said) == ("warning", True), said


@pytest.mark.parametrize(
    "value", ["São João", "MAÇÃ", "“MAÇÔ", "«IRMû", "Ângela", "Pâtisserie «Âme»", "Ærø", "Łódź"]
)
def test_letters_of_a_language_are_as_they_should_be(value: str) -> None:
    assert found("Hi {{ city }}", city=value) == []


def test_a_value_that_no_mail_shows_is_nobody_s_business() -> None:
    """A file has fifty columns; but the name is in the mail's header too."""
    assert found("Hi", city="NULL") == []
    assert [severity for severity, _ in found("Hi", name="NULL")] == ["warning"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("email_not_unlocked@domain.com", "placeholder"),
        ("Email_Not_Unlocked@anything.example", "placeholder"),
        ("noemail@acme.example", "placeholder"),
        ("test@example.com", "placeholder"),
        ("firstname.lastname@yourcompany.com", "placeholder"),
        ("mia@domain.com", None),
        ("test@acme.example", None),
        ("emailia@acme.example", None),
    ],
)
def test_an_address_that_stands_for_none_is_known(address: str, kind: str | None) -> None:
    """Some tools write one where they have none to give."""
    assert role_of(address) == kind


# --- how the mail is written --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ('<a href="www.ivy.example">x</a>', "A link leads to www.ivy.example, which is no web address"),
        ('<a href="//cdn.example/x">x</a>', "A link leads to //cdn.example/x, which is no web address"),
        ('<a href="{{ site or \'x.example\' }}">x</a>', "A link leads to x.example, which is no web address"),
        ('<a href="https://https://www.ivy.example">x</a>', "A link leads to https://https://www.ivy.example, which is no whole web address"),
        ('<a href="https://{{ site or \'\' }}">x</a>', "A link leads to https://, which is no whole web address"),
        ('<a href="https://ivy.example, https://b.example">x</a>', "A link leads to https://ivy.example, https://b.example, which is no whole web address"),
        ('<a href="file:///C:/deck.pdf">x</a>', "A link leads to a file of somebody's computer"),
        ('x<img src="data:image/png;base64,AAAA">', "A picture is part of the mail itself (data:), which Gmail does not show"),
        ('x<img src="cid:logo">', "A picture is to be an attachment (cid:), which the mail does not have"),
        ('x<img src="file:///C:/logo.png">', "A picture is a file of somebody's computer, which no recipient has"),
        ('x<img src="logo.png">', "A picture has no web address, so nobody sees it"),
        ("see **our deck**", "The mail has **our deck**: Markdown is sent as it stands"),
        ("see [us](https://x.example/a)", "The mail has [us](https://x.example/a): Markdown is sent as it stands"),
        ("Hi {{ name }},\\n\\nsee attached.\\nAda", "The mail shows \\n\\n as a text, where a line was to end"),
        ("<p>Hi.\\nAda</p>", "The mail shows \\n as a text, where a line was to end"),
        ("&lt;p&gt;Hi {{ name }}&lt;/p&gt;", "The mail shows <p> as a text: its HTML is escaped"),
        ("<p>" + "x" * 149_993 + "</p>", "The mail has 150 kB of text: Gmail shows its first 102 kB"),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_recipients_cannot_use_is_warned_of(template: str, told: str) -> None:
    """Gmail takes it all; nobody sees the picture, and the link leads nowhere."""
    assert found(template) == [("warning", told)]


def test_usual_links_and_pictures_are_well() -> None:
    """And anchors, mails, telephones."""
    template = (
        '<a href=" https://x.example ">x</a><a href="mailto:a@x.example">x</a><a href="#top">x</a>'
        '<a href="tel:+431">x</a><a name="top"></a><img src="https://x.example/a.png">'
    )
    assert found(template) == []


# --- fallbacks ----------------------------------------------------------------------------------


def told_of_fallbacks(*mails: PlannedMail) -> list[tuple[str, int]]:
    tally, fallbacks = Tally(), Fallbacks()
    tally.add(Problem("error", "x", "y"))
    for mail in mails:
        fallbacks.see(mail)
    fallbacks.tell(tally)
    return [(one.message, one.count) for one in tally.findings()][1:]


def test_a_guarded_name_that_no_lead_has_is_warned_of() -> None:
    """A slip in it would greet everybody with the fallback."""
    template, subject = "Hi {{ nickname or name or 'there' }}", "{{ City or 'x' }}"
    mia, tom = (planned(template, subject=subject, variables=True, name=n) for n in ("Mia", "Tom"))
    had = planned(template, NickName="Mimi")
    told = "No lead has {{{{ {} }}}}: each gets what stands for it"
    assert told_of_fallbacks(mia, tom) == [(told.format("nickname"), 2), (told.format("City"), 2)]
    assert told_of_fallbacks(mia, had, tom) == [(told.format("City"), 2)]
    assert found(template) == []


# --- leads alike --------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["{{ x }}**Hi**", "[{{ x }}]", "[l]({{ x }})", "<{{ x }}>Hi"])
@pytest.mark.parametrize(
    "value", ["Acme", "“Acme”", "First Name", "https://e.example", "b", " ", ""]
)
def test_a_mail_has_the_findings_of_its_own_values(template: str, value: str) -> None:
    """Mails of one template that differ in harmless values alone are looked at once."""
    found(template, x="Plain")
    looked_at_alone = f"{template}{{% if x|length > 100 %}}{{% endif %}}"
    assert found(template, x=value) == found(looked_at_alone, x=value)
