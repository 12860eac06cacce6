"""Automatic answers: away notices with the day of return, receipts, tickets."""

from datetime import date

import pytest

from outreach.inbound.classify import classify
from outreach.inbound.return_dates import back_on
from tests.inbound_mails import OUR_ID, OURS, mail

EXCHANGE = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
GMAIL = {"Auto-Submitted": "auto-replied", "Precedence": "bulk", "X-Autoreply": "yes"}
APPLE = {"X-Apple-Action": "VACATION"}
SIEVE = {"Auto-Submitted": "auto-replied (vacation)"}
OLD = {"Precedence": "auto_reply"}
NONE: dict[str, str] = {}

AWAY = [
    # subject, text, headers, the day of return
    ("Automatic reply: Rockets", "I am out of the office and will be back on Monday, 9 November 2026.", EXCHANGE, "2026-11-09"),
    ("Re: Rockets", "Thanks for your mail. I'm on vacation until November 16th with limited access to email.", GMAIL, "2026-11-16"),
    ("Out of Office Re: Rockets", "I am traveling from November 5-12 and cannot read mail.", NONE, "2026-11-12"),
    ("Re: Rockets", "I am away at the moment.", APPLE, None),
    ("Automatische Antwort: Rockets", "Ich bin bis einschließlich 13.11.2026 nicht im Büro. In dringenden Fällen: Herr Kurz, Tel. 030 12.34.56.", EXCHANGE, "2026-11-13"),
    ("Abwesenheitsnotiz", "Ich bin im Urlaub und ab dem 16. November wieder für Sie da.", NONE, "2026-11-16"),
    ("Re: Rockets", "Vielen Dank. Ich bin vom 4. bis 20. November abwesend.", SIEVE, "2026-11-20"),
    ("Re: Rockets", "Derzeit bin ich auf Dienstreise, zurück am Montag.", GMAIL, "2026-11-09"),
    ("Réponse automatique : Rockets", "Je suis absent jusqu'au 15 novembre 2026 inclus.", EXCHANGE, "2026-11-15"),
    ("Absence du bureau", "Je suis en congé, de retour le lundi 16 novembre.", NONE, "2026-11-16"),
    ("Re: Rockets", "Je serai de retour le 05/01/2027. Bonnes fêtes !", SIEVE, "2027-01-05"),
    ("Re: Rockets", "En congé maternité. Merci d'écrire à ma collègue.", GMAIL, None),
    ("Respuesta automática: Rockets", "Estoy fuera de la oficina hasta el 12 de noviembre de 2026.", EXCHANGE, "2026-11-12"),
    ("Fuera de la oficina", "Estaré de vuelta el 1 de diciembre.", NONE, "2026-12-01"),
    ("Re: Rockets", "Estoy de vacaciones. Regreso el lunes.", GMAIL, "2026-11-09"),
    ("Re: Rockets", "Estoy ausente hasta el 07/01/2027.", SIEVE, "2027-01-07"),
    ("Risposta automatica: Rockets", "Sono fuori ufficio fino al 10 novembre. Rientro il giorno 11 novembre 2026.", EXCHANGE, "2026-11-11"),
    ("Fuori sede", "Sarò di ritorno mercoledì 18 novembre.", NONE, "2026-11-18"),
    ("Re: Rockets", "Sono in ferie fino al 08/01/2027.", GMAIL, "2027-01-08"),
    ("Resposta automática: Rockets", "Estou de férias até 20 de novembro de 2026.", EXCHANGE, "2026-11-20"),
    ("Ausência", "Estou fora do escritório e regresso a 23 de novembro.", NONE, "2026-11-23"),
    ("Re: Rockets", "Estou em licença. Retorno em 04/01/2027.", OLD, "2027-01-04"),
    ("Automatisch antwoord: Rockets", "Ik ben afwezig tot en met 17 november 2026.", EXCHANGE, "2026-11-17"),
    ("Afwezig", "Ik ben op vakantie en vanaf maandag 23 november weer bereikbaar. Ik ben terug op 23 november.", NONE, "2026-11-23"),
    ("Re: Rockets", "Met vakantie, terug op 4-1-2027.", SIEVE, "2027-01-04"),
    ("Autosvar: Rockets", "Jag är inte på kontoret, tillbaka den 30 november.", EXCHANGE, "2026-11-30"),
    ("Frånvaro", "Jag har semester till och med 2026-11-22.", NONE, "2026-11-22"),
    ("Re: Rockets", "Semester. Åter 3 januari.", GMAIL, "2027-01-03"),
    ("Odpowiedź automatyczna: Rockets", "Jestem na urlopie do 14 listopada 2026.", EXCHANGE, "2026-11-14"),
    ("Poza biurem", "Wracam 1 grudnia.", NONE, "2026-12-01"),
    ("Re: Rockets", "Jestem na urlopie. Wrócę w poniedziałek.", SIEVE, "2026-11-09"),
    ("Автоматический ответ: Rockets", "Я в отпуске до 20 ноября 2026 года.", EXCHANGE, "2026-11-20"),
    ("Автоответ", "Меня нет на месте, вернусь 11.01.2027.", NONE, "2027-01-11"),
    ("自動返信: Rockets", "11月20日まで休暇をいただいております。", EXCHANGE, "2026-11-20"),
    ("自动回复：Rockets", "我正在休假，2026年11月18日返回。", EXCHANGE, "2026-11-18"),
]  # fmt: skip
AUTO = [
    (
        "Ticket #4711: we have received your request",
        "An agent will answer within two days.",
        {"Auto-Submitted": "auto-replied"},
    ),
    ("Eingangsbestätigung", "Ihre Nachricht ist bei uns eingegangen.", NONE),
    ("Re: Rockets", "This mailbox is not read. Please use our form.", {"X-Autoreply": "yes"}),
    (
        "Accusé de réception",
        "Nous avons bien reçu votre message.",
        {"X-Auto-Response-Suppress": "OOF, AutoReply"},
    ),
    (
        "Re: Rockets",
        "Wir melden uns bis Montag bei Ihnen zurück.",
        {"Auto-Submitted": "auto-replied"},
    ),
    ("Autosvar: Rockets", "Vi återkommer till dig i morgon.", NONE),
    ("Re: Rockets", "We get back to you until Monday.", {"X-Autorespond": "1"}),
    ("Re: Rockets", "Jo no longer works here.", {"Auto-Submitted": "auto-generated"}),
    ("Gelesen: Rockets", "Ihre Nachricht wurde gelesen.", {"Auto-Submitted": "auto-generated"}),
]


