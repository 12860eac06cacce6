"""Received mails as mail programs write them: our own words in their shapes."""

import html
from dataclasses import dataclass
from email.message import EmailMessage

FOOTER = "Acme Ltd, 1 Main Street. To get no more mails, unsubscribe: https://app.example/api/unsubscribe/t0k3n"
OURS = f"Hello Jo,\nwe make tests for rockets. Would a call on Thursday suit you?\nIf not, tell us to stop.\n\nAda Byron\n{FOOTER}"
ME = "Ada Byron <ada@acme.example>"
OUR_ID = "CAF00d+42@mail.gmail.com"


@dataclass(frozen=True)
class Language:
    """How programs speak in it."""

    gmail: str
    thunderbird: str
    outlook: tuple[str, str, str, str]
    """From, Sent, To, Subject."""
    framed: str
    phone: str
    closing: str


LANGUAGES = {
    "en": Language("On Tue, Nov 3, 2026 at 10:00 AM Ada Byron <ada@acme.example> wrote:", "On 03/11/2026 10:00, Ada Byron wrote:", ("From", "Sent", "To", "Subject"), "Original Message", "Sent from my iPhone", "Best regards,"),
    "de": Language("Am Di., 3. Nov. 2026 um 10:00 Uhr schrieb Ada Byron <ada@acme.example>:", "Am 03.11.26 um 10:00 schrieb Ada Byron:", ("Von", "Gesendet", "An", "Betreff"), "Ursprüngliche Nachricht", "Von meinem iPhone gesendet", "Mit freundlichen Grüßen"),
    "fr": Language("Le mar. 3 nov. 2026 à 10:00, Ada Byron <ada@acme.example> a écrit :", "Le 03/11/2026 à 10:00, Ada Byron a écrit :", ("De", "Envoyé", "À", "Objet"), "Message d'origine", "Envoyé de mon iPhone", "Cordialement,"),
    "es": Language("El mar, 3 nov 2026 a las 10:00, Ada Byron (<ada@acme.example>) escribió:", "El 3/11/26 a las 10:00, Ada Byron escribió:", ("De", "Enviado", "Para", "Asunto"), "Mensaje original", "Enviado desde mi iPhone", "Un saludo,"),
    "it": Language("Il giorno mar 3 nov 2026 alle ore 10:00 Ada Byron <ada@acme.example> ha scritto:", "Il 03/11/2026 10:00, Ada Byron ha scritto:", ("Da", "Inviato", "A", "Oggetto"), "Messaggio originale", "Inviato da iPhone", "Cordiali saluti"),
    "pt": Language("Em ter., 3 de nov. de 2026 às 10:00, Ada Byron <ada@acme.example> escreveu:", "Em 03/11/2026 10:00, Ada Byron escreveu:", ("De", "Enviado", "Para", "Assunto"), "Mensagem original", "Enviado do meu iPhone", "Atenciosamente,"),
    "nl": Language("Op di 3 nov 2026 om 10:00 schreef Ada Byron <ada@acme.example>:", "Op 03-11-2026 om 10:00 schreef Ada Byron:", ("Van", "Verzonden", "Aan", "Onderwerp"), "Oorspronkelijk bericht", "Verstuurd vanaf mijn iPhone", "Met vriendelijke groet,"),
    "sv": Language("Den tis 3 nov. 2026 kl 10:00 skrev Ada Byron <ada@acme.example>:", "Den 2026-11-03 kl. 10:00, skrev Ada Byron:", ("Från", "Skickat", "Till", "Ämne"), "Ursprungligt meddelande", "Skickat från min iPhone", "Med vänliga hälsningar"),
    "pl": Language("wt., 3 lis 2026 o 10:00 Ada Byron <ada@acme.example> napisał(a):", "W dniu 3.11.2026 o 10:00, Ada Byron pisze:", ("Od", "Wysłano", "Do", "Temat"), "Wiadomość oryginalna", "Wysłane z iPhone'a", "Pozdrawiam,"),
    "ru": Language("вт, 3 нояб. 2026 г. в 10:00, Ada Byron <ada@acme.example>:", "03.11.2026 10:00, Ada Byron пишет:", ("От", "Отправлено", "Кому", "Тема"), "Исходное сообщение", "Отправлено с iPhone", "С уважением,"),
}  # fmt: skip


