// Records openings over Supabase's Data API, and answers with a picture of one pixel: for a web app or an Edge Function.
//
// Only Web standards: it runs in Next.js on Node, and on Deno. Who fetched it is decided by the database (`open_class`),
// as for `outreach web`.

export type Settings = {
  /** SUPABASE_URL */
  url: string;
  /** SUPABASE_SERVICE_ROLE_KEY: a secret key, or the legacy service_role JWT. */
  key: string;
};

/** Milliseconds that the database may take. */
const PATIENCE = 5000;
const LEAD = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
/** Characters of a user agent. */
const LONGEST_AGENT = 300;
const PIXEL = Uint8Array.from(atob("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"), (c) => c.charCodeAt(0));

/** The picture in any case: a mail must not show a broken one. */
export async function opened(request: Request, settings: Settings): Promise<Response> {
  const lead = new URL(request.url).searchParams.get("id") ?? "";
  if (request.method === "GET" && LEAD.test(lead)) {
    try {
      await record(lead, request.headers.get("user-agent") ?? "", settings);
    } catch (error) {
      console.error(`open: not recorded (${(error as Error).name})`);
    }
  }
  return new Response(PIXEL, { headers: { "Content-Type": "image/gif", "Cache-Control": "no-store" } });
}

async function record(lead: string, userAgent: string, { url, key }: Settings): Promise<void> {
  const headers: Record<string, string> = { apikey: key, "Content-Type": "application/json" };
  if (key.startsWith("eyJ")) headers.Authorization = `Bearer ${key}`;
  const response = await fetch(`${url.replace(/\/+$/, "")}/rest/v1/rpc/record_open`, {
    method: "POST",
    headers,
    body: JSON.stringify({ lead, user_agent: userAgent.slice(0, LONGEST_AGENT) }),
    signal: AbortSignal.timeout(PATIENCE),
    cache: "no-store",
  });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
}
