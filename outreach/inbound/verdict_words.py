"""Words of servers that refuse a mail, in lower case, by what they say of the address."""

BEFORE_RECIPIENT = (
    "after mail from", "to mail from command", "after initial connection", ">>> mail from",
    "after ehlo", "after helo", "to ehlo command", "to helo command", "my name was rejected",
)  # fmt: skip
"""Refused before the recipient was named: that is about the sender."""

SENDER = (
    "spf", "dkim", "dmarc", "blacklist", "black list", "blocklist", "block list", "blocked using",
    "denylist", " rbl", "dnsbl", "spam", "junk mail", "unsolicited", "bulk mail", "reputation",
    "complaint", "reverse dns", "rdns", "ptr record", "no ptr", "hostname for your ip",
    "cannot find your hostname", "cannot resolve your", "sender domain", "sender address",
    "sender verif", "verify sender", "verification failed", "sender rejected", "sender denied",
    "sender is not", "sender not", "sending domain", "sending mail of domain", "domain of sender",
    "envelope sender", "return address", "return-path", "relay", "policy", "policies",
    "not authori", "unauthori", "not verified", "not permitted", "not allowed", "permission",
    "authenticat", "virus", "malware", "phish", "suspicious", "potential", "malicious",
    "message content", "content rejected", "rejected for content", "blocked content",
    "message rejected", "message refused", "mail rejected", "message was rejected",
    "message has been rejected", "message blocked", "rejected by recipient", "client host",
    "your host", "your ip", "ip address", "invalid ip", "sending ip", "source ip", "adresse ip",
    "banned", "rate limit", "ratelimit", "throttl", "too many connections", "too many messages",
    "too many recipients", "too many errors", "too many mails", "too many concurrent",
    "too much mail", "too fast", "unexpected volume", "daily sending quota", "sending limit",
    "sending rate", "sent too many", "certificate", "encryption", "tls required", "tls is required",
    "requires tls", "issue a starttls", "security polic", "security reason", "for security",
    "security threat", "security violation", "header missing", "missing header", "from: header",
    "from header", "header field", "headers are not", "rfc 5322", "rfc 2822", "rfc5322", "rfc2822",
    "rfc 822", "non-compliant", "not rfc", "not compliant", "weren't sent", "black-list",
    "domain name not accepted", "bad sender", "invalid sender", "invalid domain name",
    "unacceptable", "no access from mail server", "connection denied", "helo command rejected",
    "unable to verify", "not allowed to connect", "too many spam", "your mail server",
    "your domain", "your message was blocked", "blocked by", "is listed in", "listed at", "listed on",
    "sender id", "sender mismatch", "dynamic ip", "open proxy", "open relay",
    "backscatter", "no valid reverse", "invalid helo", "message looks like", "considered as",
    "classified as", "virenschutz", "attachment", "accept mail from", "accepts mail from",
    "accept mails from", "accept email from", "accepts email from", "accept emails from",
    "accept e-mail from", "accept messages from", "accepts messages from", "external senders",
    "unknown senders",
)  # fmt: skip
"""The server refuses this sender, this host or this content."""

PASSING = (
    "mailbox full", "mailbox is full", "mailbox for user is full", "mailbox exceed", "full mailbox",
    "inbox is full", "inbox full", "box is full", "quota", "over limit", "overlimit",
    "out of storage", "storage", "insufficient", "not enough", "disk full", "disk space",
    "no space", "space left", "too large", "too big", "too long", "size limit", "message size",
    "maximum size", "size exceeds", "exceeds size", "exceeds limit", "exceeds the",
    "maximum message", "line limit", "length exceeds", "loop", "too many hops", "hop count",
    "timed out", "timeout", "time out", "time-out", "message expired", "delivery time expired",
    "expired", "could not be delivered for", "cannot send message for", "in the queue too long",
    "failing for a long time", "retry time", "connection refused", "refused connection",
    "connection reset", "connection lost", "lost connection", "connection dropped",
    "connection closed", "unable to connect", "could not connect",
    "not accept our requests to connect", "no route to host", "host is down",
    "network is unreachable", "network error", "host not reachable", "smtp connection",
    "unable to contact", "temporar", "try again later", "try later", "please try later", "greylist",
    "graylist", "frozen", "account is locked", "account has been locked", "account is blocked",
    "account has been blocked", "over quota", "lock failure", "couldn't create", "can't create",
    "command died", "mailer error", "local error", "local configuration",
    "mail server configuration", "service currently unavailable", "service not available",
    "sequence of commands", "bad sequence", "syntax error", "servfail", "no relevant answers",
    "duplicated message", "mailbox busy", "system error", "system problem", "exceeded", "exceeding",
    "disk quota", "pleine", "voll", "llena", "piena", "plein", "host name lookup failure",
    "host not found, try again", "name server reply", "dns records for the destination",
    "host is unreachable", "host unreachable", "looping", "loops back", "exit status",
    "process failed", "writing to mailbox", "internal error", "configuration error",
    "waiting for input", "transaction failed", "interrupted system call",
    "too many messages on the server", "not responding", "could not be reached",
    "did not respond", "no answer from", "unreachable",
)  # fmt: skip
"""The mail did not arrive this time, or this mail does not fit."""

