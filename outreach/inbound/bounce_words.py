"""Words of notices about a delivery, in lower case."""

import re

SUBJECTS = (
    "non-delivery", "not yet been delivered", "delivery warning", "processing error", "undeliver",
    "delivery failure", "delivery failed", "delivery has failed", "delivery error",
    "delivery problem", "delivery delay", "delivery notification", "failed delivery",
    "delayed mail", "mail delivery", "mail system error", "mail failure", "email failure",
    "returned mail", "returned email", "returned to sender", "failure notice",
    "failure notification", "not be delivered", "not delivered", "could not send",
    "could not be sent", "error sending your", "delivery status", "message delivery",
    "message not delivered", "rejected mail", "unable to deliver", "non remis", "non distribu",
    "échec de la remise", "unzustellbar", "nicht zugestellt", "no se puede entregar",
    "no entregado", "mancato recapito", "não entregue", "onbestelbaar", "niet bezorgd",
    "kunde inte levereras", "недоставлен", "не доставлен",
)  # fmt: skip
"""Within the subject of a notice."""

CERTAIN = (
    "error message below", "送信できませんでした", "could not be delivered", "cannot be delivered",
    "can not be delivered", "couldn't be delivered", "wasn't delivered", "was not delivered",
    "not been delivered", "unable to deliver", "wasn't able to deliver", "was not able to deliver",
    "were unable to deliver", "delivery to the following", "delivery failed", "delivery has failed",
    "delivery failure", "did not reach the following",
)  # fmt: skip
"""Within a notice: no other mail of a program says so."""

PHRASES = (
    "could not deliver", "not yet been delivered", "has been returned", "been postponed", "non-delivery",
    "failed recipient", "intended recipient", "delivery attempts",
    "invalid final delivery", "permanent fatal errors", "transcript of session follows",
    "failed permanently", "undeliverable", "rejected by a remote mail server",
    "attempting to deliver", "trouble delivering", "could not be sent", "not be delivered",
    "had delivery problems", "non-delivered", "returned permanent errors",
    "recipients were affected", "exceeds allowed size", "recipient failed", "recipients failed",
    "address failed", "addresses failed", "address(es) failed", "mail system error",
    "error message", "no valid recipients", "error delivering your mail", "trying to deliver",
    "returned to sender", "mailbox is full", "user unknown", "unknown user", "invalid user address",
    "no such user", "message is delayed", "has been delayed", "undelivered", "failure reasons",
)  # fmt: skip
"""Within a mail server's notice."""

DELAYS = (
    "will continue to", "attempts will continue", "been postponed", "delivery warning",
    "just a warning", "has been delayed", "is delayed", "was delayed", "delivery delay",
    "status notification (delay)", "delayed mail", "warning message only", "warning only",
    "still being retried", "will be retried", "will retry", "will keep trying",
    "temporary failure report", "not need to resend", "not need to re-send",
    "not yet been delivered",
)  # fmt: skip
"""Of a server that still tries."""

_ANSWERS = (
    "re", "r", "ref", "réf", "rép", "res", "rif", "aw", "antw", "antwort", "sv", "vs", "vá", "ats", "vast",
    "odp", "odg", "ynt", "απ", "σχετ", "ответ", "отв", "رد", "השב", "תשובה", "答复", "答覆", "回复", "回覆",
    "返信", "답장", "회신",
    "fwd", "fw", "tr", "wg", "rv", "vb", "vl", "i", "enc", "doorst", "pd", "ilt", "πρθ", "пересл", "转发",
    "轉寄", "転送", "전달",
)  # fmt: skip
ANSWERS = re.compile(
    r"\s*+(?:\[[^\[\]]{1,40}+\]\s*+){0,3}+"  # the mark of a mail from outside
    rf"(?:{'|'.join(_ANSWERS)})\s*+(?:\[\d{{1,4}}\]\s*+|\(\d{{1,4}}\)\s*+)?+[:：]",
    re.IGNORECASE,
)
"""The beginning of the subject of a person's answer or forward: `Re:`, `RE :`, `Re[2]:`, `[EXT] AW:`."""
