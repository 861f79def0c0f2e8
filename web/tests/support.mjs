// A server under a sub-path, a browser, and tests that are counted.
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".wasm": "application/wasm", ".svg": "image/svg+xml" };

/** Serves a folder below /some/where/ and nothing else, as a project's page is. */
export async function serve(root) {
  const missed = [];
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    try {
      if (!path.startsWith("/some/where/")) throw new Error("elsewhere");
      const file = path.slice("/some/where/".length) || "index.html";
      const name = file.endsWith("/") ? `${file}index.html` : file;
      const data = await readFile(join(root, name));
      response.writeHead(200, { "content-type": types[extname(name)] ?? "application/octet-stream" }).end(data);
    } catch {
      missed.push(path);
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/some/where/`, missed, close: () => server.close() };
}

const quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic", "--no-first-run"];
const webgpu = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

export const launch = (executablePath, withGpu = true) =>
  chromium.launch({ executablePath, args: withGpu ? [...quiet, ...webgpu] : quiet });

let [passed, failed] = [0, 0];

const only = new RegExp(process.env.WGCONV_TESTS ?? "");

/** Runs one; a failure is told and counted, and the next one runs. WGCONV_TESTS picks by an expression. */
export async function test(name, body) {
  if (!only.test(name)) return;
  const started = Date.now();
  try {
    await body();
    passed++;
    console.log(`ok      ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}\n${String(error?.stack ?? error).replace(/^/gm, "        ")}`);
  }
}

export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
