// Unsubscribes by POST, and shows a page for GET: for a web app or an Edge Function over Supabase's Data API.
//
// Only Web standards: it runs in Next.js on Node, and on Deno. The same as `outreach web` (outreach/public).

export type Settings = {
  /** SUPABASE_URL */
  url: string;
  /** SUPABASE_SERVICE_ROLE_KEY: a secret key, or the legacy service_role JWT. */
  key: string;
  /** The header in which your platform writes the address of the client, over what the client wrote; without one
   * unknown tokens are not limited here. */
  clientHeader?: string;
};

type Shown = "ask" | "done" | "unknown" | "away" | "trial";

/** Octets of a body; those of mail providers have some hundred. */
const LONGEST = 16 * 1024;
const TOKEN = /^[A-Za-z0-9_-]{1,200}$/;
/** Milliseconds that the database may take. */
const PATIENCE = 5000;
const RETRY_SECONDS = 60;

const ANSWERS: Record<string, [number, Shown, string]> = {
  done: [200, "done", "unsubscribed"],
  already: [200, "done", "unsubscribed"],
  canary: [200, "trial", "canary"],
  unknown: [404, "unknown", "no mail has this token"],
};

/** A page with a button; nothing changes, since scanners of mails fetch every link. */
export function ask(request: Request, token: string): Response {
  return TOKEN.test(token) ? html(request, 200, "ask") : html(request, 404, "unknown");
}

/** The recipient of the mail with this token wants no more of its sender. */
export async function unsubscribe(request: Request, token: string, settings: Settings): Promise<Response> {
  const body = await bounded(request);
  if (body === null) return told(request, 413, "unknown", `at most ${LONGEST} octets`);
  if (!asksToUnsubscribe(request.headers.get("content-type") ?? "", body)) {
    return told(request, 400, "ask", "send List-Unsubscribe=One-Click as a form");
  }
  let answer = "unknown";
  if (TOKEN.test(token)) {
    try {
      answer = await answerOfDatabase(token, settings);
    } catch (error) {
      console.error(`unsubscribe: the database gave no answer (${(error as Error).name})`);
      return told(request, 503, "away", "try again", RETRY_SECONDS);
    }
  }
  if (answer === "unknown") {
    const wait = secondsToWait(request, settings, Date.now() / 1000);
    if (wait > 0) return told(request, 429, "unknown", "too many unknown tokens", Math.ceil(wait));
  }
  return told(request, ...ANSWERS[answer]);
}

