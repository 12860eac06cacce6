"""No template and no value of a lead holds up a run: what each may cost, and what is said of it."""

from math import inf, nan
from time import thread_time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from outreach.campaign.models import Company, Lead
from outreach.errors import TemplateNotReady
from outreach.mail.render import render
from outreach.mail.templates import compiler as templates
from outreach.mail.templates.budget import DEEPEST, LONGEST_VALUES, SECONDS

MARGIN = 10
"""Times the limit: a machine that runs all tests at once is slow, and no machine is ten times so."""
LONGEST_REASON = 800
FIX = "correct the template, then run `outreach campaigns retry-failed`."


def mailed(template: str, **fields: Any) -> str:
    """The mail's text, or why there is none."""
    company = Company(name="Acme", email_subject="Hello", email_template=template)
    try:
        lead = Lead(email="jo@acme.com", name="Jo", custom_fields=fields)
        return render(company, lead, pixel_url=None).text
    except TemplateNotReady as error:
        return str(error)


def nested(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = [value]
    return value


# --- work ---------------------------------------------------------------------------------------

LETTERS = "".join(map(chr, range(0x4E00, 0x4E00 + 1_800)))
COSTLY = {
    "==": ("{% if a == b %}{% endif %}", {"a": "a" * 90_000 + "x", "b": "a" * 90_000 + "y"}),
    "in": ("{% if b in a %}{% endif %}", {"a": "a" * 29_990, "b": "a" * 50 + "b" + "a" * 48}),
    "in a list": ("{% if 'q' in a %}{% endif %}", {"a": [str(i) for i in range(30_000)]}),
    "lists in lists": ("{% if a in b %}{% endif %}", {"a": [[1] * 99] * 99, "b": [[[1] * 99] * 98] * 9}),
    "tables": ("{% if a == b %}{% endif %}", {n: {str(i): i for i in range(9_000)} for n in "ab"}),
    "a test": ("{% if a is lower %}{% endif %}", {"a": [[i] for i in range(30_000)]}),
    "a slice": ("{{ a[::-1][500000:] }}", {"a": "a" * 190_000}),
    "trim": ("{{ a|trim }}", {"a": " " * 190_000}),
    "strip": ("{{ a.strip(b) }}", {"a": "é" * 190_000, "b": LETTERS + "é"}),
    "rsplit": ("{% if a.rsplit(b) %}{% endif %}", {"a": "a" * 99_000, "b": "a" * 900 + "b" + "a" * 900}),
    "split": ("{% if a.split() %}{% endif %}", {"a": "a " * 90_000}),
    "wordcount": ("{% if a|wordcount %}{% endif %}", {"a": "a " * 90_000}),
    "title": ("{% if a|title %}{% endif %}", {"a": "a " * 90_000}),
    "upper": ("{% if a|upper %}{% endif %}", {"a": "ΐ" * 190_000}),
    "urlencode": ("{% if a|urlencode %}{% endif %}", {"a": "é" * 190_000}),
    "replace": ("{% if a|replace('a', 'bb') %}{% endif %}", {"a": "a" * 190_000}),
    "join": ("{% if a|join %}{% endif %}", {"a": [i / 7 for i in range(50_000)]}),
    "sums of lists": ("{% if a + a + a + a %}{% endif %}", {"a": list(range(10_000))}),
    "as text": ("{% if a|string %}{% endif %}", {"a": [[i] for i in range(30_000)]}),
}  # fmt: skip


@pytest.mark.parametrize(("piece", "fields"), COSTLY.values(), ids=list(COSTLY))
def test_work_is_charged_where_it_shows_no_result(piece: str, fields: dict[str, Any]) -> None:
    """In each of a thousand passes, as often as a template may say it."""
    template = "{% for i in passes %}" + piece * 40 + "{% endfor %}."
    mailed(template, passes=[], **fields)  # compiled once a company, which is no mail's cost
    began = thread_time()
    said = mailed(template, passes=list(range(1_000)), **fields)

    assert "takes too long to fill" in said or "longer than" in said
    assert thread_time() - began < MARGIN * SECONDS


def test_what_an_ordinary_mail_does_is_never_too_much() -> None:
    """A list of offers, compared and put in order, in a mail of some length."""
    offer = "{% if o.price > 9 and o.name in liked %}<li>{{ o.name|title }}: {{ o.price }}</li>{% endif %}"
    template = f"<ul>{{% for o in offers %}}{offer * 5}{{% endfor %}}</ul>" + "<p>words</p>" * 5_000
    offers = [{"name": f"offer {n}", "price": n} for n in range(100)]

    assert "- Offer 99: 99" in mailed(template, offers=offers, liked=[o["name"] for o in offers])


@pytest.mark.parametrize("test", ["odd", "even", "divisibleby(3)"])
def test_what_is_no_number_is_not_divided(test: str) -> None:
    """Python's `%` would format it: a gigabyte for nine digits."""
    assert "asks of something that is not a number" in mailed(
        "{% if '%999999999d' is " + test + " %}{% endif %}."
    )


# --- size ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("x" * (LONGEST_VALUES + 1), "the values that it asks for are longer than 200,000 characters"),
        (["x" * 1_000] * 201, "the values that it asks for are longer than 200,000 characters"),
        (nested(DEEPEST + 1), "its value for {{ field }} holds lists in lists, more than 20 deep"),
        (inf, "its value for {{ field }} is no number that a mail could show"),
        (nan, "its value for {{ field }} is no number that a mail could show"),
        ({"a": [10**5_000]}, "its value for {{ field }} is no number that a mail could show"),
    ],
)  # fmt: skip
def test_a_value_that_no_mail_can_show_fails_its_lead(value: object, said: str) -> None:
    """Where the template asks for it; a field that it does not name may hold anything."""
    assert (mailed("Hi {{ field }}", field=value), mailed("Hi {{ name }}", field=value)) == (
        f"The email template of Acme cannot be filled for this lead: {said}; {FIX}",
        "Hi Jo",
    )


