"""What a template may say, what it may never do, and what reaches the recipient."""

import html
import time
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outreach.campaign.models import Company, Lead
from outreach.errors import TemplateNotReady
from outreach.mail.plain_text import plain_text
from outreach.mail.render import Rendered, look_at_body, pixel_url, render

FIX = "correct the template, then run `outreach campaigns retry-failed`."
PIXEL = "https://app.acme.com/api/track/open?id=1&type=campaign_lead"
DOCUMENT = (
    '<!DOCTYPE html>\n<html>\n<head><meta charset="utf-8"></head>\n<body>\n{}\n</body>\n</html>\n'
)


FRAGMENT = DOCUMENT.format('<div dir="auto">\n{}\n</div>')


def company(template: str | None, subject: str | None = "Hello") -> Company:
    return Company(name="Acme", domain="acme.com", email_subject=subject, email_template=template)


def lead(name: str | None = "Jo", **custom_fields: object) -> Lead:
    return Lead(email="jo@acme.com", name=name, role="CTO", custom_fields=custom_fields)


def rendered(template: str, to: Lead | None = None) -> Rendered:
    return render(company(template), to or lead(), pixel_url=None)


def body(template: str, to: Lead | None = None) -> str:
    """What stands in the paragraph of a template of one line."""
    start, end = DOCUMENT.split("{}")
    document = rendered(template, to).html
    return document.removeprefix(f'{start}<p dir="auto">').removesuffix(f"</p>{end}")


def reason(template: str, to: Lead | None = None) -> str:
    with pytest.raises(TemplateNotReady) as refused:
        rendered(template, to)
    return str(refused.value)


# --- the subject --------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["Hi {{ name }}", "{name} & <b>", " two  spaces ", "Größe 🎉"])
def test_the_subject_is_what_the_company_has(subject: str) -> None:
    """Nothing is replaced, escaped or trimmed in it."""
    assert render(company("x", subject), lead(), pixel_url=None).subject == subject


@pytest.mark.parametrize(
    "subject", ["a\nb", "a\rb", "a\r\nBcc: x@y.z", "a\vb", "a\fb", "a\x85b", "a\u2028b", "a\0b"]
)
def test_a_line_break_in_the_subject_fails_the_lead(subject: str) -> None:
    """It would begin another header."""
    with pytest.raises(TemplateNotReady, match=r"^The email subject of Acme holds a line break"):
        render(company("x", subject), lead(), pixel_url=None)


@pytest.mark.parametrize("missing", [None, "", " \n\t "])
def test_a_missing_subject_or_template_names_the_company(missing: str | None) -> None:
    """The person who reads it has to know where to write one."""
    reasons = []
    for nothing in (company("x", missing), company(missing)):
        with pytest.raises(TemplateNotReady) as refused:
            render(nothing, lead(), pixel_url=None)
        reasons.append(str(refused.value))

    then = "write one, then run `outreach campaigns retry-failed`."
    assert reasons == [
        f"The company Acme has no email subject; {then}",
        f"The company Acme has no email template; {then}",
    ]


def test_a_lead_without_a_company_fails_with_a_reason() -> None:
    """Its row may be gone."""
    with pytest.raises(TemplateNotReady, match=r"^The lead's company has no email subject;"):
        render(Company(), lead(), pixel_url=None)


# --- placeholders -------------------------------------------------------------------------------


def test_every_known_name_has_its_value() -> None:
    """In both the forms that templates use."""
    names = ("name", "email", "role", "company", "company_name", "domain")
    doubled = " ".join(f"{{{{ {name} }}}}" for name in names)
    single = " ".join(f"{{{name}}}" for name in names)

    assert (body(doubled), body(single)) == ("Jo jo@acme.com CTO Acme Acme acme.com",) * 2


@pytest.mark.parametrize("spelling", ["name", "Name", "NAME", " name ", "nAmE"])
def test_names_match_in_any_case(spelling: str) -> None:
    """Old templates were written by many hands."""
    assert body(f"{{{{{spelling}}}}}|{{{spelling}}}") == "Jo|Jo"


@pytest.mark.parametrize(
    "spelling", ["First Name", "first_name", "first-name", "FIRST NAME", "firstName"]
)
@pytest.mark.parametrize("column", ["First Name", "first_name", "first-name"])
def test_a_custom_field_is_reached_however_it_is_spelled(spelling: str, column: str) -> None:
    """A column's title of a spreadsheet is no identifier."""
    to = Lead(email="jo@acme.com", custom_fields={column: "Jo"})
    assert body(f"{{{{ {spelling} }}}}|{{{spelling}}}", to) == "Jo|Jo"


