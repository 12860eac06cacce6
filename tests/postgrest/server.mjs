// PostgREST-compatible servers for the tests: @supabase/lite over a real Postgres.
//
// Each line on stdin is answered by one on stdout:
//   {url, ownerUrl, port, jwtSecret, keys: {key: role}}   opens a server; port 0 takes a free one
//   {close: port}                                         closes it
// The process ends when stdin does, so that it never outlives the tests that started it.

import { createInterface } from "node:readline";
import { serve } from "@hono/node-server";
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";

// What PostgREST does and this server does not: json arguments arrive as they were sent, numbers
// are numbers, timestamps are ISO 8601.
const asSent = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const isoTime = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
const types = {
  json: { to: 114, from: [114], serialize: asSent, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: asSent, parse: JSON.parse },
  numeric: { to: 1700, from: [1700], serialize: String, parse: Number },
  timestamptz: { to: 1184, from: [1184], serialize: String, parse: isoTime },
};

const opened = new Map();

async function connect({ url, ownerUrl }) {
  const quiet = { onnotice: () => {} };
  const connection = createPostgresConnection({ url, postgresOptions: { types, ...quiet } });
  // On its first request it would grant every table to anon and authenticated: Supabase does not.
  connection.rlsState = "active";
  // It looks for tables where a role sees its own alone: the schema is read, once, as their owner.
  const owner = createPostgresConnection({ url: ownerUrl, postgresOptions: quiet });
  const schema = await owner.introspect();
  await owner.close();
  connection.introspect = async () => schema;
  return connection;
}

function appOver(connection, { jwtSecret, keys }) {
  const resolver = async (key) => {
    const role = keys[key];
    if (role === undefined) return null;
    return { type: role === "service_role" ? "secret" : "publishable", claims: { role } };
  };
  // PostgREST believes a session by its signature; this server looks for its user, too.
  const nobodyAsked = async (context, next) => {
    context.set("authService", { repo: { findUserById: async () => null } });
    await next();
  };
  return new App({
    connection,
    api: { max_rows: 1000 },
    auth: { enabled: false, jwt_secret: jwtSecret },
    studio: { enabled: false },
    options: { server: { apiKeys: { resolver }, middlewares: [nobodyAsked] } },
  });
}

async function open(settings) {
  const connection = await connect(settings);
  const app = appOver(connection, settings);
  const fetch = (request) => app.fetch(request);
  const options = { fetch, hostname: "127.0.0.1", port: settings.port };
  return new Promise((resolve, reject) => {
    const server = serve(options, ({ port }) => {
      opened.set(port, { server, connection });
      resolve({ port });
    });
    server.on("error", reject);
  });
}

async function close(port) {
  const { server, connection } = opened.get(port);
  opened.delete(port);
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await connection.close();
  return { closed: port };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = "close" in asked ? await close(asked.close) : await open(asked);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