def test_there_are_more_than_forty() -> None:
    """In ten languages and more."""
    assert len(AWAY) + len(AUTO) >= 40


@pytest.mark.parametrize(
    ("subject", "text", "headers", "back"),
    AWAY,
    ids=[f"{n}-{one[0]}" for n, one in enumerate(AWAY)],
)
def test_an_away_notice_tells_the_day_of_return(
    subject: str, text: str, headers: dict[str, str], back: str | None
) -> None:
    """Above the mail that it answers, which has dates of its own."""
    quoted = "\n".join(f"> {line}" for line in OURS.split("\n"))
    read = classify(
        mail(
            f"{text}\n\nJo Miller\n\nOn Tue, Nov 3, 2026 at 10:00 AM Ada <ada@acme.example> wrote:\n{quoted}\n",
            subject=subject,
            headers=headers,
        )
    )

    assert (read.kind, read.recipients, read.original_message_id) == ("away", (), OUR_ID), read.why
    assert read.back_on == (date.fromisoformat(back) if back else None)


@pytest.mark.parametrize(("subject", "text", "headers"), AUTO, ids=[one[0] for one in AUTO])
def test_another_automatic_answer_is_no_absence(
    subject: str, text: str, headers: dict[str, str]
) -> None:
    """A ticket, a receipt."""
    read = classify(mail(text, subject=subject, headers=headers))

    assert (read.kind, read.back_on) == ("auto", None)


