// The pixel of each mail leads here; APP_URL is this app's address.

import { opened } from "../../../../lib/open";

export const dynamic = "force-dynamic";

export async function GET(request: Request): Promise<Response> {
  return opened(request, {
    url: process.env.SUPABASE_URL || process.env.NEXT_PUBLIC_SUPABASE_URL || "",
    key: process.env.SUPABASE_SERVICE_ROLE_KEY ?? "",
  });
}
