// What goes over the WebSocket, frame by frame.

import { binary, count } from "./format.js";
import { ANSWER, CLOSE, DATA, OPEN, REQUEST, framesOf, openOf, typeOf, wordsOf } from "./wire.js";

const ROWS = 300; // in the list, at most
const TURN = 24; // rows that are added at a time
const EVERY = 250; // ms from one time to the next
const NAMES = 1000; // streams whose names are kept
const byId = (id) => document.getElementById(id);

export class Frames {
  #on = false;
  #paused = false;
  #list = byId("frames");
  #of = byId("frames-of");
  #names = new Map(); // of streams: "page 3" or "server 3"
  #rows = new Map(); // that wait to be shown
  #more = 0; // frames that are only counted
  #timer = 0;

  constructor() {
    const on = byId("frames-on"), pause = byId("frames-pause"), clear = byId("frames-clear");
    on.addEventListener("change", () => {
      this.#on = on.checked;
      this.#list.hidden = pause.disabled = clear.disabled = !on.checked;
      this.#clear();
      this.#choices();
    });
    pause.addEventListener("click", () => {
      this.#paused = !this.#paused;
      pause.textContent = this.#paused ? "Go on" : "Pause";
    });
    clear.addEventListener("click", () => this.#clear());
    for (const event of ["pointerdown", "focus"]) this.#of.addEventListener(event, () => this.#choices());
    this.#of.addEventListener("change", () => this.#clear());
  }

  #clear() {
    this.#rows.clear();
    this.#more = 0;
    this.#list.replaceChildren();
  }

  /** Forgets the streams of a session that is over. */
  reset() {
    this.#names.clear();
  }

  /** A message that goes out or comes in. */
  message(out, bytes) {
    for (const frame of framesOf(bytes)) {
      if (frame.type == OPEN) this.#name(out, frame);
      if (this.#on && !this.#paused) this.#take(out, frame);
    }
  }

  /** Learns from OPEN what its stream is called here. */
  #name(out, frame) {
    const { kind, answers, metadata } = openOf(frame);
    let name = kind == ANSWER ? this.#names.get(key(!out, answers)) : undefined;
    if (kind != ANSWER) {
      try {
        const request = JSON.parse(metadata);
        name = request.label ?? request.name;
      } catch {
        // It is not of this page, and has no name.
      }
    }
    this.#names.set(key(out, frame.stream), name ?? "");
    if (this.#names.size > NAMES) this.#names.delete(this.#names.keys().next().value);
  }

  #take(out, frame) {
    // OPEN, DATA, END and FAIL speak of their sender's stream, REQUEST and CLOSE of the other's.
    const { type, stream } = frame, page = out != (type == REQUEST || type == CLOSE);
    const name = stream ? this.#names.get(key(page, stream)) : "session";
    const { value } = this.#of;
    if (value == "" ? name == "watch" : value != "all" && value != name) return;
    // What a stream says often makes one row at a time: bytes add up, and of totals the newest counts.
    const often = type == DATA || type == REQUEST, rows = this.#rows;
    const kind = often ? `${out} ${type} ${stream}` : Symbol();
    if (!rows.has(kind) && rows.size >= TURN) this.#more++;
    else {
      const row = rows.get(kind) ?? { out, page, name, times: 0, bytes: 0 };
      row.times++;
      row.bytes += frame.length;
      row.type = typeOf(frame);
      row.stream = stream;
      row.words = type == DATA ? binary(row.bytes) : wordsOf(frame); // now: the message's memory is used again
      rows.set(kind, row);
    }
    this.#timer ||= setTimeout(() => requestAnimationFrame(() => this.#draw()), EVERY);
  }

  #draw() {
    this.#timer = 0;
    if (!this.#on) return;
    const list = this.#list, follows = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const rows = [...this.#rows.values()].map((row) => item(row.out ? "out" : "in", line(row)));
    if (this.#more) rows.push(item("more", `… ${count(this.#more)} more`));
    this.#rows.clear();
    this.#more = 0;
    list.append(...rows);
    while (list.children.length > ROWS) list.firstChild.remove();
    if (follows) list.scrollTop = list.scrollHeight;
  }

  /** Fills in the streams that can be chosen: those that have a name. */
  #choices() {
    const of = this.#of, chosen = of.value, fixed = [...of.options].slice(0, 3);
    const names = [...new Set(this.#names.values())].filter(Boolean);
    if (names.length + fixed.length == of.options.length) return;
    of.replaceChildren(...fixed, ...names.map((name) => new Option(name, name)));
    of.value = chosen;
    if (of.selectedIndex < 0) of.selectedIndex = 0;
  }
}

const key = (page, stream) => `${page ? "page" : "server"} ${stream}`;

/** A row in words. */
function line({ out, type, stream, page, name, times, words }) {
  const what = type + (times > 1 ? ` ×${count(times)}` : "");
  const whose = stream ? `${key(page, stream)}${name ? ` (${name})` : ""}` : "session";
  return `${out ? "→ sent" : "← came"}  ${what.padEnd(12)}  ${whose}  ${words}`;
}

function item(kind, words) {
  const node = document.createElement("li");
  node.className = kind;
  node.textContent = words;
  return node;
}
