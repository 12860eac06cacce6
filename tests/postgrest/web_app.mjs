// Serves the routes of web-app/ on Node as Next.js does: HEAD runs GET, and the parameters are a promise.
//
//   node web_app.mjs FOLDER_OF_THE_WEB_APP EMPTY_FOLDER
//
// It reads its settings from the environment, as the web app does, and prints its port.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { serve } from "@hono/node-server";
import ts from "typescript";

const [source, made] = process.argv.slice(2);
const LIBRARIES = ["lib/unsubscribe", "lib/open"];
const UNSUBSCRIBE = "app/api/unsubscribe/[token]/route";
const OPEN = "app/api/track/open/route";

function compile(name) {
  const { outputText, diagnostics } = ts.transpileModule(readFileSync(join(source, `${name}.ts`), "utf8"), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    reportDiagnostics: true,
  });
  if (diagnostics.length) throw new Error(diagnostics.map((one) => one.messageText).join("\n"));
  const file = join(made, `${name}.mjs`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, outputText.replace(/(from "\.[^"]*)"/g, '$1.mjs"'));
  return import(pathToFileURL(file).href);
}

for (const library of LIBRARIES) await compile(library);
const unsubscribe = await compile(UNSUBSCRIBE);
const open = await compile(OPEN);

const fetch = (request) => {
  const method = request.method === "HEAD" ? "GET" : request.method;
  const { pathname } = new URL(request.url);
  const route = pathname === "/api/track/open" ? open : unsubscribe;
  const token = decodeURIComponent(pathname.split("/")[3] ?? "");
  const handler = route[method];
  if (handler === undefined) return new Response(null, { status: 405 });
  return handler(request, { params: Promise.resolve({ token }) });
};

serve({ fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => process.stdout.write(`${port}\n`));
process.stdin.on("end", () => process.exit(0)).resume();
