// What the page draws and says, against what is so.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { open, scratch, serve } from "./page.mjs";

const lane = (page, n) => page.locator(`#lanes > .lane:nth-child(${n})`);
const slider = (page, n) => lane(page, n).locator("input");
const inUse = (page, n) => lane(page, n).locator(".bar").evaluate((bar) => ["now", "max"].map((which) => +bar.getAttribute(`aria-value${which}`)));

/** Waits until the writer of a lane waits for credit. */
const waits = (page, n) => page.locator(`#lanes > .lane:nth-child(${n})[data-waits="credit"]`).waitFor();

/** Looks at a lane's bar each time the server has told of some items more. */
const looks = (page, n, times) => page.evaluate(async ([n, times]) => {
  const row = document.querySelector(`#lanes > .lane:nth-child(${n})`), bar = row.querySelector(".bar"), seen = [];
  for (let moved = row.dataset.moved; seen.length < times; moved = row.dataset.moved) {
    while (row.dataset.moved == moved) await new Promise(requestAnimationFrame);
    seen.push(+bar.getAttribute("aria-valuenow"));
  }
  return seen;
}, [n, times]);

describe("what the page says", { timeout: 120_000 }, () => {
  let server, opened, page, files;

  before(async () => {
    files = await scratch();
    server = await serve({ files: files.dir });
    opened = await open(server.url);
    page = opened.page;
    await page.waitForFunction(() => document.querySelectorAll("#lanes > .lane[data-moved]").length == 6);
  });

  after(async () => {
    await opened?.close();
    await server?.stop();
    await files?.remove();
  });

  test("what was read is not in flight, and a writer that waits has filled its bar", async () => {
    // At 100 items a second, read at once, there is hardly ever one under way: credit that is
    // not renewed yet would look like 15 of them.
    const flight = (await looks(page, 1, 15)).sort((a, b) => a - b);
    assert.ok(flight[10] <= 4, `in flight are said to be ${flight}`);
    await slider(page, 1).fill("0");
    await waits(page, 1);
    const [now, max] = await inUse(page, 1);
    assert.equal(now, max, "the writer waits, and the bar is not full");
    assert.ok(max >= 16, `the credit is ${max} items`);
    await slider(page, 1).fill("100");
  });

  test("credit in bytes counts too", async () => {
    await page.selectOption("[name=up]", "1");
    await page.selectOption("[name=size]", "65536");
    await page.getByRole("button", { name: "Add a lane" }).click();
    await page.locator("#lanes > .lane:nth-child(7)[data-moved]").waitFor();
    // It begins anew, and is not read: its reader grants bytes for a few such items, and no more until it is.
    await slider(page, 7).fill("0");
    await lane(page, 7).locator(".cancel").click();
    await lane(page, 7).locator(".reopen").click();
    await waits(page, 7);
    const [now, max] = await inUse(page, 7);
    assert.ok(now == max && max > 0 && max < 32, `the writer waits at ${now} of ${max}`);
    await lane(page, 7).locator(".cancel").click();
    await lane(page, 7).locator(".remove").click();
  });

  test("a slow reader is told of once, and not each time that its writer waits", async () => {
    await page.evaluate(() => {
      const node = document.getElementById("announce");
      window.told = [];
      new MutationObserver(() => told.push(node.textContent)).observe(node, { childList: true, characterData: true, subtree: true });
    });
    await slider(page, 2).fill("23"); // 8 items a second: it waits two seconds, goes on, waits
    await page.waitForFunction(() => told.length > 0);
    await page.evaluate(async () => {
      const { dataset } = document.querySelector("#lanes > .lane:nth-child(2)");
      for (const state of ["credit", "", "credit", "", "credit"]) while (dataset.waits != state) await new Promise(requestAnimationFrame);
    });
    assert.deepEqual(await page.evaluate(() => told), ["Lane 2: the writer waits for credit"]);
    await slider(page, 2).fill("100");
    await page.waitForFunction(() => told.at(-1) == "Lane 2: the writer goes on");
  });

  test("the focus stays on the page, whatever is removed", async () => {
    await lane(page, 6).locator(".cancel").click();
    await page.locator("#lanes > .lane:nth-child(6)[data-state=canceled]").waitFor();
    await lane(page, 6).locator(".remove").focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Lane 5: Page reads");
  });

  test("what waits for a stream of the server says so, and can be canceled", async () => {
    await page.selectOption("[name=up]", "");
    await page.selectOption("[name=size]", "64");
    await page.selectOption("[name=rate]", "10");
    // Five lanes live, the control and the watch: 121 more is all that the server takes.
    await page.evaluate(() => {
      for (let i = 0; i < 122; i++) document.querySelector("#add button").click();
    });
    await page.getByText("waiting for one of 128 streams").waitFor();
    const last = lane(page, 127);
    assert.equal(await last.getAttribute("data-state"), "opening");
    for (const name of ["never.bin", "later.bin"]) {
      await page.setInputFiles("#file", { name, mimeType: "application/octet-stream", buffer: Buffer.from(name) });
    }
    const [later, never] = [0, 1].map((n) => page.locator(".transfer").nth(n));
    await never.getByText("waiting for one of 128 streams").waitFor();
    await never.locator(".cancel").click();
    await page.locator(".transfer[data-state=canceled]").waitFor();
    await last.locator(".cancel").click();
    await lane(page, 126).locator(".cancel").click(); // which makes room
    await page.locator(".transfer[data-state=done]").waitFor();
    assert.match(await later.locator(".end").textContent(), /as later\.bin;/);
    assert.match(await never.getAttribute("data-state"), /canceled/);
    await later.locator(".remove").focus();
    for (const next of ["Remove never.bin", "file"]) {
      await page.keyboard.press("Enter");
      assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id), next, "the focus is lost");
    }
    assert.deepEqual((await readdir(files.dir)).filter((name) => !name.startsWith(".omni")), ["later.bin"]);
  });

  test("a hash that is not that of the bytes is a failure on either side", async () => {
    await page.route("**/hash-worker.js", (route) => route.fulfill({
      contentType: "text/javascript",
      body: "onmessage = ({ data }) => data ? postMessage(data.buffer, [data.buffer]) : postMessage(new Uint8Array(32));",
    }));
    await page.reload();
    await page.getByText("connected", { exact: true }).waitFor();
    await page.setInputFiles("#file", { name: "wrong.bin", mimeType: "application/octet-stream", buffer: Buffer.from("right") });
    await page.selectOption("#source", "1000000.bin");
    await page.click("#download button");
    for (const name of ["wrong.bin", "1000000.bin"]) {
      const row = page.locator(".transfer[data-state=failed]").filter({ hasText: name });
      await row.waitFor();
      assert.match(await row.locator(".end").textContent(), /^the SHA-256 does not match/);
    }
    assert.deepEqual((await readdir(files.dir)).filter((name) => !name.startsWith(".omni")), ["later.bin"]);
  });

  test("a page that there is no room for is told why", async () => {
    const [many, one] = [await opened.context.newPage(), await opened.context.newPage()];
    await many.goto(new URL("icon.svg", server.url).href);
    await many.evaluate(() => Promise.all(Array.from({ length: 40 }, () => new Promise((resolve) => {
      const socket = new WebSocket(`ws://${location.host}/streams`, "omni.1");
      socket.onopen = socket.onerror = resolve;
    }))));
    await one.goto(server.url);
    await one.getByText("32 pages are connected, and no more can be").waitFor();
    await many.close();
    for (let state; state != "open";) { // once the server has heard that they left
      await one.getByRole("button", { name: "Connect again" }).click();
      await one.locator("body:not([data-session=connecting])").waitFor();
      state = await one.locator("body").getAttribute("data-session");
    }
    await one.close();
  });

  test("nothing went wrong on the page", () => assert.deepEqual(opened.errors, []));
});