def test_letters_beyond_ascii_match_in_any_case_too() -> None:
    """Columns are called what people call things."""
    assert body("{{ GRÖSSE }} {größe}", lead(Größe="12")) == "12 12"


def test_custom_fields_may_be_numbers_lists_and_tables() -> None:
    """They are JSON."""
    to = lead(seats=3, tools=["a", "b"], office={"city": "Köln"}, left=None)
    template = "{{ seats }} {{ tools }} {{ office.city }} {{ office['city'] }} [{{ left }}]"
    assert body(template, to) == "3 a, b Köln Köln []"


def test_a_known_name_wins_over_a_custom_field() -> None:
    """A column called Email must not redirect what the template says."""
    assert body("{{ email }} {{ Role }}", lead(Email="x", ROLE="y")) == "jo@acme.com CTO"


def test_a_known_but_empty_name_is_empty_or_what_the_template_says() -> None:
    """Nobody gets "Hi None"."""
    template = "[{{ name }}] [{name}] {{ name or 'there' }} {{ name|default('you') }}"
    assert body(template, lead(None)) == "[] [] there you"


def test_jinja_s_conditions_loops_and_text_functions_work() -> None:
    """What a mail needs of Jinja."""
    template = (
        "{% if role == 'CTO' %}Dear{% else %}Hi{% endif %} {{ name.split(' ')[0]|upper }}:"
        "{% for tool in tools %} {{ loop.index }}.{{ tool }}{% endfor %}"
        "{{ ' (vip)' if vip }}{# a note #}"
    )
    to = lead("Jo Doe", tools=["x", "y"], vip=False)
    assert body(template, to) == "Dear JO: 1.x 2.y"


@pytest.mark.parametrize(
    "template",
    [
        "Hi {{ nmae }}",
        "Hi {{ name or nmae }}",
        "Hi {{ name|default(nmae) }}",
        "Hi {{ nmae|title }}",
        "Hi {{ nmae.split(' ')[0] or 'there' }}",
        "Hi {{ nmae or 'there' }}, {{ nmae }}",
        "{% if nmae == 'x' %}Hi{% endif %}",
        "{% if nmae is string %}Hi{% endif %}",
        "{% if false %}{{ nmae }}{% endif %}",
        "{% for x in nmae %}Hi{% endfor %}",
        "{% for x in tools if x == nmae %}Hi{% endfor %}",
    ],
)
def test_an_unknown_name_fails_unless_the_template_guards_it(template: str) -> None:
    """Wherever it stands, even where nothing of it would be shown."""
    assert reason(template, lead(tools=["x"])) == (
        f"The email template of Acme has {{{{ nmae }}}}, which this lead has no value for; {FIX}"
    )


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hi {{ nickname or 'there' }}", "Hi there"),
        ("Hi {{ nickname | default('there') }}", "Hi there"),
        ("Hi {{ nickname | default(name) }}", "Hi Jo"),
        ("Hi {{ nickname|title or 'there' }}", "Hi there"),
        ("Hi {{ office.city or 'there' }}", "Hi there"),
        ("Hi {{ office['city'] | d('there') }}", "Hi there"),
        ("Hi {{ nickname if nickname else 'there' }}", "Hi there"),
        ("Hi{% if nickname %} {{ nickname }}{% endif %}!", "Hi!"),
        ("Hi{% if nickname is defined %} {{ nickname }}{% endif %}!", "Hi!"),
        ("Hi{% if not nickname %} there{% endif %}", "Hi there"),
        ("Hi{{ ' ' ~ nickname if nickname }}!", "Hi!"),
        ("Hi{% if nickname and nickname == 'x' %}{{ nickname }}{% endif %}!", "Hi!"),
        ("Hi {{ nickname or 'there' }} {nickname}", "Hi there {nickname}"),
    ],
)
def test_a_guarded_name_may_be_missing(template: str, expected: str) -> None:
    """It counts as empty: a column that only some leads have is what a fallback is for."""
    assert body(template) == expected


@pytest.mark.parametrize(
    "css",
    [
        "p { color: red }",
        "p{color:red}",
        "{color}",
        "{}",
        "@media print{#a{color:red}#b{color:blue}}",
        "a{b:c}}",
        "{{ '{' }}nothing".replace("{{ '{' }}", "{"),
    ],
)
def test_braces_of_css_stay(css: str) -> None:
    """Only known names are replaced between single braces."""
    template = f"<html><head><style>{css}</style></head><body>{{name}}</body></html>"
    assert rendered(template).html == template.replace("{name}", "Jo")


