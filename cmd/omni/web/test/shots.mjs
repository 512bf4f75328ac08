// Pictures of the page in both themes and widths: OMNI_BIN=omni node shots.mjs DIR
import { open, serve } from "./page.mjs";

const dir = process.argv[2];
if (!dir) throw new Error("node shots.mjs DIR");
const server = await serve();
const { page, close } = await open(server.url);
await page.waitForSelector(".lane[data-moved]");
const seconds = (n) => page.waitForTimeout(1000 * n); // what is drawn over some time is to be seen

await seconds(4);
await page.locator(".lane:nth-child(2) input").fill("0");
await seconds(5);
await page.locator("h1").click(); // no focus
await page.setViewportSize({ width: 1280, height: 970 });
await page.screenshot({ path: `${dir}/page.png` });

await page.locator(".lane:nth-child(4) .fail").click();
await page.locator(".lane:nth-child(4)[data-state=failed]").waitFor();
await page.locator(".lane:nth-child(3) .cancel").click();
await page.locator("#frames-on").check();
for (const [what, slow] of [["10000000.bin"], ["1000000000.bin", "40"]]) {
  await page.locator("#source").selectOption(what);
  await page.locator("#download button").click();
  if (slow) await page.locator(".transfer input").first().fill(slow);
  else await page.locator(".transfer[data-state=done]").waitFor();
}
await seconds(3);
await page.locator("h1").click();
for (const theme of ["light", "dark"]) {
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: theme });
    await seconds(0.5);
    await page.screenshot({ path: `${dir}/${theme}-${width}.png`, fullPage: true });
  }
}
await server.stop();
await page.getByText("Session lost").waitFor();
await page.locator("#connect").focus();
await page.screenshot({ path: `${dir}/lost.png` });
await close();
