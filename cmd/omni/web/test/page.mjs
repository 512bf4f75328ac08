// A real omni serve and a real Chromium for the tests.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const CHROMIUM = process.env.OMNI_CHROMIUM || "/usr/bin/chromium";
const OMNI = process.env.OMNI_BIN;
const PATIENCE = 30_000; // ms

/** A directory that is gone at the end. */
export async function scratch() {
  const dir = await mkdtemp(join(tmpdir(), "omni-web-"));
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Starts omni serve; at is where, files a directory. */
export async function serve({ at = "127.0.0.1:0", files } = {}) {
  if (!OMNI) throw new Error("OMNI_BIN must be the path of the tool");
  const child = spawn(OMNI, ["serve", "--web", at, ...files ? ["--files", files] : []], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.once("exit", (code, signal) => resolve({ code, signal })));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (text) => {
      const found = /^listening on (\S+)$/m.exec(said += text);
      if (found) resolve(found[1]);
    });
    exited.then(({ code }) => reject(new Error(`omni serve ended with ${code}`)));
  });
  return {
    url,
    /** Ends it, by SIGKILL if it is to be sudden, and returns how it exited. */
    async stop(signal = "SIGKILL") {
      child.kill(signal);
      return exited;
    },
  };
}

/** Opens the page in a new browser, which is closed with it. errors has what went wrong on the page. */
export async function open(url, { width = 1280, height = 900, picker } = {}) {
  const { dir, remove } = await scratch();
  const context = await chromium.launchPersistentContext(dir, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width, height },
    acceptDownloads: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  context.setDefaultTimeout(PATIENCE);
  const page = context.pages()[0] ?? await context.newPage(), errors = [];
  page.on("pageerror", (error) => errors.push(error));
  page.on("console", (message) => message.type() == "error" && errors.push(message.text()));
  // Nobody can answer the dialog of a browser without a window.
  await page.addInitScript(picker ?? (() => delete window.showSaveFilePicker));
  await page.goto(url);
  return {
    page, context, errors,
    async close() {
      await context.close();
      await remove();
    },
  };
}

/** The resident memory of a process in bytes, on Linux. */
export async function resident(pid) {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => ""); // it may have ended
  return 1024 * (/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
}