PASTED = """
The original message was received at Tue, 3 Nov 2026 10:00:00 +0100
   ----- The following addresses had permanent fatal errors -----
<ann@lead.example>
    (reason: 550 5.1.1 <ann@lead.example>... User unknown)
"""


@pytest.mark.parametrize("quote", ["", "> "], ids=["pasted", "quoted"])
def test_an_away_notice_that_quotes_a_bounce_is_an_away_notice(quote: str) -> None:
    """Even with a bounce's subject and without a return path."""
    bounce = "\n".join(f"{quote}{line}" for line in PASTED.split("\n"))
    text = f"I am on vacation until November 16.\n\n-----Original Message-----\nFrom: Mail Delivery System <mailer-daemon@lead.example>\nSubject: Undelivered Mail Returned to Sender\n{bounce}"
    for subject in (
        "Automatic reply: Undelivered Mail Returned to Sender",
        "Re: Undelivered Mail Returned to Sender",
    ):
        read = classify(mail(text, subject=subject, headers={**GMAIL, "Return-Path": "<>"}))
        assert (read.kind, read.back_on) == ("away", date(2026, 11, 16))


def test_an_away_notice_with_lines_to_contact_somebody_keeps_its_return() -> None:
    """An address and a date in fields are no border of a quote."""
    text = "I am on vacation.\n\nContact: ann@lead.example\nPhone: 030 123\nBack: 10 November 2026, 09:00"
    read = classify(mail(text, subject="Automatic reply: Rockets", headers=GMAIL))

    assert (read.kind, read.back_on) == ("away", date(2026, 11, 10))


@pytest.mark.parametrize("quote", ["", "> "], ids=["pasted", "quoted"])
@pytest.mark.parametrize(
    "sender", ["Jo Miller <jo@lead.example>", "Postmaster <postmaster@lead.example>"]
)
def test_a_persons_reply_that_pastes_a_bounce_is_a_reply(sender: str, quote: str) -> None:
    """Also a postmaster's: people write from that address."""
    bounce = "\n".join(f"{quote}{line}" for line in PASTED.split("\n"))
    text = f"Hi Ada,\nyour mail to Ann came back, see below. She left; write to me.\nJo\n\nOn Tue, Nov 3, 2026, Mail Delivery System <mailer-daemon@lead.example> wrote:\n{bounce}"
    read = classify(mail(text, subject="Re: Undelivered Mail Returned to Sender", sender=sender))

    assert (read.kind, read.recipients) == ("reply", ())


@pytest.mark.parametrize(
    ("text", "sent", "back"),
    [
        ("back on 1/5/2027", "2026-12-20", "2027-01-05"),
        ("back on 15/1/2027", "2026-12-20", "2027-01-15"),
        ("I will be back tomorrow.", "2026-11-03", "2026-11-04"),
        ("Back Friday", "2026-11-06", "2026-11-13"),
        ("from 22-27 December I am away, back on 28 December", "2026-12-21", "2026-12-28"),
        ("until July 10-31", "2026-07-09", "2026-07-31"),
        ("ich bin vom 22.12. bis 04.01. nicht im Haus", "2026-12-21", "2027-01-04"),
        ("until 1 March 2031", "2026-11-03", None),
        ("I was back on 1 October 2026", "2026-11-03", None),
        ("Our fair is on 12 November 2026.", "2026-11-03", None),
        ("back on 31 February", "2026-11-03", None),
        ("You may return the form; the sun shines", "2026-11-03", None),
        ("until 99.99.2026 or 2026-13-45", "2026-11-03", None),
    ],
)
def test_a_return_date_stands_after_a_phrase_of_return(
    text: str, sent: str, back: str | None
) -> None:
    """And near the notice's own day."""
    assert back_on(text, date.fromisoformat(sent)) == (date.fromisoformat(back) if back else None)


def calendar(method: str, headers: str, subject: str = "Accepted: Rockets call @ Thu") -> bytes:
    """As Google Calendar writes in a person's name."""
    return f"""\
From: Jo <jo@lead.example>
To: ada@acme.example
Subject: {subject}
{headers}Content-Type: multipart/mixed; boundary="x"

--x
Content-Type: multipart/alternative; boundary="y"

--y
Content-Type: text/plain; charset="UTF-8"

Jo has accepted this invitation.
--y
Content-Type: text/calendar; charset="UTF-8"; method={method}

BEGIN:VCALENDAR
END:VCALENDAR
--y--
--x--
""".encode()