def test_a_look_tells_unknown_and_empty_names_and_the_values_that_are_used() -> None:
    """What a check before the launch shows, as the template spells it."""
    template = "<style>p{color}</style>{{ Nmae }} {Name} {{ First Name }} {role} {{ x or '-' }}"
    company = Company(email_subject="s", email_template=template)
    lead = Lead(email="jo@acme.test", name="Jo", role=" ", custom_fields={"first-name": None})
    look = look_at_body(company, lead)
    assert (look.unknown, look.empty, look.used, look.pieces) == (
        ("Nmae",),
        ("First_Name", "role"),
        {"Name": "Jo", "role": " ", "First_Name": ""},
        [],
    )


def test_a_look_refuses_what_cannot_be_read_or_filled() -> None:
    """In the words of the rendering itself."""
    for template, why in (("Hi\n{{ name", "has an error in line 2"), ("{{ name + 1 }}", "filled")):
        company = Company(name="Acme", email_template=template)
        with pytest.raises(TemplateNotReady, match=why):
            look_at_body(company, Lead(email="jo@acme.test"))


# --- values are data ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{{ name }}", "{name}"])
@pytest.mark.parametrize("name", ["{email}", "{% if %}", "{# x #}", "%}"])
def test_a_value_is_never_read_as_a_template(form: str, name: str) -> None:
    """Neither by Jinja nor by the single braces, whichever comes first."""
    assert body(f"{form}|{form}", lead(name)) == f"{name}|{name}"


@pytest.mark.parametrize("form", ["{{ name }}", "{name}"])
@pytest.mark.parametrize(
    ("name", "left"),
    [("{{ email }}", "{{ email }}"), ("{{", "{{"), ("a}}", "a}}"), ("{{a}} {{b}}", "{{a}}")],
)
def test_a_value_with_doubled_braces_fails_its_lead(form: str, name: str, left: str) -> None:
    """Some tool wrote its own placeholder where it had no name; it is not filled either."""
    assert reason(f"Hi {form}", lead(name)) == (
        f"The email template of Acme leaves “{left}” in this lead's mail; {FIX}"
    )


NO_BRACES = st.characters(exclude_categories=["Cs"], exclude_characters="{}")
VALUES = st.text(NO_BRACES, max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</body>",
        "\"'><img src=x>",
        "&amp;",
        "{% if %}",
        "{role}",
        "a\nb",
    ]
)


@settings(max_examples=150, deadline=None)
@given(name=VALUES, field=VALUES)
@example(name="</body></html>", field="<!--")
def test_a_value_reaches_the_html_escaped_and_nothing_else(name: str, field: str) -> None:
    """Whatever a lead is called, the document keeps the elements that the template has."""
    template = "<p>{{ name }}|{name}|{{ field ~ name }}</p>"
    document = rendered(template, lead(name, field=field)).html

    escaped, both = (
        html.escape(seen(value)).replace("\n", "<br>") for value in (name, field + name)
    )
    shown = document.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert shown == FRAGMENT.format(f"<p>{escaped}|{escaped}|{both}</p>")


@settings(max_examples=150, deadline=None)
@given(name=VALUES)
def test_the_text_shows_the_value_as_it_is(name: str) -> None:
    """Escaped once, unescaped once, from plain templates and from markup."""
    expected = " ".join(f"[{seen(name)}]".split())
    texts = [rendered(form, lead(name)).text for form in ("[{{ name }}]", "<p>[{{ name }}]</p>")]

    assert [" ".join(text.split()) for text in texts] == [expected, expected]


def seen(value: str) -> str:
    """The value without what neither HTML nor UTF-8 can hold, its line breaks of one kind."""
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in value if (c >= " " or c in "\n\t") and c not in "\x7f\ufffe\uffff")


# --- hostile and broken templates -----------------------------------------------------------------

