// The link and the header List-Unsubscribe of each mail lead here; APP_URL is this app's address.
//
// No login, no middleware and no redirect may stand before it: mail providers follow none.

import { ask, unsubscribe } from "../../../../lib/unsubscribe";

export const dynamic = "force-dynamic";

type Context = { params: Promise<{ token: string }> };

export async function GET(request: Request, { params }: Context): Promise<Response> {
  return ask(request, (await params).token);
}

export async function POST(request: Request, { params }: Context): Promise<Response> {
  return unsubscribe(request, (await params).token, {
    url: process.env.SUPABASE_URL || process.env.NEXT_PUBLIC_SUPABASE_URL || "",
    key: process.env.SUPABASE_SERVICE_ROLE_KEY ?? "",
    clientHeader: process.env.UNSUBSCRIBE_CLIENT_HEADER,
  });
}
