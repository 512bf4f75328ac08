import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt } from "node:crypto";
import { test } from "node:test";
import { SHA256, hex } from "../sha256.js";

test("the examples of FIPS 180-4", () => {
  for (const [text, want] of [
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"],
    ["a".repeat(1e6), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"],
  ]) assert.equal(hex(new SHA256().add(Buffer.from(text)).digest()), want);
});

test("any bytes in any pieces", () => {
  for (let length = 0; length < 300; length++) {
    const bytes = randomBytes(length), hash = new SHA256();
    for (let at = 0, n; at < length; at += n) {
      n = randomInt(1, 100);
      hash.add(bytes.subarray(at, at + n));
    }
    assert.equal(hex(hash.digest()), createHash("sha256").update(bytes).digest("hex"), `${length} bytes`);
  }
});

test("the length of more than 512 MiB takes two words", () => {
  const piece = new Uint8Array(1 << 24), hash = new SHA256(), want = createHash("sha256");
  for (let i = 0; i < 33; i++) {
    hash.add(piece);
    want.update(piece);
  }
  assert.equal(hex(hash.digest()), want.digest("hex"));
});