HOSTILE = [
    "{{ ''.__class__ }}",
    "{{ name['__class__'] }}",
    "{{ name|attr('__class__') }}",
    "{{ name.__class__.__mro__[1].__subclasses__() }}",
    "{{ self }}",
    "{{ self.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ name.format(name) }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ lipsum() }}",
    "{{ name.upper }}",
    "{% for x in tools %}{{ loop }}{% endfor %}",
    "{% for i in range(10**9) %}{% endfor %}",
    "{% for i in range(99999) %}x{% endfor %}",
    "{% for a in tools %}{% for b in tools %}{% endfor %}{% endfor %}",
    "{% for a in tools recursive %}{{ loop(tools) }}{% endfor %}",
    "{% for letter in name %}{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%999999999s' % name }}",
    "{{ 'a'.center(10**9) }}",
    "{% set a = 'a' %}{% set a = a ~ a %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call name() %}{% endcall %}",
    "{% filter upper %}x{% endfilter %}",
    "{% include 'x' %}",
    "{% extends 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% block a %}{% endblock %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{{ name|safe }}",
    "{{ name" + "|replace('', 'aaaaaaaaaa')" * 20 + " }}",
    "{{ big" + "|urlencode|replace('%', '%%%%')" * 40 + " }}",
    "{{ '<'" + "|urlencode" * 20_000 + " }}",
    "{{ " + "~".join(["big"] * 5_000) + " }}",
    "{{ big }}" * 2_000,
    ("{% if big" + "|urlencode" * 20 + " == name %}{% endif %}") * 90 + "x",
    ("{% if big" + "|urlencode" * 20 + " == name %}{% endif %}") * 2_000 + "x",
    "{{ " + "(" * 5_000 + ")" * 5_000 + " }}",
    "{{ " + "not " * 5_000 + "name }}",
    "{{ " + " or ".join(["name"] * 5_000) + " }}",
    "{% if name %}" * 300 + "x" + "{% endif %}" * 300,
    "{{ " + "9" * 6_000 + " }}",
    "{{ name + 1 }}",
    "{{ name[99] }}",
    "{{ name.split('') }}",
    "{{ office }}",
    "x" * 1_000_001,
    "{{ name }",
    "{% if name %}",
    "{{{ name }}}",
    "{{ ‘smart’ }}",  # noqa: RUF001 - what a word processor makes of quotes
    "{% if false %}x{% endif %}",
]


@pytest.mark.parametrize("template", HOSTILE, ids=[template[:40] for template in HOSTILE])
def test_a_hostile_or_broken_template_fails_its_lead_alone_and_soon(template: str) -> None:
    """In a sentence, whatever it is; never another exception, never a hang."""
    to = lead(tools=["a", "b"], big="%" * 10_000, office={"city": "Köln"})
    began = time.process_time()
    said = reason(template, to)

    assert (
        said.startswith("The email template of Acme "),
        said.endswith(FIX),
        "\n" in said,
        time.process_time() - began < 20,
    ) == (True, True, False, True)


def test_an_error_in_the_syntax_names_its_line() -> None:
    """In the template as its author sees it."""
    assert reason("Hi\n\n{% if name %}\nx{% endfi %}") == (
        f"The email template of Acme has an error in line 4: Encountered unknown tag 'endfi'; {FIX}"
    )


def test_what_is_not_for_mails_is_named() -> None:
    """So that its author can take it out."""
    assert reason("Hi\n{% include 'x' %}") == (
        f"The email template of Acme uses `include` in line 2, which a mail cannot have; {FIX}"
    )


# --- the document ---------------------------------------------------------------------------------


def test_a_template_without_markup_becomes_paragraphs() -> None:
    """An empty line separates them, a line break stays one; what needs escaping is escaped."""
    mail = rendered("Hi {{ name }},\r\n\r\n\r\nAT&T <3 you &amp; me\nline 2\n\n{company}\n")

    assert mail == Rendered(
        subject="Hello",
        html=DOCUMENT.format(
            '<p dir="auto">Hi Jo,</p>\n<p dir="auto">AT&amp;T &lt;3 you &amp; me<br>\nline 2</p>'
            '\n<p dir="auto">Acme</p>'
        ),
        text="Hi Jo,\n\nAT&T <3 you & me\nline 2\n\nAcme",
    )


@pytest.mark.parametrize(
    "template",
    [
        "I <3 you",
        "a < b > c",
        "<jo@acme.com>",
        "<name>",
        "{% if 1 <b %}x{% endif %}".replace("<b", "< 2"),
    ],
)
def test_angle_brackets_alone_are_no_markup(template: str) -> None:
    """Only an element that HTML has makes a template HTML."""
    assert "<p dir=" in rendered(template).html