async function answerOfDatabase(token: string, { url, key }: Settings): Promise<string> {
  const headers: Record<string, string> = { apikey: key, "Content-Type": "application/json" };
  if (key.startsWith("eyJ")) headers.Authorization = `Bearer ${key}`;
  const response = await fetch(`${url.replace(/\/+$/, "")}/rest/v1/rpc/unsubscribe`, {
    method: "POST",
    headers,
    body: JSON.stringify({ token, origin: "link" }),
    signal: AbortSignal.timeout(PATIENCE),
    cache: "no-store",
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const answer = (await response.json())?.[0]?.answer;
  if (!(answer in ANSWERS)) throw new Error("an unknown answer");
  return answer;
}

// --- the body ------------------------------------------------------------------------------------------------------

/** The body as text; null, unread, if it is longer than a form to unsubscribe. Next.js itself sets no limit. */
async function bounded(request: Request): Promise<string | null> {
  if (Number(request.headers.get("content-length") ?? 0) > LONGEST) return null;
  if (request.body === null) return "";
  const reader = request.body.getReader();
  const decoder = new TextDecoder("latin1");
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text;
    text += decoder.decode(value, { stream: true });
    if (text.length > LONGEST) {
      await reader.cancel().catch(() => undefined);
      return null;
    }
  }
}

/** `List-Unsubscribe=One-Click`, urlencoded or as multipart. Never by formData(): it refuses or misreads valid
 * multipart, differently on each server. */
export function asksToUnsubscribe(contentType: string, body: string): boolean {
  const kind = contentType.split(";")[0].trim().toLowerCase();
  let found: Iterable<[string, string]> = [];
  if (kind === "" || kind === "application/x-www-form-urlencoded") found = new URLSearchParams(body);
  if (kind === "multipart/form-data") found = multipart(contentType, body);
  for (const [name, value] of found) {
    if (name.trim().toLowerCase() === "list-unsubscribe" && value.trim().toLowerCase() === "one-click") return true;
  }
  return false;
}

function* multipart(contentType: string, body: string): Iterable<[string, string]> {
  const boundary = parameter("boundary", contentType)?.trimEnd();
  if (!boundary) return;
  const written = boundary.replace(/[.*+?^${}()|[\]\\\/-]/g, "\\$&");
  const pieces = `\n${body}`.split(new RegExp(`\\n--${written}(--)?[ \\t]*\\r?(?:\\n|$)`));
  // What stands before the first delimiter, then by turns: whether a delimiter closes, and what follows it.
  for (let at = 1; at < pieces.length && pieces[at] === undefined; at += 2) {
    const piece = pieces[at + 1] ?? "";
    const end = /\r?\n\r?\n/.exec(piece);
    if (end === null) continue;
    const head = piece.slice(0, end.index).replace(/\r?\n[ \t]+/g, " ");
    const disposition = /^content-disposition[ \t]*:(.*)$/im.exec(head)?.[1];
    const name = disposition === undefined ? undefined : parameter("name", disposition);
    if (name !== undefined) yield [name, piece.slice(end.index + end[0].length)];
  }
}

function parameter(name: string, header: string): string | undefined {
  const found = new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]*))`, "i").exec(header);
  return found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
}

// --- unknown tokens ------------------------------------------------------------------------------------------------

const BURST = 20;
const SECONDS_EACH = 10;
const MOST_CLIENTS = 10_000;
const misses = new Map<string, [number, number]>();

/** Of a client that tries tokens at random; known tokens are never limited. */
function secondsToWait(request: Request, { clientHeader }: Settings, now: number): number {
  const address = clientHeader ? request.headers.get(clientHeader) : null;
  if (address === null) return 0;
  const client = clientOf(address);
  const [before, since] = misses.get(client) ?? [BURST, now];
  const left = Math.min(BURST, before + (now - since) / SECONDS_EACH);
  misses.delete(client);
  misses.set(client, [left >= 1 ? left - 1 : left, now]);
  if (misses.size > MOST_CLIENTS) misses.delete(misses.keys().next().value as string);
  return left >= 1 ? 0 : (1 - left) * SECONDS_EACH;
}

/** An IPv6 address as its first 64 bits: one customer has all addresses of them. An IPv4 one also within it. */
function clientOf(address: string): string {
  const plain = /\d{1,3}(\.\d{1,3}){3}/.exec(address)?.[0];
  if (plain !== undefined || !address.includes(":")) return plain ?? address;
  const groups = (part: string) => part.split(":").filter(Boolean);
  const [head, tail = []] = address.replace(/^\[|\].*$/g, "").split("::").map(groups);
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  return [...head, ...zeros, ...tail].slice(0, 4).map((group) => parseInt(group, 16)).join(":");
}

// --- the page ------------------------------------------------------------------------------------------------------

const HEADERS = {
  "Cache-Control": "no-store",
  "Content-Security-Policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "Content-Type": "text/html; charset=utf-8",
  "Referrer-Policy": "no-referrer",
  Vary: "Accept-Language",
  "X-Content-Type-Options": "nosniff",
  "X-Robots-Tag": "noindex",
};

/** A page for a browser, a line for a mail provider. */
function told(request: Request, status: number, shown: Shown, text: string, retry = 0): Response {
  const headers: Record<string, string> = retry ? { "Retry-After": String(retry) } : {};
  if ((request.headers.get("accept") ?? "").includes("text/html")) return html(request, status, shown, headers);
  return new Response(`${text}\n`, {
    status,
    headers: { ...headers, "Cache-Control": "no-store", "Content-Type": "text/plain; charset=utf-8" },
  });
}

function html(request: Request, status: number, shown: Shown, headers: Record<string, string> = {}): Response {
  const language = languageOf(request.headers.get("accept-language") ?? "");
  return new Response(page(shown, language), { status, headers: { ...HEADERS, ...headers } });
}

/** The first of our languages in an Accept-Language header, by its weights. */
function languageOf(accepted: string): string {
  let [best, weight] = ["en", 0];
  for (const one of accepted.split(",").slice(0, 20)) {
    const [name, given = ""] = one.split(";");
    const language = name.trim().toLowerCase().split("-")[0];
    const number = given.includes("q=") ? Number(given.split("q=")[1]) : 1;
    if (Object.hasOwn(TEXTS, language) && number > weight) [best, weight] = [language, number];
  }
  return best;
}

function page(shown: Shown, language: string): string {
  const texts = TEXTS[language];
  const heading = texts[shown === "ask" ? "title" : shown];
  const text = texts[shown === "ask" ? "question" : `${shown}_text`];
  const form =
    shown === "ask" || shown === "away"
      ? '<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click">' +
        `<button>${texts.button}</button></form>\n`
      : "";
  return `<!DOCTYPE html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${heading}</title>
