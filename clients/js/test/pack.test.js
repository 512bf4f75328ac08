// The package as others get it: packed, installed into a project of their own, imported under both names and compiled
// with TypeScript as strictly as it can. No network is reached.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder, run, scratch } from "./tools.js";

const npm = process.platform == "win32" ? "npm.cmd" : "npm";

const program = `
import { connect, Incoming, OmniError, Outgoing, Session } from "NAME";

const there = new TransformStream<Uint8Array, Uint8Array>(), back = new TransformStream<Uint8Array, Uint8Array>();
const a: Session = new Session({ readable: there.readable, writable: back.writable });
const b: Session = new Session({ readable: back.readable, writable: there.writable });
const call = await a.call({ name: "upper" });
const asked: Incoming | undefined = await b.accept();
if (!asked?.isCall) throw new OmniError(300, "no call");
await call.write("hello");
await call.end();
const answer: Outgoing = asked.reply();
for await (const item of asked) await answer.write(new TextDecoder().decode(item).toUpperCase());
await answer.end();
for await (const item of call) console.log(new TextDecoder().decode(item));
await call.done;
await Promise.all([a.shutdown(), b.shutdown()]);
// @ts-expect-error: an item is bytes or text
export const wrong = () => call.write(1);
export const right = (url: string) => connect(url, { maxItem: 1024 });
`;

test("the package, packed and installed, works under both names", { timeout: 120_000 }, async () => {
  const packed = await run(npm, ["pack", "--json", "--pack-destination", scratch], { cwd: folder });
  assert.equal(packed.code, 0, packed.err);
  const [{ filename, files }] = JSON.parse(packed.out.slice(packed.out.indexOf("[")));
  assert.deepEqual(files.map((f) => f.path).sort(), [
    "LICENSE", "README.md", "examples/echo.mjs", "omnistreams.d.ts", "omnistreams.js", "omnistreams.min.js", "package.json",
  ]);

  const project = join(scratch, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", version: "1.0.0", private: true, type: "module" }));
  const installed = await run(npm, ["install", "--offline", "--no-audit", "--no-fund", join(scratch, filename)], { cwd: project });
  assert.equal(installed.code, 0, installed.err);

  const names = { main: "omnistreams", min: "omnistreams/min" };
  for (const [file, name] of Object.entries(names)) writeFileSync(join(project, `${file}.ts`), program.replace("NAME", name));
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({
    compilerOptions: {
      strict: true, target: "es2022", module: "nodenext", moduleResolution: "nodenext", types: [],
      lib: ["es2022", "dom", "dom.iterable", "dom.asynciterable"], exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true,
    },
  }));
  const compiled = await run(process.execPath, [join(folder, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: project });
  assert.equal(compiled.code, 0, compiled.out);
  for (const file of Object.keys(names)) {
    const { code, out, err } = await run(process.execPath, [`${file}.js`], { cwd: project });
    assert.deepEqual([code, out], [0, "HELLO\n"], err);
  }
});
