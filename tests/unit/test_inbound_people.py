"""People's replies: never taken for anything else, and read without quote and signature."""

from collections.abc import Callable

import pytest

from outreach.inbound.charsets import header_text
from outreach.inbound.classify import classify
from outreach.inbound.opt_out import is_click, token_of_click
from tests.inbound_mails import (
    FOOTER,
    LANGUAGES,
    ME,
    OUR_ID,
    OURS,
    SHAPES,
    apple,
    gmail,
    mail,
    outlook,
    outlook_html,
    phone,
    thunderbird,
)  # fmt: skip

Shape = Callable[[str, str], bytes]

REPLIES = {
    "en": (
        "Thanks, Thursday works. Do stop by our stand in hall 4 first.",
        "We are no longer looking for this, sorry.",
        "I was out of the office last week; can you send the price list again?",
        "My colleague Ann says that your last mail was undeliverable. Her new address: ann@lead.example",
        "I'm on vacation until Monday. Let's talk after that?",
        "How does a reader unsubscribe in your tool? Is there a link?",
    ),
    "de": (
        "Gerne, Donnerstag passt. Schauen Sie vorher an unserem Stand vorbei!",
        "Im Moment leider kein Interesse, melden Sie sich im Frühjahr wieder.",
        "Ich bin bis Freitag im Urlaub, danach gern.",
        "Stopp, das war ein Missverständnis: wir kaufen keine Raketen.",
        "Ihre E-Mail an Herrn Kurz kam zurück, er ist nicht mehr bei uns. Zuständig bin ich.",
        "Können Ihre Kunden sich selbst abmelden, oder macht das Ihr Support?",
    ),
    "fr": (
        "Avec plaisir, jeudi me convient. Passez nous voir au stand 12.",
        "Merci, mais nous avons déjà un fournisseur.",
        "Je suis en congé jusqu'au 10 novembre, reparlons-en ensuite.",
        "Votre message à M. Petit est revenu, voici sa nouvelle adresse.",
        "Stop ou encore ? Nous hésitons entre deux offres.",
        "Est-ce que le lien de désinscription est obligatoire ?",
    ),
    "es": (
        "Perfecto, el jueves a las diez. Pase antes por nuestro stand.",
        "Por ahora no, la persona responsable está de baja hasta enero.",
        "La demanda va a la baja, hablemos en primavera.",
        "Estoy de vacaciones, pero puedo llamarle el lunes.",
        "Su correo anterior fue devuelto; use esta dirección.",
        "¿Cuánto cuesta la suscripción anual?",
    ),
    "it": (
        "Va bene giovedì. Passate prima al nostro stand!",
        "Al momento non siamo interessati, grazie.",
        "Sono in ferie fino a lunedì, sentiamoci dopo.",
        "La mail per il dottor Rossi è tornata indietro: ora lavora a Torino.",
        "Basta così poco? Mi mandi un'offerta.",
        "Come si cancella un cliente dal vostro sistema?",
    ),
    "pt": (
        "Quinta-feira está ótimo. Passem antes pelo nosso estande.",
        "De momento não temos interesse, obrigado.",
        "Estou de férias até segunda, falamos depois.",
        "A sua mensagem para o João voltou; ele saiu da empresa.",
        "Pode parar aqui amanhã às dez? Estamos no segundo andar.",
        "Qual é o preço da assinatura anual?",
    ),
    "nl": (
        "Donderdag is prima. Kom eerst even langs bij onze stand.",
        "Op dit moment hebben wij geen interesse.",
        "Ik ben tot maandag op vakantie, daarna graag.",
        "Uw mail aan Piet kwam terug; hij werkt hier niet meer.",
        "We stoppen in mei met dit project, bel mij in juni.",
        "Hoe kan een klant zich bij jullie afmelden?",
    ),
    "sv": (
        "Torsdag går bra. Kom gärna förbi vår monter först.",
        "Tyvärr inte aktuellt just nu.",
        "Jag har semester till måndag, vi hörs efter det.",
        "Ditt mejl till Eva studsade; här är hennes nya adress.",
        "Stopp i produktionen just nu, hör av dig i maj.",
        "Hur avregistrerar man en kund i ert system?",
    ),
    "pl": (
        "Czwartek pasuje. Zapraszamy wcześniej na nasze stoisko.",
        "Na razie nie jesteśmy zainteresowani.",
        "Jestem na urlopie do poniedziałku, porozmawiajmy później.",
        "Państwa mail do Jana wrócił, już tu nie pracuje.",
        "Stop, proszę najpierw o cennik.",
        "Jak klient może się wypisać z newslettera?",
    ),
    "ru": (
        "Четверг подходит. Загляните сначала на наш стенд.",
        "Пока неактуально, спасибо.",
        "Я в отпуске до понедельника, давайте потом.",
        "Ваше письмо Ивану вернулось, он у нас больше не работает.",
        "Стоп, сначала пришлите цены.",
        "Как клиент может отписаться в вашей системе?",
    ),
}  # fmt: skip
CASES = [
    pytest.param(shape, language, own, id=f"{language}-{shape.__name__}")
    for language, texts in REPLIES.items()
    for shape, own in zip(SHAPES, texts, strict=True)
]