<style>
${STYLE}</style>
</head>
<body>
<main>
<h1>${heading}</h1>
<p>${text}</p>
${form}</main>
</body>
</html>`;
}

const STYLE = `:root { color-scheme: light dark; --paper: #fff; --ground: #f5f5f2; --ink: #1d2125; --line: #e2e2dd; --accent: #1a5fb4; --on: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #1d1f22; --ground: #141517; --ink: #e4e4e1; --line: #303338; --accent: #86b6f4; --on: #10131a; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--ground); color: var(--ink); font: 17px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 27rem; padding: 1.75rem; background: var(--paper); border: 1px solid var(--line); border-radius: 10px; }
h1 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .75rem; overflow-wrap: anywhere; }
p { margin: 0; }
form { margin-top: 1.5rem; }
button { width: 100%; min-height: 3rem; padding: .6rem 1rem; font: inherit; font-weight: 600; color: var(--on); background: var(--accent); border: 0; border-radius: 8px; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; }
`;

const TEXTS: Record<string, Record<string, string>> = {
  "en": {
    "title": "Unsubscribe",
    "question": "Stop all mails from this sender?",
    "button": "Unsubscribe",
    "done": "You are unsubscribed",
    "done_text": "This sender will send you no more mails. A mail that is being sent at this moment may still arrive.",
    "unknown": "This link is not valid",
    "unknown_text": "Open the link of the mail again, or answer the mail with the word “unsubscribe”.",
    "away": "Please try again in a minute",
    "away_text": "You are not unsubscribed yet: our database does not answer.",
    "trial": "This link works",
    "trial_text": "It is that of a test: nobody was unsubscribed."
  },
  "de": {
    "title": "Abmelden",
    "question": "Möchten Sie von diesem Absender keine Mails mehr bekommen?",
    "button": "Abmelden",
    "done": "Sie sind abgemeldet",
    "done_text": "Dieser Absender schickt Ihnen keine Mails mehr. Eine Mail, die gerade gesendet wird, kann noch ankommen.",
    "unknown": "Dieser Link ist nicht gültig",
    "unknown_text": "Öffnen Sie den Link der Mail noch einmal, oder antworten Sie auf die Mail mit dem Wort „abmelden“.",
    "away": "Bitte versuchen Sie es in einer Minute noch einmal",
    "away_text": "Sie sind noch nicht abgemeldet: Unsere Datenbank antwortet nicht.",
    "trial": "Dieser Link funktioniert",
    "trial_text": "Er gehört zu einem Test: Niemand wurde abgemeldet."
  },
  "fr": {
    "title": "Se désabonner",
    "question": "Ne plus recevoir de messages de cet expéditeur ?",
    "button": "Se désabonner",
    "done": "Vous êtes désabonné(e)",
    "done_text": "Cet expéditeur ne vous enverra plus de messages. Un message en cours d’envoi peut encore arriver.",
    "unknown": "Ce lien n’est pas valable",
    "unknown_text": "Ouvrez de nouveau le lien du message, ou répondez au message avec le mot « désabonner ».",
    "away": "Veuillez réessayer dans une minute",
    "away_text": "Vous n’êtes pas encore désabonné(e) : notre base de données ne répond pas.",
    "trial": "Ce lien fonctionne",
    "trial_text": "C’est celui d’un essai : personne n’a été désabonné."
  },
  "es": {
    "title": "Darse de baja",
    "question": "¿No quiere recibir más correos de este remitente?",
    "button": "Darme de baja",
    "done": "Se ha dado de baja",
    "done_text": "Este remitente no le enviará más correos. Un correo que se está enviando en este momento aún puede llegar.",
    "unknown": "Este enlace no es válido",
    "unknown_text": "Abra de nuevo el enlace del correo, o responda al correo con la palabra «baja».",
    "away": "Inténtelo de nuevo en un minuto",
    "away_text": "Todavía no se ha dado de baja: nuestra base de datos no responde.",
    "trial": "Este enlace funciona",
    "trial_text": "Es el de una prueba: no se ha dado de baja a nadie."
  },
  "it": {
    "title": "Annulla l’iscrizione",
    "question": "Non vuole più ricevere email da questo mittente?",
    "button": "Annulla l’iscrizione",
    "done": "La sua iscrizione è annullata",
    "done_text": "Questo mittente non le invierà più email. Un’email che viene inviata in questo momento può ancora arrivare.",
    "unknown": "Questo link non è valido",
    "unknown_text": "Apra di nuovo il link dell’email, oppure risponda all’email con la parola «cancellami».",
    "away": "Riprovi tra un minuto",
    "away_text": "La sua iscrizione non è ancora annullata: il nostro database non risponde.",
    "trial": "Questo link funziona",
    "trial_text": "È quello di una prova: nessuna iscrizione è stata annullata."
  }
};
