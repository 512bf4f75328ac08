// A long upload: it arrives whole, and the tab does not grow with it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { open as openFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { open, resident, scratch, serve } from "./page.mjs";

const SIZE = 200e6, PIECE = 4e6; // bytes
// Who keeps the file, or what was written of it, goes beyond by 200 MB. A heap
// that is flat is far below. The processes go up and down by some 60 MB: messages
// that were sent are collected when so much of them lies about.
const HEAP_MOST = 32e6, RESIDENT_MOST = 120e6; // beyond the beginning

/** Writes a file of random bytes, and returns its hash. */
async function fill(path) {
  const file = await openFile(path, "w"), hash = createHash("sha256");
  for (let at = 0; at < SIZE; at += PIECE) {
    const piece = randomBytes(PIECE);
    hash.update(piece);
    await file.write(piece);
  }
  await file.close();
  return hash.digest("hex");
}

/** The resident memory in bytes of the processes that run pages: this one, and one that waits for the next. */
async function pages(browser) {
  const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
  const all = processInfo.filter(({ type }) => type == "renderer").map(({ id }) => resident(id));
  return (await Promise.all(all)).reduce((sum, bytes) => sum + bytes, 0);
}

test("200 MB arrive with their hash, and the tab's memory stays flat", { timeout: 160_000 }, async (t) => {
  const from = await scratch(), into = await scratch();
  t.after(async () => {
    await from.remove();
    await into.remove();
  });
  const path = join(from.dir, "long.bin"), want = await fill(path);
  const server = await serve({ files: into.dir });
  t.after(() => server.stop());
  const { page, context, errors, close } = await open(server.url);
  t.after(close);
  await page.waitForSelector(".lane[data-moved]");

  const tab = await context.newCDPSession(page), browser = await context.browser().newBrowserCDPSession();
  await tab.send("Performance.enable");
  const heap = async () => {
    await tab.send("HeapProfiler.collectGarbage");
    const { metrics } = await tab.send("Performance.getMetrics");
    return metrics.find(({ name }) => name == "JSHeapUsedSize").value;
  };
  const heaps = [await heap()], residents = [await pages(browser)];

  await page.setInputFiles("#file", path);
  const over = page.locator(".transfer:not([data-state=open])").waitFor({ timeout: 150_000 }).then(() => true);
  while (!await Promise.race([over, new Promise((done) => setTimeout(done, 250))])) {
    heaps.push(await heap());
    residents.push(await pages(browser));
  }
  const row = page.locator(".transfer"), end = await row.locator(".end").textContent();
  const mb = (bytes) => (bytes / 1e6).toFixed(1);
  console.log(end);
  console.log(`${heaps.length} samples: heap ${mb(Math.min(...heaps))} to ${mb(Math.max(...heaps))} MB, ` +
    `processes ${mb(Math.min(...residents))} to ${mb(Math.max(...residents))} MB`);

  assert.equal(await row.getAttribute("data-state"), "done", end);
  assert.equal(await row.getAttribute("data-sha256"), want, "the server's hash is not that of the file");
  assert.deepEqual((await readdir(into.dir)).filter((name) => !name.startsWith(".omni")), ["long.bin"]);
  const hash = createHash("sha256");
  for await (const piece of (await openFile(join(into.dir, "long.bin"))).createReadStream()) hash.update(piece);
  assert.equal(hash.digest("hex"), want, "what the server kept is not the file");
  assert.ok(heaps.length > 3, "the upload was over before it was looked at");
  assert.ok(Math.max(...heaps) - heaps[0] < HEAP_MOST, "the heap grew with the file");
  assert.ok(Math.max(...residents) - residents[0] < RESIDENT_MOST, "the processes grew with the file");
  assert.deepEqual(errors, []);
});
