// Node, Deno and Bun: the example of the README and more against `omni echo`, and for the latter two the tests that need
// nothing else. Deno and Bun are skipped where they are not on PATH.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { omni, skip } from "./omni.js";
import { folder, run, runtimes, start } from "./tools.js";

const alone = ["frames", "rules", "sessions", "times", "random"].map((name) => `./test/${name}.test.js`);

for (const { name, command, program, tests, missing } of runtimes) {
  test(`${name} against omni echo`, { timeout: 60_000, skip: skip || missing }, async (t) => {
    const echoes = await Promise.all(["ws://127.0.0.1:0/", "tcp://127.0.0.1:0"].map((url) => start(omni, ["echo", "-l", url])));
    const { code, out, err } = await run(command, [...program, join(folder, "test/runtime.mjs"), ...echoes.map((e) => e.url)], { cwd: folder });
    for (const { child } of echoes) child.kill("SIGKILL");
    for (const line of out.trim().split("\n")) t.diagnostic(line);
    assert.equal(out, `${name} over ws://: all well\n${name} over tcp://: all well\n`, err);
    assert.equal(code, 0, err);
  });

  if (name == "node") continue; // it is running them
  test(`${name} runs the tests`, { timeout: 120_000, skip: missing }, async (t) => {
    const { code, out, err } = await run(command, [...tests, ...alone], { cwd: folder, env: { ...process.env, NO_COLOR: "1" } });
    const [passed] = /\d+ pass(ed)?\b/.exec(out + err) ?? [];
    t.diagnostic(passed);
    assert.equal(code, 0, out + err);
    assert.ok(parseInt(passed) > 100, passed);
  });
}
