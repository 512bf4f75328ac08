// examples/echo.mjs under `omni conform`, which tests any implementation by its echo. OMNI_CONFORM has more arguments
// for it, such as "--slow --seeds 200".
import assert from "node:assert/strict";
import { test } from "node:test";
import { omni, skip } from "./omni.js";
import { echo, run, runtimes, start } from "./tools.js";

const more = (process.env.OMNI_CONFORM ?? "").split(" ").filter(Boolean);

for (const { name, command, program, missing } of runtimes) {
  for (const listen of ["ws://127.0.0.1:0/", "tcp://127.0.0.1:0"]) {
    test(`omni conform finds nothing at ${listen}, ${name}`, { timeout: 150_000, skip: skip || missing }, async (t) => {
      const { child, url } = await start(command, [...program, echo, listen], { stderr: "ignore" });
      const { code, out, err } = await run(omni, ["conform", "-c", url, ...more]);
      const lines = out.trim().split("\n");
      t.diagnostic(`${name}, ${new URL(listen).protocol} ${lines.at(-1)}`);
      const [, passed, failed] = /^(\d+) passed, (\d+) failed/.exec(lines.at(-1)) ?? [];
      assert.equal(failed, "0", out + err);
      assert.ok(passed > 200, out);
      assert.equal(code, 0, out);
      child.kill("SIGTERM");
    });
  }
}