@pytest.mark.parametrize(
    "template",
    [
        "{{ " + "n" * 900_000 + " }}",
        "{{ name." + "n" * 900_000 + "() }}",
        "{{ name." + "n" * 900_000 + " }}",
        "{{ name|" + "n" * 900_000 + " }}",
        "{% " + "n" * 900_000 + " %}",
        "{{ '" + "n" * 900_000 + "' 'x' ! }}",
        "{{ " + "9" * 900_000 + " }}",
    ],
    ids=lambda template: template[:12],
)
def test_a_reason_is_short_however_long_the_template_s_words_are(template: str) -> None:
    """It stands in the lead's row, in logs and in the UI."""
    said = mailed(template)

    assert (said[:24], len(said) < LONGEST_REASON) == ("The email template of Ac", True)


def test_a_reason_is_short_however_long_the_company_s_name_is() -> None:
    """The same."""
    company = Company(name="N" * 900_000, email_subject="Hello", email_template=None)
    with pytest.raises(TemplateNotReady) as refused:
        render(company, Lead(email="jo@acme.com"), pixel_url=None)

    assert len(str(refused.value)) < LONGEST_REASON


@pytest.mark.parametrize("piece", ["{name}", "{{ name }}", "{{ 1 }}"])
def test_every_placeholder_counts_however_it_is_written(piece: str) -> None:
    """Compiling 150,000 of `{name}` took 26 s and 1.4 GB."""
    began = thread_time()

    assert "holds more than 3,000 placeholders" in mailed(piece * 100_000)
    assert thread_time() - began < MARGIN * SECONDS


@pytest.mark.parametrize("template", ["{% if name" + "x" * 9_000, "{{ name }}" * 5_000 + "{% if"])
def test_a_faulty_template_is_read_once_for_all_leads_of_its_company(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with it."""
    first = mailed(template)
    monkeypatch.setattr(templates.SANDBOX, "parse", None)  # reading it again would fail otherwise

    assert mailed(template) == first


# --- anything -----------------------------------------------------------------------------------

sizes = st.sampled_from([0, 1, 10, 1_000, 90_000])
texts = st.builds(lambda text, size: text * size, st.text(max_size=3), sizes)
values = st.recursive(
    st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.builds(lambda value, size: [value] * min(size, 1_000), inner, sizes),
        st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2),
    ),
    max_leaves=4,
)


def _one_of(words: str) -> st.SearchStrategy[str]:
    return st.sampled_from(words.split())


operands = _one_of("a b c i name 'x' 7 a.x b['y'] c[1:] a[::-1] loop.index")


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    filters = _one_of(
        "upper title trim wordcount urlencode length first string join replace('x',b) default(b) "
        "truncate(9) trim(b) escape"
    )
    methods = _one_of(
        "strip(b) rsplit(b) split() upper() partition(c) startswith(a) removeprefix(b)"
    )
    tests = _one_of("defined odd lower in(c) eq(b) divisibleby(a) mapping sameas(a)")
    operators = _one_of("+ ~ == < in and or")
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("({})|{}".format, inner, filters),
        st.builds("({}).{}".format, inner, methods),
        st.builds("({}) is {}".format, inner, tests),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("(- {})".format, inner),
    )


expressions = st.recursive(operands, _combined, max_leaves=6)
pieces = st.one_of(
    st.builds("{{{{ {} }}}}".format, expressions),
    st.builds("{{% if {} %}}x{{% endif %}}".format, expressions),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    looped=st.lists(pieces, min_size=1, max_size=4),
    often=st.sampled_from([1, 40]),
    fields=st.fixed_dictionaries(dict.fromkeys("abc", values)),
)
@example(looped=["{{ (a ~ a)|title }}"], often=40, fields=dict.fromkeys("abc", "a " * 30_000))
@example(looped=["{% if a in b %}{% endif %}"], often=40, fields={"a": "", "b": [[]], "c": inf})
def test_any_template_with_any_values_is_filled_or_refused_within_its_limit(
    looped: list[str], often: int, fields: dict[str, Any]
) -> None:
    """CPU seconds of reading it and filling it; and a reason that a person can read."""
    template = "{% for i in passes %}" + "".join(looped) * often + "{% endfor %}."
    began = thread_time()
    said = mailed(template, passes=list(range(1_000)), **fields)

    assert thread_time() - began < MARGIN * SECONDS
    assert len(said) < LONGEST_REASON or not said.startswith("The email template")