@pytest.mark.parametrize("method", ["REPLY", "REQUEST", '"Counter"'])
@pytest.mark.parametrize(
    "headers",
    [
        "",
        "Auto-Submitted: auto-generated\n",
        "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n",
    ],
)
def test_an_invitation_and_its_answer_are_a_persons(method: str, headers: str) -> None:
    """A calendar writes them, at a person's click."""
    read = classify(calendar(method, headers))

    assert (read.kind, read.own_words) == ("reply", "Jo has accepted this invitation.")


@pytest.mark.parametrize(
    ("method", "headers", "subject"),
    [
        ("PUBLISH", "Auto-Submitted: auto-generated\n", "Your ticket"),
        ("CANCEL", "Auto-Submitted: auto-generated\n", "Canceled: Rockets call"),
        ("REPLY", "Auto-Submitted: auto-replied\n", "Re: Rockets"),
        ("REPLY", "X-Autoreply: yes\n", "Re: Rockets"),
        ("REPLY", "Precedence: auto_reply\n", "Re: Rockets"),
        ("REQUEST", "Auto-Submitted: auto-generated\n", "Out of office: Rockets"),
    ],
)
def test_another_automatic_mail_with_a_calendar_stays_one(
    method: str, headers: str, subject: str
) -> None:
    """A vacation notice may have one, too."""
    assert classify(calendar(method, headers, subject)).kind in {"auto", "away"}


TOLD = "Your sample to sales@lead.example could not be delivered, user unknown. Ask for Ann: jo@lead.example."


@pytest.mark.parametrize(
    "subject",
    [
        "RE : Rockets",
        "R: Rockets",
        "RES: Rockets",
        "RIF: Rockets",
        "Re[2]: Rockets",
        "Re (3): Rockets",
        "Antw: Rockets",
        "Antwort: Rockets",
        "YNT: Rockets",
        "İLT: Rockets",
        "ΑΠ: Rockets",
        "答复: Rockets",
        "回覆：Rockets",
        "Ref: Rockets",
        "Rép : Rockets",
        "[EXTERNAL] [List] AW: WG: Rockets",
    ],
)
def test_a_person_who_tells_of_a_bounce_answers_in_any_language(subject: str) -> None:
    """Also from an address that programs have."""
    read = classify(mail(TOLD, subject=subject, sender="Jo Miller <admin@lead.example>"))

    assert (read.kind, read.own_words) == ("reply", TOLD)


@pytest.mark.parametrize(
    ("subject", "sender"),
    [
        ("Recall: Rockets", "Jo Miller <admin@lead.example>"),
        ("Undelivered: re: Rockets", "no-reply@lead.example"),
        ("RES: Rockets", "MAILER-DAEMON@lead.example"),
        ("Antw: Rockets", "postmaster@lead.example"),
    ],
)
def test_a_programs_notice_stays_one_whatever_word_begins_its_subject(
    subject: str, sender: str
) -> None:
    """A colon alone is no answer; a server's answer is none."""
    assert classify(mail(TOLD, subject=subject, sender=sender)).kind == "bounce"


def test_an_away_notice_with_a_disclaimer_is_no_bounce() -> None:
    """It may return our mail, and have no return path."""
    text = (
        "I am out of the office until 7 December 2026.\n"
        "This message is for the intended recipient only.\n\n"
        "-----Original Message-----\nFrom: Ada <ada@ours.example>\nTo: jo@lead.example\n"
        "Subject: Delivery failure rates\n\nHello Jo\n"
    )
    headers = {"Return-Path": "<>", "Auto-Submitted": "auto-replied"}
    read = classify(mail(text, subject="Out of office: Delivery failure rates", headers=headers))
    assert (read.kind, [one.verdict for one in read.recipients]) == ("away", [])
