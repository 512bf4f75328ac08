// Other programs: those that run to their end, those that listen.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

export const folder = fileURLToPath(new URL("..", import.meta.url));
export const echo = join(folder, "examples/echo.mjs");

/** A folder that is there until the tests have ended. */
export const scratch = mkdtempSync(join(tmpdir(), "omni-js-"));
const children = new Set();
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true });
});

/** The runtimes: how each runs a program and tests. Deno and Bun are taken from PATH and need not be there. */
export const runtimes = [
  { name: "node", command: process.execPath, program: [], tests: ["--test"] },
  { name: "deno", command: "deno", program: ["run", "-A"], tests: ["test", "-A", "--no-check"] },
  { name: "bun", command: "bun", program: ["run"], tests: ["test"] },
].map((runtime) => ({
  ...runtime,
  missing: spawnSync(runtime.command, ["--version"]).status === 0 ? false : `${runtime.name} is not on PATH`,
}));

/** Starts a program and waits for the first URL that it prints. */
export async function start(command, args, { stderr = "inherit", ...options } = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", stderr], ...options });
  children.add(child);
  child.on("exit", () => children.delete(child));
  let out = "";
  for await (const chunk of child.stdout) {
    out += chunk;
    const found = /\b(?:ws|tcp):\/\/\S+(?=\s)/.exec(out);
    if (found) return { child, url: found[0] };
  }
  throw new Error(`${command} did not start: ${out}`);
}

/** Runs a program to its end, and returns its exit code and what it wrote. */
export async function run(command, args, options) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  children.add(child);
  const closed = once(child, "close");
  let out = "", err = "";
  child.stdout.on("data", (chunk) => { out += chunk; });
  child.stderr.on("data", (chunk) => { err += chunk; });
  const [code] = await closed;
  children.delete(child);
  return { code, out, err };
}
