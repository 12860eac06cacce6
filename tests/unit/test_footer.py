"""The footer of a campaign and `{{ unsubscribe_url }}`, in the HTML and the text of a mail."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest

from outreach.campaign.models import Company, Lead, Sender
from outreach.campaign.snapshot import PlannedMail
from outreach.errors import TemplateNotReady
from outreach.mail.compose import Composed, ToMail, compose
from outreach.mail.unsubscribe import OptOut, opt_out
from outreach.preflight.leads import Footer, problems

BASE = "https://app.example"
URL = f"{BASE}/api/unsubscribe/o7"
MAILTO = "mailto:ann@us.example?subject=unsubscribe-o7"


def mail(
    template: str,
    footer: str | None = None,
    *,
    base: str | None = BASE,
    subject: str = "A deck",
    variables: bool = False,
    **fields: str,
) -> Composed:
    planned = SimpleNamespace(
        lead=Lead(email="mia@acme.example", name="Mia & Co", custom_fields=fields),
        company=Company(name="Acme", email_subject=subject, email_template=template),
        subject_variables=variables,
    )
    return compose(
        cast(ToMail, planned),
        sender=Sender(id=UUID(int=1), email="ann@us.example"),
        attachment=None,
        pixel_url="https://app.example/p",
        search_token="o7",
        date=datetime(2026, 1, 1, tzinfo=UTC),
        opt_out=OptOut(base=base, footer=footer),
    )


def test_a_footer_stands_below_the_mail_and_before_its_marks() -> None:
    made = mail("Hi {name}", "Acme Inc.\n{{ unsubscribe_url }}").rendered
    assert made.text == f"Hi Mia & Co\n\nAcme Inc.\n{URL}"
    body, footer, marks = (made.html.index(word) for word in ("Hi Mia", "Acme Inc.", "<span"))
    assert body < footer < marks < made.html.index("</body>")
    assert f'<a href="{URL}">{URL}</a>' in made.html


@pytest.mark.parametrize("template", ["Hi", "<p>Hi</p>", "<html><body><p>Hi</p></body></html>"])
@pytest.mark.parametrize("footer", ["Bye, {name}", "<p>Bye, <b>{{ name }}</b></p>"])
def test_each_kind_of_footer_fits_each_kind_of_mail(template: str, footer: str) -> None:
    """Its values are escaped as those of the mail."""
    made = mail(template, footer).rendered
    assert made.text == "Hi\n\nBye, Mia & Co"
    assert made.html.count("<body") == made.html.count("</body>") == 1
    assert "Mia &amp; Co" in made.html


def test_without_a_web_address_the_link_is_a_mail() -> None:
    """The text alternative keeps the token, without which the mail would do nothing."""
    made = mail('<p><a href="{{ unsubscribe_url }}">No more</a></p>', base=None).rendered
    assert f'<a href="{MAILTO}">No more</a>' in made.html
    assert made.text == f"No more ({MAILTO})"


def test_a_link_to_write_a_mail_is_shown_as_before() -> None:
    made = mail('<p><a href="mailto:jo@us.example?subject=Hi">Write</a></p>').rendered
    assert made.text == "Write (jo@us.example)"


def test_a_subject_has_no_link() -> None:
    """It would be the same for nobody."""
    with pytest.raises(TemplateNotReady, match="unsubscribe_url"):
        mail("Hi", subject="{{ unsubscribe_url }}", variables=True)


def test_a_leads_own_field_does_not_replace_the_link() -> None:
    """It is a column of another tool's file; the check tells of it."""
    made = mail("{{ unsubscribe_url }}", unsubscribe_url="https://other.example")
    assert made.rendered.text == URL
    planned = PlannedMail(
        id=UUID(int=1),
        status="pending",
        lead=Lead(email="mia@acme.example", custom_fields={"unsubscribe_url": "https://x.example"}),
        company=Company(email_subject="Hi", email_template="Bye {{ unsubscribe_url }}"),
    )
    assert [problem.message for problem in problems(planned)] == [
        "The lead's own field unsubscribe_url is hidden: {{ unsubscribe_url }} is another value"
    ]


@pytest.mark.parametrize(
    "template", ["Bye {{ unsubscribe_url }}", "<p><a href='{{ unsubscribe_url }}'>Bye</a></p>"]
)
def test_a_template_with_the_link_has_no_problem(template: str) -> None:
    planned = PlannedMail(
        id=UUID(int=1),
        status="pending",
        lead=Lead(email="mia@acme.example", name="Mia"),
        company=Company(email_subject="Hi", email_template=template),
    )
    assert list(problems(planned)) == []


def test_a_blank_footer_is_none() -> None:
    assert opt_out(BASE, " \n", in_header=True) == OptOut(BASE, in_header=True)
    assert mail("Hi").rendered.text == "Hi"


def test_a_footer_is_checked_with_each_leads_values() -> None:
    """Where it asks for some; one lead's gap is one lead's problem."""
    footer = Footer("Bye {{ nickname }}")
    leads = [Lead(email="a@a.example", custom_fields=f) for f in ({"nickname": "A"}, {})]
    planned = [
        PlannedMail(id=UUID(int=1), status="pending", lead=lead, company=Company())
        for lead in leads
    ]
    assert [len(list(footer.of(one))) for one in planned] == [0, 1]