def mail(
    text: str = "",
    *,
    subject: str = "Re: Rockets",
    sender: str = "Jo Miller <jo@lead.example>",
    markup: str = "",
    headers: dict[str, str] | None = None,
    answers: bool = True,
) -> bytes:
    """A mail as it is received: plain, HTML, or both."""
    made = EmailMessage()
    made["From"] = sender
    made["To"] = ME
    made["Subject"] = subject
    made["Date"] = "Tue, 03 Nov 2026 18:00:00 +0100"
    made["Message-ID"] = "<their-answer@lead.example>"
    if answers:
        made["In-Reply-To"] = f"<{OUR_ID}>"
        made["References"] = f"<{OUR_ID}>"
    for name, value in (headers or {}).items():
        made[name] = value
    if text or not markup:
        made.set_content(text, cte="8bit" if not text.isascii() else None)
        if markup:
            made.add_alternative(markup, subtype="html")
    else:
        made.set_content(markup, subtype="html")
    return made.as_bytes()


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def _markup(text: str) -> str:
    return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in text.split("\n"))


def gmail(own: str, language: str) -> bytes:
    """With a signature; its line above the quote is wrapped as Gmail does."""
    speech = LANGUAGES[language]
    line = speech.gmail if len(speech.gmail) < 76 else speech.gmail.replace(" <", "\n<", 1)
    text = f"{own}\n\n-- \nJo Miller\nLead Ltd\n\n{line}\n\n{_quoted(OURS)}\n"
    return mail(text, markup=f'<div dir="ltr">{_markup(own)}</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{html.escape(speech.gmail)}<br></div><blockquote class="gmail_quote">{_markup(OURS)}</blockquote></div>')  # fmt: skip


def outlook(own: str, language: str) -> bytes:
    """A header and the whole mail below a rule; no line of it is marked."""
    names = LANGUAGES[language]
    values = (ME, "Tuesday, November 3, 2026 10:00", "Jo Miller <jo@lead.example>", "Rockets")
    header = "\n".join(
        f"{name}: {value}" for name, value in zip(names.outlook, values, strict=True)
    )
    return mail(
        f"{own}\n\n{names.closing}\nJo Miller\nHead of Sales\nLead Ltd | +44 20 1234 5678\n\n________________________________\n{header}\n\n{OURS}\n"
    )


def outlook_html(own: str, language: str) -> bytes:
    """HTML alone, as its web client writes."""
    names = LANGUAGES[language].outlook
    header = "".join(f"<b>{name}:</b> Ada<br>" for name in names)
    return mail(markup=f'<html><body><div class="elementToProof">{_markup(own)}</div><div id="appendonsend"></div><hr tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">{header}</div>{_markup(OURS)}</body></html>')  # fmt: skip


def apple(own: str, language: str) -> bytes:
    """Apple Mail marks the line above the quote too."""
    return mail(f"{own}\n\n{_quoted(LANGUAGES[language].gmail)}\n> \n{_quoted(OURS)}\n")


def yahoo(own: str, language: str) -> bytes:
    """Text and quote are HTML."""
    line = html.escape(LANGUAGES[language].gmail)
    return mail(markup=f'<html><body><div class="ydp1yahoo-style-wrap">{_markup(own)}</div><div id="ydp2yahoo_quoted_1" class="ydp2yahoo_quoted"><div>{line}</div>{_markup(OURS)}</div></body></html>')  # fmt: skip


def thunderbird(own: str, language: str) -> bytes:
    """The answer stands below the quote."""
    return mail(f"{LANGUAGES[language].thunderbird}\n{_quoted(OURS)}\n\n{own}\n")


def phone(own: str, language: str) -> bytes:
    """A line of the phone, and a framed line above the mail."""
    speech = LANGUAGES[language]
    return mail(f"{own}\n\n{speech.phone}\n\n-------- {speech.framed} --------\n{OURS}\n")


SHAPES = (gmail, outlook, apple, yahoo, thunderbird, phone)
