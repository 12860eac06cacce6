"""What Google says of a received mail: read from its own field alone."""

import pytest

from outreach.inbound.authentication import Authentication, Verdict, read_results

PASSES = (
    "mx.google.com;       dkim=pass header.i=@ours.example header.s=google header.b=Wx4Zk;"
    "       spf=pass (google.com: domain of ada@ours.example designates 209.85.220.41 as permitted"
    " sender) smtp.mailfrom=ada@ours.example;"
    "       dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=ours.example"
)
GOOD = Authentication(*(Verdict("pass", "ours.example") for _ in range(3)))


def read(*fields: str) -> Authentication | None:
    return read_results(fields, "ours.example")


def test_googles_field_is_read() -> None:
    """Folded or not; a result that is not there is None, as of DMARC without a record."""
    assert read(PASSES) == read(PASSES.replace("       ", "\r\n\t")) == GOOD
    assert read("mx.google.com; none") == Authentication()
    assert read(
        "mx.google.com; spf=softfail (google.com: domain of transitioning ada@ours.example does not "
        "designate 209.85.220.41 as permitted sender) smtp.mailfrom=ada@ours.example"
    ) == Authentication(spf=Verdict("softfail", "ours.example"))


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("mx.ours.example; spf=pass",),
        ("mx.ours.example; spf=pass", PASSES),  # one that came with the mail
        ("mx.google.com.evil.example; spf=pass",),
        ("(mx.google.com) evil.example; spf=pass",),
        ("; spf=pass",),
        ("",),
        (PASSES + " " * 20_000,),
    ],
)
def test_a_field_of_somebody_else_is_not_believed(fields: tuple[str, ...]) -> None:
    """Only the topmost one counts: a sender may have written the others."""
    assert read(*fields) is None


@pytest.mark.parametrize(
    "field",
    [
        '"mx.google.com" 1; spf=pass smtp.mailfrom=x@ours.example; dkim=pass header.d=ours.example; dmarc=pass header.from=ours.example;',
        "MX.Google.com;SPF=Pass smtp.mailfrom=OURS.example;dkim/1 = pass header.i = @ours.example;dmarc=pass header . from=ours.example",
        'mx.google.com; spf=pass (a (nested; spf=fail) \\) comment) smtp.mailfrom=ours.example; dkim=pass (x) header.d="ours.example"; arc=fail; dmarc=pass reason="a; spf=fail" header.from=ours.example',
    ],
)  # fmt: skip
def test_every_spelling_of_the_standard_is_read(field: str) -> None:
    """Quotes, versions, comments in comments, methods that it does not know."""
    assert read(field) == GOOD


def test_of_several_signatures_the_senders_own_counts() -> None:
    """One that passes before one that fails; Google's own signature is no proof of ours."""
    own, googles = (
        "dkim=pass header.i=@ours.example",
        "dkim=pass header.i=@ours-example.20230601.gappssmtp.com",
    )
    failed = "dkim=fail header.i=@ours.example"
    assert [
        found and found.dkim
        for found in (
            read(f"mx.google.com; {googles}; {own}"),
            read(f"mx.google.com; {failed}; {googles}"),
            read(f"mx.google.com; {failed}"),
        )
    ] == [
        Verdict("pass", "ours.example"),
        Verdict("pass", "ours-example.20230601.gappssmtp.com"),
        Verdict("fail", "ours.example"),
    ]


@pytest.mark.parametrize(
    "text", ["(" * 9_000, '"' * 9_000, "\\" * 9_001, "a=b;" * 4_000, "=" * 9_000]
)
def test_hostile_text_is_read_in_linear_time(text: str) -> None:
    """Whatever it is."""
    assert read(f"mx.google.com; spf=pass; {text}") is not None
