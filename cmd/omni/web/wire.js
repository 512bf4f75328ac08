// The frames of a message in words (SPEC.md, rule 0), for people: the session
// has its own reader, which checks them.

import { binary, count } from "./format.js";

export const OPEN = 1, DATA = 2, REQUEST = 5, CLOSE = 6;
const TYPES = ["HELLO", "OPEN", "DATA", "END", "FAIL", "REQUEST", "CLOSE", "PING", "PONG"];
const KINDS = ["one-way", "call", "answer"];
export const ANSWER = 2;
const HEADER = 9; // type u8, stream u32, length u32
const UNCOUNTED = 2 ** 53 - 1;
const text = new TextDecoder();

/** Each frame: type, stream, length of the payload in bytes, and the payload as a DataView. */
export function* framesOf(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = 0; at + HEADER <= view.byteLength;) {
    const length = view.getUint32(at + 5), end = at + HEADER + length;
    if (end > view.byteLength) return; // a fault, which ends the session
    yield { type: view.getUint8(at), stream: view.getUint32(at + 1), length, payload: new DataView(view.buffer, view.byteOffset + at + HEADER, length) };
    at = end;
  }
}

/** What OPEN says: kind, the call that it answers, and metadata as text. */
export const openOf = ({ payload }) => ({ kind: payload.getUint8(0), answers: payload.getUint32(1), metadata: textOf(payload, 5) });

export const typeOf = ({ type }) => TYPES[type] ?? `type ${type}`;

const textOf = (payload, from) => text.decode(new Uint8Array(payload.buffer, payload.byteOffset + from, payload.byteLength - from));

/** The fields of each type. */
const FIELDS = {
  HELLO: (p) => `version ${p.getUint8(4)}, items up to ${binary(p.getUint32(5))}, ${count(p.getUint32(9))} streams, ` +
    `each begins with ${count(p.getUint32(13))} items and ${binary(p.getUint32(17))} ${textOf(p, 21)}`,
  OPEN(p) {
    const { kind, answers, metadata } = openOf({ payload: p });
    return `${KINDS[kind]}${kind == ANSWER ? ` to call ${answers}` : ""} ${metadata}`;
  },
  FAIL: reason,
  CLOSE: reason,
  REQUEST(p) {
    const [items, bytes] = [0, 8].map((at) => Number(p.getBigUint64(at)));
    return `items up to ${count(items)}, bytes up to ${bytes == UNCOUNTED ? "any" : binary(bytes)}`;
  },
  PING: (p) => p.getBigUint64(0).toString(16).padStart(16, "0"),
  PONG: (p) => p.getBigUint64(0).toString(16).padStart(16, "0"),
};

function reason(payload) {
  const words = textOf(payload, 4);
  return `code ${payload.getUint32(0)}${words ? `, “${words}”` : ""}`;
}

/** What a frame says. */
export function wordsOf(frame) {
  const fields = FIELDS[typeOf(frame)];
  if (frame.type == DATA) return binary(frame.length);
  try {
    return fields?.(frame.payload) ?? "";
  } catch {
    return "cut short"; // a fault, which ends the session
  }
}
