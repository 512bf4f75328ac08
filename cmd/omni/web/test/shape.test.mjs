// What the page looks like to a keyboard, a screen reader and a small window,
// and what it does when the server goes away.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { open, serve } from "./page.mjs";

const all = '#lanes > .lane[data-state="open"][data-moved]';
const ready = (page) => page.waitForFunction((all) => document.querySelectorAll(all).length == 6, all);

describe("the page's shape", { timeout: 120_000 }, () => {
  let server, opened, page;

  before(async () => {
    server = await serve();
    opened = await open(server.url);
    page = opened.page;
    await ready(page);
  });

  after(async () => {
    await opened?.close();
    await server?.stop();
  });

  test("the keyboard reaches everything and moves a slider", async () => {
    const wanted = await page.evaluate(() => {
      const all = [...document.querySelectorAll("button, select, input, a[href], [tabindex]")];
      const some = all.filter((node) => !node.disabled && node.checkVisibility());
      some.forEach((node, i) => node.dataset.stop = i);
      return some.length;
    });
    await page.evaluate(() => document.activeElement.blur());
    const stops = [];
    for (let i = 0; i < wanted; i++) {
      await page.keyboard.press("Tab");
      stops.push(await page.evaluate(() => document.activeElement.dataset.stop));
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.notEqual(ring, "none", `what has the focus at stop ${i} does not show it`);
    }
    assert.deepEqual(stops, stops.map((_, i) => String(i)), "the order is not that of the page");

    const slider = page.locator("#lanes > .lane:nth-child(2) input");
    await slider.focus();
    await page.keyboard.press("Home");
    assert.equal(await slider.getAttribute("aria-valuetext"), "nothing");
    await page.waitForFunction(() => document.querySelector("#lanes > .lane:nth-child(2)").dataset.waits == "credit");
    await page.keyboard.press("ArrowRight");
    assert.equal(await slider.getAttribute("aria-valuetext"), "1 a second");
    await page.keyboard.press("End");
    assert.equal(await slider.getAttribute("aria-valuetext"), "all that comes");

    await page.locator("#lanes > .lane:nth-child(2) .cancel").focus();
    await page.keyboard.press("Enter");
    await page.locator("#lanes > .lane:nth-child(2)[data-state=canceled]").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Reopen lane 2", "the focus is lost");
    await page.keyboard.press("Enter");
    await page.locator("#lanes > .lane:nth-child(2)[data-state=open]").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), "Cancel lane 2", "the focus is lost");
  });

  test("everything has a name, a role and a place", async () => {
    await page.check("#frames-on");
    await page.selectOption("#source", "1000000.bin");
    await page.click("#download button");
    await page.locator(".transfer[data-state=done]").waitFor();
    const wrong = await page.evaluate(() => {
      const wrong = [], see = (node, what) => wrong.push(`${node.outerHTML.slice(0, 80)}: ${what}`);
      const nameOf = (node) => node.getAttribute("aria-label") ||
        (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent).join("") ||
        [...node.labels ?? []].map((label) => label.textContent.trim()).join("") || (node.matches("button, a") && node.textContent.trim());
      const names = new Map();
      for (const node of document.querySelectorAll("button, select, input, a, progress, [role=meter], [tabindex], section")) {
        if (!node.checkVisibility()) continue;
        const name = nameOf(node);
        if (!name) see(node, "has no name");
        if (names.has(node.tagName + name)) see(node, `is called ${name} like another`);
        names.set(node.tagName + name, node);
      }
      for (const node of document.querySelectorAll("[role=meter]")) {
        const [now, most] = ["now", "max"].map((which) => node.getAttribute(`aria-value${which}`));
        if (!(+now <= +most)) see(node, `is at ${now} of ${most}`);
      }
      const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
      for (const id of ids) if (ids.indexOf(id) != ids.lastIndexOf(id)) wrong.push(`two are called ${id}`);
      if (!document.documentElement.lang || !document.title) wrong.push("no language or title");
      let level = 0;
      for (const { tagName } of document.querySelectorAll("h1, h2, h3")) {
        if (+tagName[1] > level + 1) wrong.push(`${tagName} comes behind level ${level}`);
        level = +tagName[1];
      }
      return wrong;
    });
    assert.deepEqual(wrong, []);
  });

  for (const theme of ["light", "dark"]) {
    test(`${theme}: what is written can be read, and fits 320 pixels`, async () => {
      await page.selectOption("#theme", theme);
      await page.locator("#lanes > .lane:nth-child(3) input").fill("0");
      const fourth = page.locator("#lanes > .lane:nth-child(4)");
      if (await fourth.getAttribute("data-state") == "open") await fourth.locator(".fail").click();
      await page.locator("#lanes > .lane:nth-child(4)[data-state=failed]").waitFor();
      await page.locator('#lanes > .lane:nth-child(3)[data-waits="credit"]').waitFor();
      const name = "long".repeat(50); // in one word
      await page.setInputFiles("#file", { name, mimeType: "application/octet-stream", buffer: Buffer.from(name) });
      await page.waitForFunction(() => document.querySelector(".transfer").dataset.state == "done");
      await page.locator("#frames-of").focus(); // which fills in the streams that have names
      for (const width of [1280, 800, 360, 320]) {
        await page.setViewportSize({ width, height: 800 });
        const [beyond, wide] = await page.evaluate((width) => [
          [...document.querySelectorAll("body *")].filter((node) => node.checkVisibility() && !node.closest(".unseen") &&
            (node.getBoundingClientRect().right > width + 0.5 || (node.matches("p, h3, button, output, dd") && node.scrollWidth > node.clientWidth + 1)))
            .map((node) => node.outerHTML.slice(0, 100)), document.documentElement.scrollWidth], width);
        assert.deepEqual(beyond, [], `cut off at ${width}`);
        assert.ok(wide <= width, `the page is ${wide} wide in a window of ${width}`);
      }
      await page.setViewportSize({ width: 1280, height: 900 });
      assert.deepEqual(await page.evaluate(faint), []);
    });
  }

  test("a server that goes away is told of, and had again", async () => {
    assert.deepEqual(opened.errors, []);
    const { host } = new URL(server.url);
    await page.locator("#source").selectOption("1000000000.bin");
    await page.click("#download button");
    await server.stop();
    await page.getByText("Session lost: connection lost").waitFor();
    await page.waitForFunction(() => ![...document.querySelectorAll(".lane")].some((row) => row.dataset.state == "open"));
    assert.match(await page.locator("#lanes > .lane:nth-child(1) .word").textContent(), /^lost/);
    assert.match(await page.locator(".transfer .end").first().textContent(), /^Lost/);

    await page.getByRole("button", { name: "Connect again" }).click(); // too early
    await page.getByText("Session lost").waitFor();
    server = await serve({ at: host });
    await page.getByRole("button", { name: "Connect again" }).click();
    await page.getByText("connected", { exact: true }).waitFor();
    await page.waitForFunction((all) => document.querySelectorAll(all).length == 5, all); // one had failed before
    await page.locator("#lanes > .lane:nth-child(4) .reopen").click();
    await ready(page);
  });

  test("a server that shuts down in order ends with 0, and says so", async () => {
    const { host } = new URL(server.url);
    await page.locator("#lanes > .lane:nth-child(1) input").fill("0"); // nobody waits for this one
    await page.waitForFunction(() => document.querySelector("#lanes > .lane:nth-child(1)").dataset.waits == "credit");
    assert.deepEqual(await server.stop("SIGTERM"), { code: 0, signal: null });
    await page.getByText("Session ended: the server has shut down").waitFor();
    server = await serve({ at: host });
    await page.getByRole("button", { name: "Connect again" }).click();
    await ready(page);
  });
});

/** Text whose contrast with what is behind it is below 4.5 to 1. Runs on the page. */
function faint() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => rgb(color).slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const { backgroundColor } = getComputedStyle(node);
      if (rgb(backgroundColor)[3] == 255) return backgroundColor;
    }
    return "white";
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType == Node.TEXT_NODE && child.data.trim());
    if (!own || !node.checkVisibility() || node.disabled) continue;
    const [a, b] = [getComputedStyle(node).color, behind(node)].map(light).sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) found.push(`${node.className || node.tagName} “${node.textContent.trim().slice(0, 30)}”: ${contrast.toFixed(2)}`);
  }
  return found;
}