UNKNOWN = (
    "user unknown", "user not listed", "unknown user", "user not found", "user not exist",
    "user is unknown", "unknown address", "unknown recipient", "unknown mailbox",
    "unknown or illegal", "unknown local", "unknown account", "recipient unknown",
    "recipient not found", "recipientnotfound", "recipient name is not recognized",
    "recipient does not exist", "recipient no longer", "recipient is not exist",
    "recipient not exist", "no such user", "no such recipient", "no such mailbox",
    "no such address", "no such account", "no such person", "no such local", "no such domain",
    "no such host", "no mailbox", "not our user", "not our customer", "not a valid user",
    "not a valid mailbox", "not a valid recipient", "does not exist",
    "doesn't exist", "do not exist", "not exist", "doesn't have a", "does not have a",
    "dosn't exist", "invalid recipient", "invalid mailbox", "invalid address", "invalid user",
    "invalid local", "bad destination", "bad address", "bad recipient",
    "mailbox not found", "mailbox unknown", "mailbox has moved", "has moved", "address unknown",
    "address not found", "couldn't be found", "wasn't found", "could not be found",
    "cannot be found", "not be found", "account not found", "account that you tried",
    "account closed", "account deleted", "deactivated", "no longer with", "no longer valid",
    "no longer in use", "no longer available", "no longer works", "no longer employed",
    "left the company", "check if address is correct", "host unknown", "unknown host",
    "host not found", "unknown domain", "domain not found", "domain name not found",
    "domain unknown", "domain is not reachable", "nxdomain", "name or service not known",
    "name service error", "no mx", "null mx", "nullmx",
    "host does not accept mail", "unrouteable",
    "unroutable", "no valid hosts", "all relevant mx records point to non-existent",
    "adresse destinataire invalide", "destinataire invalide", "utilisateur inconnu",
    "utente sconosciuto", "usuario desconocido", "usuario no existe", "usuário desconhecido",
    "empfänger unbekannt", "unbekannter empfänger", "onbekende gebruiker", "inexistent", "見つかりません",
    "存在しません", "не существует", "не найден", "用户不存在",
    "address invalid", "is not a known user", "not a known recipient", "user not known",
    "not known here", "no account by that name", "no existing recipient", "not have an account",
    "not a local address", "recipient is not local", "recipient not ok", "mailbox invalid",
    "mailbox not present", "not an active address", "unknown e-mail",
    "unknown email", "unknown virtual user", "name is not recognized", "email name is not found",
    "no one at this address", "wrong or no longer valid", "address no longer", "badrcptto",
    "validrcptto", "badrecipientto", "allowed rcpthosts", "user missing home directory",
    "user is terminated", "domain must exist", "domain does not have", "domain does not resolve", "may not exist",
    "no matches to nameserver", "has been replaced by", "mail domain mentioned", "n'existe pas",
    "nicht gefunden", "existiert nicht", "no existe", "non esiste", "não existe", "bestaat niet",
    "finns inte", "nie istnieje",
)  # fmt: skip
"""No such mailbox, or no such domain."""

REFUSED = (
    "reject", "denied", "refused", "refuse", "blocked", "not accept", "no thanks", "unacceptable",
)  # fmt: skip
"""The server's will, without its reason."""

PERHAPS_UNKNOWN = (
    "address rejected", "address is rejected", "recipient rejected", "is unavailable",
    "mailbox unavailable", "account is not", "does not accept mail", "does not accept email",
    "does not accept e-mail", "does not accept messages", "doesn't accept mail",
    "doesn't accept email", "doesn't accept messages",
)  # fmt: skip

TELLING_WHEN_FINAL = (
    "mailbox unavailable", "does not accept mail", "does not accept email",
)  # fmt: skip
"""Of these, what tells of the address beside a 55z of RFC 5321."""

PERHAPS_PASSING = (
    "inactive", "not active", "disabled", "suspend", "discontinued", "resources",
    "service unavailable", "deferred",
)  # fmt: skip
"""Words that a code may contradict."""
