// The page as people use it, in a real browser and with a real server.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { open, scratch, serve } from "./page.mjs";

const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
const lane = (page, n) => page.locator(`#lanes > .lane:nth-child(${n})`);
const slider = (page, n) => lane(page, n).locator("input");
const state = (page, n, is) => page.locator(`#lanes > .lane:nth-child(${n})[data-state=${is}]`).waitFor();

/** What the server says of the lanes: [{ moved, granted, at }], with the time in seconds. */
const figures = (page) => page.evaluate(() => [...document.querySelectorAll("#lanes > .lane")].map(({ dataset }) =>
  ({ moved: +dataset.moved, granted: +dataset.granted, items: +dataset.items, at: performance.now() / 1000 })));

/** Waits until the server's count of a lane has grown by so many items. */
const grows = (page, n, by) => page.evaluate(async ([n, by]) => {
  const { dataset } = document.querySelector(`#lanes > .lane:nth-child(${n})`), from = +(dataset.moved ?? 0);
  while (!(dataset.moved >= from + by)) await new Promise(requestAnimationFrame);
}, [n, by]);

/** Waits until the server says that its writer waits for credit, for longer than a second. */
const waits = (page, n) => page.waitForFunction((n) => {
  const text = document.querySelector(`#lanes > .lane:nth-child(${n}) .word`).textContent;
  return +(/^waiting for credit ([\d.]+) s$/.exec(text)?.[1] ?? 0) > 1;
}, n);

/** The rates of the lanes from here on, over the time that lane `clock` takes for `items` items. */
async function rates(page, clock, items) {
  const from = await figures(page);
  await grows(page, clock, items);
  const to = await figures(page);
  return to.map((f, i) => (f.moved - from[i].moved) / (f.at - from[i].at));
}