@pytest.mark.parametrize("template", ["<b>Hi</b>", "Hi<br>there", "<P CLASS='x'>Hi</P>", "a<br/>b"])
def test_a_template_with_markup_stays_as_it_is_in_a_document(template: str) -> None:
    """UTF-8 is said in it."""
    assert rendered(template).html == FRAGMENT.format(template)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<body><p>x</p></body>", "<body><p>x</p>{}</body>"),
        ("<html><BODY>x</BODY ></html>", "<html><BODY>x{}</BODY ></html>"),
        ("<body>x</body><!-- </body> -->", "<body>x{}</body><!-- </body> -->"),
        ("<body><pre>a</body>b</body>", "<body><pre>a</body>b{}</body>"),
        ("<html><p>x</p></html>", "<html><p>x</p>{}</html>"),
        ("<html><body>İx", "<html><body>İx{}"),
        ("<body>İİİİ</body>", "<body>İİİİ{}</body>"),
        (
            "<p>x</p>",
            DOCUMENT.format('<div dir="auto">\n<p>x</p>\n</div>\n{}').replace("{}\n", "{}"),
        ),
    ],
)
def test_the_pixel_is_the_last_thing_of_the_body(template: str, expected: str) -> None:
    """Inside the element, whatever the template's author left out."""
    document = render(company(template), lead(), pixel_url=PIXEL).html
    image = (
        '<img src="https://app.acme.com/api/track/open?id=1&amp;type=campaign_lead" width="1" '
        'height="1" alt="" style="display:block;width:1px;height:1px;border:0">'
    )
    assert document == expected.format(image)


def test_the_search_token_is_in_the_html_alone_and_not_seen() -> None:
    """Gmail's search finds it, the recipient does not."""
    mail = render(company("<p>Hi</p>"), lead(), pixel_url=None, search_token="r7token")
    span = (
        '<span style="display:none;font-size:0;line-height:0;mso-hide:all" aria-hidden="true">'
        "r7token</span>"
    )
    assert mail == Rendered(
        subject="Hello",
        html=FRAGMENT.format("<p>Hi</p>").replace("</body>", f"{span}</body>"),
        text="Hi",
    )


@pytest.mark.parametrize(
    "app", ["https://app.acme.com", "https://app.acme.com/", " https://app.acme.com// "]
)
def test_the_pixel_s_address_names_the_campaign_lead(app: str) -> None:
    """The web app's endpoint, with or without a slash in the setting."""
    assert pixel_url(app, UUID(int=7)) == (
        "https://app.acme.com/api/track/open"
        "?id=00000000-0000-0000-0000-000000000007&type=campaign_lead"
    )


@pytest.mark.parametrize("app", [None, "", "  "])
def test_without_an_app_there_is_no_pixel(app: str | None) -> None:
    """There is nobody to tell."""
    assert pixel_url(app, UUID(int=7)) is None


# --- the text alternative -------------------------------------------------------------------------


def test_the_text_keeps_what_a_reader_sees() -> None:
    """Paragraphs, lists, links and pictures' names; no head, style, script or comment."""
    document = """
    <html><head><title>T</title><style>p > a { color: red }</style></head><body>
    <h1>Hello&nbsp;there</h1><!-- <p>no</p> --><script>if (a < b) {}</script>
    <p>See <a class="x" href="https://acme.com/a?b=1&amp;c=2">our
       <b>site</b></a>, <a href='https://acme.com/'>acme.com</a>,
       <a href="mailto:jo@acme.com">jo@acme.com</a> or <a href="#top">the top</a>.</p>
    <ul><li>One</li><li><p>Two &lt;3</p></li></ul>
    <div>line 1</div><div>line 2<br></div><div><br></div><div>line 3</div>
    <table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>
    <a href="https://acme.com/x"><img src="x.png" alt="Our logo"></a>
    </body></html>
    """
    assert plain_text(document) == (
        "Hello there\n\nSee our site (https://acme.com/a?b=1&c=2), acme.com, jo@acme.com "
        "or the top.\n\n- One\n- Two <3\n\nline 1\nline 2\n\nline 3\na b\nc\n"
        "Our logo (https://acme.com/x)"
    )


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<a", "<a ", "<a b='", '<a b="', "</", "<![CDATA[", "<style>", "<", " ", "&", "<p>"],
)
def test_the_text_of_a_malformed_document_comes_soon(piece: str) -> None:
    """The time grows with the length; html.parser takes a minute for some of these."""
    began = time.process_time()
    plain_text(piece * 30_000)
    assert time.process_time() - began < 2


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>ab/='\" !-&;\n"))
def test_any_document_has_a_text(document: str) -> None:
    """Tag soup raises nothing and leaves none of the marks that lay it out."""
    assert not {"\x01", "\x02"} & set(plain_text(document))