@pytest.mark.parametrize(("shape", "language", "own"), CASES)
def test_a_reply_is_a_reply_and_its_own_words_are_its_own(
    shape: Shape, language: str, own: str
) -> None:
    """Whatever the mail program puts around them."""
    read = classify(shape(own, language))

    assert (read.kind, read.recipients, read.own_words, read.original_message_id) == (
        "reply",
        (),
        own,
        OUR_ID,
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("shape", [*SHAPES, outlook_html], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize(
    "own", ["Yes.", "Sounds good.\n\nWhat does it cost?"], ids=["short", "long"]
)
def test_every_program_quotes_in_every_language(shape: Shape, language: str, own: str) -> None:
    """Ten languages, seven shapes."""
    assert classify(shape(own, language)).own_words == own


STOPS = {
    "en": ("Stop", "Please remove me from your mailing list.", "Unsubscribe"),
    "de": ("Stop", "Bitte nehmen Sie mich aus Ihrem Verteiler.", "Abmelden"),
    "fr": ("STOP", "Merci de me retirer de votre liste.", "Désinscrire"),
    "es": ("Baja", "Por favor, darme de baja de su lista.", "No me envíen más correos"),
    "it": ("Stop", "Cancellatemi dalla vostra lista, grazie.", "Disiscrivimi"),
    "pt": ("Parar", "Por favor, remova-me da lista.", "Não me envie mais emails"),
    "nl": ("Stop", "Graag uitschrijven.", "Verwijder mij uit jullie lijst"),
    "sv": ("Stopp", "Ta bort mig från listan, tack.", "Avregistrera mig"),
    "pl": ("Stop", "Proszę mnie usunąć z listy.", "Wypisz mnie"),
    "ru": ("Стоп", "Удалите меня из рассылки, пожалуйста.", "Отписаться"),
}


@pytest.mark.parametrize(
    "shape",
    [gmail, outlook, outlook_html, apple, thunderbird, phone],
    ids=lambda shape: shape.__name__,
)
@pytest.mark.parametrize(
    ("language", "own"), [(name, own) for name, texts in STOPS.items() for own in texts]
)
def test_an_opt_out_above_a_signature_and_a_quote_is_one(
    shape: Shape, language: str, own: str
) -> None:
    """In ten languages; its writer is told."""
    read = classify(shape(own, language))

    assert read.kind == "unsubscribe", read
    assert [(one.address, one.verdict) for one in read.recipients] == [("jo@lead.example", "none")]


@pytest.mark.parametrize("own", [own for texts in STOPS.values() for own in texts])
def test_an_opt_out_above_a_bare_name_is_one(own: str) -> None:
    """Many people sign without a closing."""
    assert (
        classify(mail(f"{own}\n\nJo Miller\nHead of Sales, Lead Ltd\n+44 20 1234 5678\n")).kind
        == "unsubscribe"
    )
    assert classify(mail(f"Hello Ada,\n\n{own}\n\nThanks\nJo\n")).kind == "unsubscribe"


@pytest.mark.parametrize("above", ["Thanks!", "Hi Ada,\n\nThank you,", "Merci."])
def test_an_opt_out_below_thanks_is_one(above: str) -> None:
    """Thanks at the beginning close nothing: what follows is no signature."""
    read = classify(mail(f"{above}\nPlease remove me from your list\n"))
    assert (read.kind, read.own_words) == (
        "unsubscribe", f"{above}\nPlease remove me from your list",
    )  # fmt: skip


def test_thanks_above_a_name_close_a_mail() -> None:
    assert classify(mail("Thursday works.\n\nThanks!\nJo\n")).own_words == "Thursday works."
    assert classify(mail("Hi Ada,\n\nThanks,\nJo\n")).kind == "reply"


@pytest.mark.parametrize(
    "own",
    [
        "stop by our stand", "Stop by our stand in hall 3!", "Please stop by. Jo", "We had to stop all projects. Write in May.",
        "Stop\nJust kidding, call me on Monday", "la baja temporada empieza en enero", "Basta, ci sentiamo domani.",
        "Remove the second page of the offer, then it is fine.", "Delete my last mail, this is the right file: offer.pdf",
        "No thanks.", "Not interested.", "Unsubscribe rates are what we want to see first.", "Cancel our call on Thursday, please.",
    ],
)  # fmt: skip
def test_a_word_of_an_opt_out_in_a_sentence_is_a_reply(own: str) -> None:
    """Nothing is held, either."""
    read = classify(mail(own))

    assert (read.kind, read.recipients) == ("reply", ())


@pytest.mark.parametrize("own", ["Exclusive?", "Retirement?", "Retired.", "Removable?"])
def test_a_word_that_begins_like_an_opt_out_is_a_reply(own: str) -> None:
    read = classify(mail(own))
    assert (read.kind, read.recipients) == ("reply", ())


@pytest.mark.parametrize(
    ("sender", "own"),
    [
        (
            "System Administrator <it@lead.example>",
            "Yes, gladly. Call me.\n\nIf you are not the intended recipient, delete this mail.",
        ),
        ("admin@lead.example", "Your last parcel was not delivered. Can you call me?"),
    ],
)
def test_the_answer_of_a_person_with_a_name_as_of_a_server_is_no_bounce(
    sender: str, own: str
) -> None:
    assert classify(mail(own, sender=sender)).kind == "reply"


@pytest.mark.parametrize(
    "own",
    [
        "We talked about this in May. Please remove me from your list, or I will call your boss.",
        "I told Ada last week already. Do not contact me again. You hear from our lawyer otherwise.",
        "Das ist die dritte Mail in einer Woche, was soll das? Bitte nehmen Sie mich aus dem Verteiler und antworten Sie nicht.",
        "C'est la troisième fois que je vous réponds, je vous prie. Ne m'écrivez plus, sinon je porte plainte à la CNIL.",
        "Ya se lo dije a su compañera la semana pasada por teléfono. No quiero recibir más publicidad de ustedes.",
    ],
)
def test_an_unmistakable_phrase_in_a_longer_text_is_held(own: str) -> None:
    """For a person to look at."""
    read = classify(mail(own))

    assert read.kind == "reply"
    assert [(one.address, one.verdict) for one in read.recipients] == [("jo@lead.example", "held")]


def test_our_own_footer_in_a_quote_is_no_opt_out() -> None:
    """It says “unsubscribe”, and “stop”."""
    read = classify(outlook("Tell me more.", "en"))

    assert "unsubscribe" in FOOTER
    assert (read.kind, read.recipients, read.own_words) == ("reply", (), "Tell me more.")


def test_our_footer_without_a_border_holds_the_reply() -> None:
    """Nobody can tell then which words are whose."""
    with_link = classify(mail(f"Tell me more.\n{OURS}"))
    with_text = classify(
        mail("Tell me more. Acme Ltd, 1 Main Street"), footers=["Acme Ltd, 1 Main Street\nStop?"]
    )

    assert [with_link.recipients[0].verdict, with_text.recipients[0].verdict] == ["held", "held"]
    assert (with_link.kind, with_text.kind) == ("reply", "reply")


def test_a_click_on_unsubscribe_in_a_mail_program_is_one() -> None:
    """Some send it as an automatic answer."""
    for headers in ({}, {"Auto-Submitted": "auto-replied"}):
        read = classify(
            mail(
                "This mail was sent to unsubscribe.",
                subject="unsubscribe-4Fq0_a-Z",
                headers=headers,
            )
        )
        assert (read.kind, read.recipients[0].address) == ("unsubscribe", "jo@lead.example")


@pytest.mark.parametrize(
    "subject",
    [
        "[EXTERNAL] {}", "[EXT]{}", "***SPAM*** {}", "Re: {}", "[Extérieur] {}", "{} [external]",
        "=?utf-8?b?W0V4dMOpcmlldXJdIHVu?= =?utf-8?q?subscribe-o" + "0a" * 16 + "?=",
    ],
)  # fmt: skip
def test_a_click_is_one_whatever_a_gateway_puts_around_its_subject(subject: str) -> None:
    """A token of ours is in no other text."""
    written = subject.format(f"unsubscribe-o{'0a' * 16}")

    assert classify(mail("", subject=written, answers=False)).kind == "unsubscribe"
    assert token_of_click(header_text(written)) == f"o{'0a' * 16}"


@pytest.mark.parametrize("subject", ["Re: unsubscribe-rates", "[EXT] unsubscribe-o12"])
def test_a_subject_with_another_word_behind_unsubscribe_is_no_click(subject: str) -> None:
    assert not is_click(subject)


HEADERS = {
    "cs": ("Od: {}", "Odesláno: úterý 3. listopadu 2026 10:00", "Komu: Jo Miller", "Předmět: Rockets"),
    "sk": ("Od: {}", "Odoslané: utorok 3. novembra 2026 10:00", "Komu: Jo Miller", "Predmet: Rockets"),
    "ro": ("De la: {}", "Trimis: marți, 3 noiembrie 2026 10:00", "Către: Jo Miller", "Subiect: Rockets"),
    "el": ("Από: {}", "Στάλθηκε: Τρίτη, 3 Νοεμβρίου 2026 10:00 πμ", "Προς: Jo Miller", "Θέμα: Rockets"),
    "hr": ("Šalje: {}", "Poslano: 3. studenoga 2026. 10:00", "Prima: Jo Miller", "Predmet: Rockets"),
    "bg": ("От: {}", "Изпратено: вторник, 3 ноември 2026 г. 10:00 ч.", "До: Jo Miller", "Относно: Rockets"),
    "he": ("\u200fמאת: {}", "נשלח: יום שלישי 03 נובמבר 2026 10:00", "אל: Jo Miller", "נושא: Rockets"),
    "ar": ("من: {}", "تاريخ الإرسال: 03 نوفمبر, 2026 10:00 ص", "إلى: Jo Miller", "الموضوع: Rockets"),
    "ca": ("De: {}", "Enviat el: dimarts, 3 de novembre de 2026 10:00", "Per a: Jo Miller", "Tema: Rockets"),
    "vi": ("Từ: {}", "Đã gửi: Thứ Ba, 3 tháng 11, 2026 10:00 SA", "Tới: Jo Miller", "Chủ đề: Rockets"),
    "id": ("Dari: {}", "Dikirim: Selasa, 03 November 2026 10.00", "Kepada: Jo Miller", "Subjek: Rockets"),
    "zh-TW": ("寄件者: {}", "寄件日期: 2026年11月3日 上午 10:00", "收件者: Jo Miller", "主旨: Rockets"),
}  # fmt: skip
ZOHO = "---- On Tue, 03 Nov 2026 10:00:00 +0100 {} wrote ----"
ZOHO_WRAPPED = "---- El mar, 03 nov. 2026 10:00:00 +0100 {}\nescribió ----"


BORDERS = {name: "\n".join(lines) for name, lines in HEADERS.items()}
BORDERS |= {f"{name}-rule": f"{'_' * 32}\n{border}" for name, border in BORDERS.items()}
BORDERS |= {"zoho": ZOHO, "zoho-wrapped": ZOHO_WRAPPED}


@pytest.mark.parametrize("border", BORDERS.values(), ids=BORDERS)
def test_a_border_above_a_quote_is_one_in_a_language_that_no_list_has(border: str) -> None:
    """By its shape: a writer's address, more fields, a date."""
    quote = f"{border.format(ME)}\n\n{OURS}\n"
    read = classify(mail(f"Yes, Thursday works.\n\n{quote}"))

    assert (read.recipients, read.own_words) == ((), "Yes, Thursday works.")
    assert classify(mail(f"Stop\n\n{quote}")).kind == "unsubscribe"


@pytest.mark.parametrize(
    "below",
    [
        "E-mail: jo@lead.example\nPhone: +44 20 2034 1050\nFax: +44 20 2034 1051",
        "Where: our office\nWhen: 3 November 2026, 10:00\nWho: Ann and me",
        "Contact: jo@lead.example\n\nDate: 3 November 2026, 10:00\nPlace: our office",
        "See: https://jo@lead.example/a\nnote: it is of 2026\nand: it is short",
        "-- 3 Nov 2026 10:00 suits me, jo@lead.example",
        "From: London Euston\nTo: Manchester\nDeparts: 5 November 2026 10:00",
        "Contact: ann@lead.example\nPhone: 030 123\nBack: 10 November 2026, 09:00",
        "From: jo@lead.example\nWhen: 3 November 2026, 10:00\nWhere: here\nWho: Ann",
        "Ann <ann@lead.example>: she knows\nPhone: 030 123\nFax: 030 124\nFree: 3 November 2026, 10:00",
    ],
)
def test_fields_of_a_persons_own_are_no_border(below: str) -> None:
    own = f"Gladly.\n\n{below}\n\nCall me."
    assert classify(mail(own)).own_words == own


def test_a_form_is_no_border() -> None:
    form = "Name: Jo Miller\nE-Mail: jo@lead.example\nDatum: 03.11.2026 10:00\nTelefon: 030 123"
    read = classify(mail(f"{form}\n\nBitte löschen Sie meine Daten aus Ihrer Datenbank."))

    assert [one.verdict for one in read.recipients] == ["held"]


def test_the_frame_of_a_signed_mail_is_no_border() -> None:
    """OpenPGP's; a line that begins with `-` has another before it there."""
    read = classify(
        mail(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nPlease remove me from your list\n\n- -- \nJo\n"
            "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAd\n-----END PGP SIGNATURE-----\n"
        )
    )
    assert (read.kind, read.own_words) == ("unsubscribe", "Please remove me from your list")


def test_an_answer_between_the_lines_of_a_quote_keeps_each_own_line() -> None:
    """And nothing of the quote."""
    read = classify(
        mail(
            "Hi,\n\nOn Tue, Nov 3, 2026, Ada wrote:\n> A call?\n\nYes.\n\n> Thursday?\n\nFriday.\n"
        )
    )

    assert (read.own_words or "").split() == ["Hi,", "Yes.", "Friday."]


def _of_parts(*parts: tuple[str, str]) -> bytes:
    """A `multipart/mixed` of these subtypes and texts."""
    made = "".join(
        f"--x\nContent-Type: text/{subtype}; charset=utf-8\n\n{text}\n" for subtype, text in parts
    )
    return f'From: jo@lead.example\nSubject: Re: Rockets\nContent-Type: multipart/mixed; boundary="x"\n\n{made}--x--\n'.encode()


def test_a_plain_text_beside_html_is_no_alternative_of_it() -> None:
    """A gateway's disclaimer, a mailing list's lines: the words in the HTML count, in their order."""
    below = classify(_of_parts(("html", "<p>Call me.</p>"), ("plain", "This e-mail is secret.")))
    above = classify(_of_parts(("plain", "From outside."), ("html", "<p>Call me.</p>")))
    opts_out = classify(_of_parts(("html", "<p>Please unsubscribe me</p>"), ("plain", "Jo Miller")))

    assert (below.own_words or "").split("\n\n") == ["Call me.", "This e-mail is secret."]
    assert (above.own_words or "").split("\n\n") == ["From outside.", "Call me."]
    assert opts_out.kind == "unsubscribe"


def test_a_text_that_is_sent_twice_is_read_once() -> None:
    """Plain and in HTML, and not as alternatives; with the quote below it."""
    plain = "please remove me from your list"
    quoted = f"On Tue, Nov 3, 2026, {ME} wrote:\n> Hello Jo\n"
    markup = f"<p>{plain}</p><blockquote>Hello Jo</blockquote>"

    assert classify(_of_parts(("plain", plain), ("html", f"<p>{plain}</p>"))).kind == "unsubscribe"
    twice = classify(_of_parts(("plain", f"{plain}\n\n{quoted}"), ("html", markup)))
    assert (twice.kind, twice.own_words) == ("unsubscribe", plain)
    another = classify(_of_parts(("plain", plain), ("html", "<p>No, call me.</p>")))
    assert another.own_words == f"{plain}\n\nNo, call me."


@pytest.mark.parametrize(
    "named",
    ['plain; name="terms.txt"', 'html; name="terms.html"', 'plain\nContent-Disposition: inline; filename="terms.txt"'],
)  # fmt: skip
def test_a_file_beside_a_text_is_none_of_the_persons_own_words(named: str) -> None:
    subtype, _, rest = named.partition("\n")
    head = (
        f"--x\nContent-Type: text/{subtype}\n{rest}\n"
        if rest
        else f"--x\nContent-Type: text/{subtype}\n"
    )
    body = f"--x\nContent-Type: text/plain\n\nUnsubscribe\n{head}\nTerms: pay at once.\n--x--\n"
    alone = f"{head}\nUnsubscribe\n--x--\n"
    top = 'From: jo@lead.example\nSubject: Re: Rockets\nContent-Type: multipart/mixed; boundary="x"\n\n'

    assert [classify(f"{top}{one}".encode()).kind for one in (body, alone)] == ["unsubscribe"] * 2


def test_a_disclaimer_in_html_beside_an_opt_out_holds_it() -> None:
    """The text is an alternative of its own HTML, not of the disclaimer."""
    raw = (
        'From: jo@lead.example\nSubject: Re: Rockets\nContent-Type: multipart/mixed; boundary="x"\n\n'
        '--x\nContent-Type: multipart/alternative; boundary="y"\n\n--y\nContent-Type: text/plain\n\nUnsubscribe\n'
        "--y\nContent-Type: text/html\n\n<p>Unsubscribe</p>\n--y--\n"
        "--x\nContent-Type: text/html\n\n<p>This e-mail is for its reader alone, and for no other.</p>\n--x--\n"
    )
    read = classify(raw.encode())

    assert (read.kind, [one.verdict for one in read.recipients]) == ("reply", ["held"])


def test_html_of_which_a_plain_text_is_the_alternative_is_not_read_twice() -> None:
    assert classify(mail("Yes.", markup="<p>Yes.</p>")).own_words == "Yes."
    assert classify(mail(" ", markup="<p>Yes.</p>")).own_words == "Yes."


@pytest.mark.parametrize(
    "line",
    [
        '<div class="moz-cite-prefix">On 03/11/2026 10:00, Ada Byron wrote:<br></div>',
        "<div>On Tue, Nov 3, 2026 at 10:00 AM Ada Byron &lt;ada@acme.example&gt; wrote:</div>",
        "<p>Dne út 3. 11. 2026 v 10:00 odesílatel Ada Byron &lt;ada@acme.example&gt; napsal:</p>",
        "",
    ],
)
def test_an_answer_below_a_quote_in_html_is_found(line: str) -> None:
    """The line above the quote is none of it."""
    quote = f"{line}<blockquote><p>Hello Jo,</p><blockquote>Older</blockquote></blockquote>"

    assert classify(mail(markup=f"<html>{quote}<p>Stop</p></html>")).kind == "unsubscribe"
    assert classify(mail(markup=f"<html>{quote}<p>Yes.</p></html>")).own_words == "Yes."
    greeted = f"<html><p>Hi Ada,</p>{quote}<p>Please remove me from your list.</p></html>"
    assert classify(mail(markup=greeted)).kind == "unsubscribe"


def test_long_styles_do_not_hide_the_text_below_them() -> None:
    """Outlook's HTML begins with them."""
    styles = "<style>" + "p.MsoNormal { margin: 0 }\n" * 3_000 + "</style>"

    assert (
        classify(
            mail(markup=f"<html><head>{styles}</head><body><p>Yes.</p></body></html>")
        ).own_words
        == "Yes."
    )


def test_a_line_right_above_a_quote_is_the_persons_own() -> None:
    """Without an empty line between them, and with the line above the quote in two."""
    read = classify(
        mail(
            "Yes, at 10:30.\nOn Tue, Nov 3, 2026 at 10:00 AM Ada Byron\n<ada@acme.example> wrote:\n> A call?\n"
        )
    )

    assert read.own_words == "Yes, at 10:30."


def test_an_opt_out_may_stand_in_the_subject() -> None:
    """Of a mail of its own, above a signature."""
    assert (
        classify(mail("Jo Miller\nLead Ltd\n", subject="Remove me", answers=False)).kind
        == "unsubscribe"
    )
    assert (
        classify(mail("We talk about it on Monday.", subject="Stop", answers=False)).kind == "reply"
    )
    assert (
        classify(mail("See the table.", subject="Unsubscribe rates", answers=False)).kind == "reply"
    )


def test_a_mail_with_headers_that_mark_no_automatic_answer_is_a_persons() -> None:
    """Measured: people's own mails carry them."""
    headers = {
        "X-MS-Exchange-Inbox-Rules-Loop": "jo@lead.example",
        "Precedence": "bulk",
        "Return-Path": "<>",
    }

    assert classify(mail("Yes", headers=headers)).kind == "reply"


def test_a_newsletter_is_no_reply() -> None:
    """It answers no mail and can be left."""
    headers = {"List-Unsubscribe": "<https://news.example/leave>", "List-Id": "<news.example>"}

    assert (
        classify(mail("News!", subject="Our news", headers=headers, answers=False)).kind == "other"
    )
    assert classify(mail("Yes!", headers=headers)).kind == "reply"