describe("the page", { timeout: 120_000 }, () => {
  let server, opened, page, files;

  before(async () => {
    files = await scratch();
    await writeFile(join(files.dir, "notes.bin"), randomBytes(3_000_017));
    await mkdir(join(files.dir, "folder"));
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

  test("a reader that stands still stops its writer on the server, and no other", async () => {
    const before = await rates(page, 1, 200);
    await slider(page, 2).fill("0");
    await waits(page, 2);
    const [, stopped] = await figures(page);
    const during = await rates(page, 1, 200);
    const [, still] = await figures(page);
    assert.deepEqual([still.moved, still.granted, still.items], [stopped.moved, stopped.granted, stopped.items], "the lane still moves");
    assert.equal(still.moved, still.granted, "the writer stopped before its credit was used up");
    console.log("items a second before:", before.map(Math.round).join(" "), "and with lane 2 stopped:", during.map(Math.round).join(" "));
    for (const n of [0, 2, 3, 4, 5]) {
      assert.ok(during[n] > before[n] * 0.6, `lane ${n + 1} fell from ${before[n]} to ${during[n]} items a second`);
    }
    await slider(page, 2).fill("100");
    await grows(page, 2, 300); // it goes on; an item that is lost would have ended the lane, which counts them
    assert.equal(await lane(page, 2).getAttribute("data-state"), "open");
    assert.ok((await figures(page))[1].items > still.items + 200);
  });

  test("a server that does not read stops the page's writer", async () => {
    await slider(page, 6).fill("0");
    await waits(page, 6);
    const from = (await figures(page))[5];
    await grows(page, 1, 50);
    const to = (await figures(page))[5];
    assert.equal(to.granted, from.granted);
    assert.equal(to.items, to.granted, "the page wrote more or less than was granted");
    await slider(page, 6).fill("100");
    await grows(page, 6, 100);
  });

  test("cancel, fail with code and reason, reopen", async () => {
    for (const [n, button, is, says] of [
      [3, "cancel", "canceled", "by the reader"], [3, "fail", "failed", "asked to fail (code 300)"],
      [6, "cancel", "canceled", "by the reader"], [6, "fail", "failed", "asked to fail (code 300)"],
    ]) {
      await lane(page, n).locator(`.${button}`).click();
      await state(page, n, is);
      assert.equal(await lane(page, n).locator(".end").textContent(), says);
      await lane(page, n).locator(".reopen").click();
      await state(page, n, "open");
      await grows(page, n, 50);
    }
  });

  test("a writer that fails is heard of by a reader that stood still", async () => {
    await slider(page, 3).fill("0");
    await waits(page, 3);
    await lane(page, 3).locator(".fail").click();
    await state(page, 3, "failed");
    await slider(page, 3).fill("100");
    await lane(page, 3).locator(".reopen").click();
    await grows(page, 3, 50);
  });

  test("what is done to a lane before it is open counts", async () => {
    for (const [up, act, is] of [
      ["1", (row) => {
        const slider = row.querySelector("input");
        slider.value = 0;
        slider.dispatchEvent(new Event("input"));
      }],
      ["", (row) => row.querySelector(".cancel").click(), "canceled"], ["1", (row) => row.querySelector(".cancel").click(), "canceled"],
      ["", (row) => row.querySelector(".fail").click(), "failed"], ["1", (row) => row.querySelector(".fail").click(), "failed"],
    ]) {
      await page.selectOption("[name=up]", up);
      await page.evaluate(`document.querySelector("#add button").click(); (${act})(document.getElementById("lanes").lastElementChild)`);
      if (is) await state(page, 7, is);
      else {
        await waits(page, 7);
        await lane(page, 7).locator(".cancel").click();
        await state(page, 7, "canceled");
      }
      await lane(page, 7).locator(".remove").click();
    }
    await page.selectOption("[name=up]", "");
  });

  test("fifty lanes", async () => {
    await page.selectOption("[name=rate]", "10");
    for (let n = 7; n <= 50; n++) await page.locator("#add button").click();
    await page.waitForFunction(() => document.querySelectorAll("#lanes > .lane[data-state=open][data-moved]").length == 50);
    const times = await page.evaluate(async () => {
      const times = [];
      for (let last = performance.now(); times.length < 60;) {
        await new Promise(requestAnimationFrame);
        times.push(-last + (last = performance.now()));
      }
      return times.sort((a, b) => a - b);
    });
    console.log("with 50 lanes a picture takes, in ms, the median and the slowest of 60:", times[30].toFixed(1), times[59].toFixed(1));
    await grows(page, 50, 5);
    await page.evaluate(() => {
      const some = [...document.querySelectorAll("#lanes > .lane:nth-child(n+7)")];
      for (const part of ["cancel", "remove"]) for (const row of some) row.querySelector(`.${part}`).click();
    });
    await page.waitForFunction(() => document.querySelectorAll("#lanes > .lane").length <= 50);
    await page.evaluate(() => {
      for (const row of document.querySelectorAll("#lanes > .lane:nth-child(n+7)")) row.querySelector(".remove").click();
    });
    assert.equal(await page.locator("#lanes > .lane").count(), 6);
  });

  test("frames scroll by on demand, a bounded number of them", async () => {
    const rows = page.locator("#frames li");
    assert.equal(await rows.count(), 0);
    await page.check("#frames-on");
    await page.waitForFunction(() => {
      const text = document.getElementById("frames").textContent;
      return /→ sent  REQUEST +(×\d+ +)?server \d+ \(lane 1\) +items up to [\d,]+, bytes up to [\d.]+ MiB/.test(text) &&
        /← came  DATA ×\d+ +server \d+ \(lane 3\) +\d+ KiB/.test(text);
    });
    await page.waitForFunction(() => document.querySelectorAll("#frames li").length == 300);
    await grows(page, 1, 100);
    assert.equal(await rows.count(), 300);

    await page.click("#frames-pause");
    await page.waitForFunction(async () => { // what was taken before is still drawn
      const text = () => document.getElementById("frames").textContent, before = text();
      await new Promise((done) => setTimeout(done, 300));
      return text() == before;
    });
    const paused = await page.locator("#frames").textContent();
    await grows(page, 1, 50);
    assert.equal(await page.locator("#frames").textContent(), paused);

    await page.click("#frames-clear");
    await page.locator("#frames-of").focus();
    await page.selectOption("#frames-of", "lane 4");
    await page.click("#frames-pause");
    await page.waitForFunction(() => document.querySelectorAll("#frames li").length > 20);
    for (const text of await rows.allTextContents()) assert.match(text, /\(lane 4\)|more$/);
    await page.uncheck("#frames-on");
    assert.equal(await rows.count(), 0);
  });

  for (const [name, where] of [["a link", "link"], ["a file that the page may write", "file"]]) {
    test(`a download into ${name} has its hash and its bytes`, async () => {
      const want = await readFile(join(files.dir, "notes.bin"));
      if (where == "file") await page.evaluate(() => window.showSaveFilePicker = async ({ suggestedName }) =>
        (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true }));
      await page.locator("#source optgroup option").first().waitFor({ state: "attached" });
      assert.deepEqual(await page.locator("#source optgroup option").allTextContents(), ["notes.bin, 3.0 MB"], "a folder is offered");
      await page.selectOption("#source", "notes.bin");
      const saved = where == "link" && page.waitForEvent("download");
      await page.click("#download button");
      const row = page.locator(".transfer").first();
      await page.locator(".transfer[data-state=done]").first().waitFor();
      assert.equal(await row.getAttribute("data-sha256"), hash(want));
      const got = where == "link" ? hash(await readFile(await (await saved).path())) : await page.evaluate(async () => {
        const handle = await (await navigator.storage.getDirectory()).getFileHandle("notes.bin");
        const sum = await crypto.subtle.digest("SHA-256", await (await handle.getFile()).arrayBuffer());
        return [...new Uint8Array(sum)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      });
      assert.equal(got, hash(want), "what was saved is something else");
      await row.locator(".remove").click();
      await page.evaluate(() => delete window.showSaveFilePicker);
    });
  }

  test("a transfer is slowed, paused, goes on and is canceled", async () => {
    await page.selectOption("#source", "1000000000.bin");
    await page.click("#download button");
    const row = page.locator(".transfer").first(), used = row.locator(".used");
    await row.locator("input").fill("50");
    await page.waitForFunction(() => /^[1-9][\d.]* MB$/.test(document.querySelector(".transfer .used").textContent));
    await row.locator(".pause").click();
    await page.waitForFunction(() => document.querySelector(".transfer").dataset.waits == "credit");
    const held = await used.textContent();
    await grows(page, 1, 50);
    assert.equal(await used.textContent(), held);
    await row.locator(".pause").click();
    await page.waitForFunction((held) => document.querySelector(".transfer .used").textContent != held, held);
    await row.locator(".cancel").click();
    await page.locator(".transfer[data-state=canceled]").waitFor();
    await row.locator(".remove").click();
  });

  test("files that are dropped are uploaded under names that replace nothing", async () => {
    const content = "backpressure";
    for (const kept of ["notes (2).bin", "notes (3).bin"]) {
      await page.evaluate((content) => {
        const data = new DataTransfer();
        data.items.add(new File([content], "notes.bin"));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
      }, content);
      await page.waitForFunction((kept) => document.querySelector(".transfer .end")?.textContent.includes(`as ${kept};`), kept);
      assert.equal(await readFile(join(files.dir, kept), "utf8"), content);
      await page.locator(".transfer .remove").first().click();
    }
    assert.deepEqual((await readdir(files.dir)).filter((name) => !name.startsWith(".omni")), ["folder", "notes (2).bin", "notes (3).bin", "notes.bin"]);
  });

  test("nothing went wrong on the page", () => assert.deepEqual(opened.errors, []));
});
