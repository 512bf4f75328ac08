// The lanes: streams that go on until somebody ends them. What is drawn of the
// server are its own figures, which come by the stream "watch".

import { OmniError, codes } from "./omnistreams.js";
import { binary, count, explain, seconds, size } from "./format.js";
import { Pace, placeOf, rateAt } from "./pace.js";
import { Rate } from "./rate.js";
import { announce, rowOf, show, write } from "./row.js";
import { Spark } from "./spark.js";

const LEAST = 1, MOST = 10000; // of the slider, in items a second
const FAILED = 300; // the code that a lane fails with when it is asked to
const SHORT = 0.2, LONG = 1; // seconds of waiting that are worth showing, and saying aloud
const PARTS = ["h3", "about", "label", "input", "output", "bar", "fill", "word", "used", "items", "bytes", "polyline",
  "cancel", "fail", "reopen", "remove", "end"];
const FIGURES = ["stream", "granted", "moved", "items"]; // in the row's data, for whoever looks closer
const list = document.getElementById("lanes");

/** One row, and its stream. */
export class Lane {
  #to; // where it is open: { session, order(o), id(), call(metadata, options, word) }
  #call;
  #leave; // ends the call before it is open
  #turns = new Pace(Infinity); // of the page: of its reader, or of what it has to write
  #why; // it ended, and the page knows why
  #asked = 0; // when the page's write began that waits
  #seen; // the server's figures
  #rate = new Rate();
  #flow = new Rate();
  #said = false; // that it waits
  #news = true; // whether it waits is worth saying: once for each change of the slider

  /** reads is how fast it is read, rate how fast written (below 0: as credit allows), in items a second. */
  constructor(number, { up = false, size = 1024, rate = 100, reads = Infinity }, removed) {
    Object.assign(this, { number, up, size, rate, reads, removed, items: 0, state: "new" });
    Object.assign(this, rowOf("lane", PARTS));
    this.spark = new Spark(this.parts.polyline);
    this.#label();
    this.#listen();
    this.#tell();
    list.append(this.row);
  }

  #label() {
    const { parts: p, number, row } = this;
    p.h3.textContent = `Lane ${number}`;
    p.h3.id = `lane-${number}`;
    row.setAttribute("aria-labelledby", p.h3.id);
    p.about.textContent = `${this.up ? "page to server" : "server to page"}, ${binary(this.size)}\n` +
      (this.rate < 0 ? "as credit allows" : `${count(this.rate)} times a second`);
    p.input.id = `pace-${number}`;
    p.label.htmlFor = p.output.htmlFor = p.input.id;
    p.label.textContent = this.up ? "Server reads" : "Page reads";
    p.input.setAttribute("aria-label", `Lane ${number}: ${p.label.textContent}`);
    p.bar.setAttribute("aria-label", `Lane ${number}: credit in use`);
    for (const name of ["cancel", "fail", "reopen", "remove"]) {
      p[name].setAttribute("aria-label", `${p[name].textContent} lane ${number}`);
    }
  }

  #listen() {
    const p = this.parts, on = (node, event, f) => node.addEventListener(event, f);
    p.input.value = placeOf(this.reads, LEAST, MOST);
    on(p.input, "input", () => this.read(rateAt(+p.input.value, LEAST, MOST)));
    on(p.cancel, "click", () => this.cancel());
    on(p.fail, "click", () => this.fail());
    on(p.reopen, "click", () => this.#open());
    on(p.remove, "click", () => {
      const next = this.row.nextElementSibling ?? this.row.previousElementSibling;
      this.row.remove();
      this.removed(this);
      (next?.querySelector("input") ?? document.querySelector("#add button")).focus();
    });
  }

  /** Says how fast it is read. */
  #tell() {
    const { input, output } = this.parts;
    write(output, this.reads == 0 ? "nothing" : this.reads == Infinity ? "all that comes" : `${count(this.reads)} a second`);
    input.setAttribute("aria-valuetext", output.textContent);
  }

  /** Sets how fast it is read, in items a second. */
  read(perSecond) {
    this.reads = perSecond;
    this.#news = true;
    this.#tell();
    if (!this.up) this.#turns.set(perSecond);
    else if (this.state == "open") this.#to.order({ id: this.id, rate: perSecond == Infinity ? -1 : perSecond });
  }

  get isOpen() {
    return this.state == "opening" || this.state == "open";
  }

  /** Uses a session. What was lost with the one before opens again; without one, it is lost. */
  use(to) {
    this.#to = to;
    this.parts.reopen.disabled = !to;
    if (!to) this.hurry();
    else if (this.state == "new" || this.state == "lost") this.#open();
  }

  /** Reads what there is, however fast it is to go: the end comes after it. */
  hurry() {
    this.#turns.stop();
  }

  async #open() {
    const to = this.#to, id = this.id = to.id();
    this.items = 0;
    this.#call = this.#why = this.#seen = undefined;
    for (const figure of FIGURES) delete this.row.dataset[figure];
    this.#rate.clear();
    this.#flow.clear();
    this.#set("opening");
    try {
      const rate = this.up ? this.reads == Infinity ? -1 : this.reads : this.rate;
      const metadata = { name: "lane", id, label: `lane ${this.number}`, up: this.up, size: this.size, rate };
      const call = this.#call = await to.call(metadata, this.#leave = new AbortController(), this.parts.word);
      if (!this.up) await call.end();
      await call.answer.opened;
      this.#set("open");
      if (this.up) this.read(this.reads); // the server did not know the lane when that changed
      await (this.up ? this.#write(call) : this.#read(call));
      this.#ended(this.#why ?? ["ended", ""]);
    } catch (error) {
      this.#call?.giveUp(error); // the other half, if it lives
      this.#ended(this.#why ?? [error.lost || error.code == codes.shuttingDown ? "lost" : "failed", error]);
    }
  }

  async #read(call) {
    const turns = this.#turns = new Pace(this.reads);
    for (let next = 0; ; next++) {
      await turns.turn();
      const { value, done } = await call.answer.read();
      if (done) return;
      if (numberOf(value) != next) throw new Error(`item ${next} is not the one that came`);
      this.items = next + 1;
    }
  }

  async #write(call) {
    const turns = this.#turns = new Pace(this.rate < 0 ? Infinity : this.rate);
    const item = new Uint8Array(this.size), view = new DataView(item.buffer);
    for (let next = 0; ; next++) {
      await turns.turn();
      view.setBigUint64(0, BigInt(next));
      this.#asked = performance.now();
      try {
        await call.write(item);
      } catch (error) {
        if (error.remote) await call.answer.read(); // whose error has the reader's own code and reason
        throw error;
      }
      this.#asked = 0;
      this.items = next + 1;
    }
  }

  /** The reader has had enough. */
  cancel() {
    const reason = "by the reader";
    if (this.state == "opening") return this.#leave.abort(new OmniError(codes.canceled, reason));
    if (this.up) return this.#to.order({ id: this.id, end: { code: codes.canceled, reason } });
    this.#why = ["canceled", reason];
    this.#call?.answer.cancel(new OmniError(codes.canceled, reason));
    this.#turns.stop();
  }

  /** The writer breaks off. */
  fail() {
    const reason = "asked to fail";
    if (this.state == "opening") return this.#leave.abort(new OmniError(FAILED, reason));
    if (this.up) return this.#call?.abort(new OmniError(FAILED, reason));
    this.#to.order({ id: this.id, end: { code: FAILED, reason } });
    this.hurry();
  }

  #ended([state, why]) {
    this.#asked = 0;
    if (state == "failed" && why.code == codes.canceled) state = "canceled";
    this.#set(state, state == "failed" ? explain(why) : state == "lost" ? "" : why.reason ?? why);
  }

  /** Sets the state, and shows what can be done in it. */
  #set(state, why = "") {
    this.state = state;
    const p = this.parts, open = this.isOpen, row = this.row;
    row.dataset.state = state;
    row.dataset.waits = "";
    const next = state == "lost" ? p.remove : p.reopen;
    show(p.reopen, !open && state != "lost" && state != "new", p.cancel);
    show(p.cancel, open, next);
    show(p.fail, open, next);
    show(p.remove, !open, p.cancel);
    write(p.end, why);
    write(p.word, `${state == "lost" ? "lost with the session" : state}${state == "failed" ? ":" : ""}`);
    if (!open) {
      if (state != "lost") announce(`Lane ${this.number} ${state}: ${why}`);
      p.fill.style.transform = "scaleX(0)";
      for (const name of ["used", "items", "bytes"]) write(p[name], "");
      this.spark.clear();
      this.spark.draw();
    }
  }

  /** Takes the server's figures: those of this lane, and its time in seconds. */
  see(figures, now) {
    this.#rate.add(now, figures.moved);
    this.#flow.add(now, figures.bytes);
    // What the server has written and the page has taken are counted as of the same place in
    // the connection: later the page would have taken more.
    figures.taken = this.up ? figures.taken : Math.min(this.items, figures.moved);
    this.spark.push(this.#rate.perSecond);
    figures.moves = figures.moved != this.#seen?.moved;
    this.#seen = figures;
  }

  draw() {
    if (this.state != "open" || !this.#seen) return;
    const { parts: p, row } = this, { granted, room, moved, taken, stream } = this.#seen;
    const used = moved - taken, all = used + room;
    p.fill.style.transform = `scaleX(${all ? Math.min(1, used / all) : 0})`;
    p.bar.setAttribute("aria-valuemax", all);
    p.bar.setAttribute("aria-valuenow", used);
    write(p.used, `${count(used)} of ${count(all)} items`);
    write(p.items, `${count(this.#rate.perSecond)} items/s`);
    write(p.bytes, `${size(this.#flow.perSecond)}/s`);
    const waits = this.#waits();
    row.dataset.waits = waits > 0 ? "credit" : "";
    const held = this.rate < 0 && used > all / 2;
    write(p.word, waits > 0 ? `waiting for credit ${seconds(waits)}` : held ? "writing as it is read" : "writing");
    FIGURES.forEach((figure, i) => row.dataset[figure] = [stream, granted, moved, this.items][i]);
    if (this.#news && waits > LONG != this.#said) {
      this.#said = !this.#said;
      this.#news = false;
      announce(`Lane ${this.number}: the writer ${this.#said ? "waits for credit" : "goes on"}`);
    }
    this.spark.draw();
  }

  /** How long the writer has waited for credit, in seconds; 0 if it has not. */
  #waits() {
    const { waits, stuck, since, moves, moved, room } = this.#seen;
    if (this.up) {
      // With room left at the server, or items on their way, it is the connection that is slow.
      const since = this.#asked && room == 0 && moved == this.items && (performance.now() - this.#asked) / 1000;
      return since > SHORT ? since : 0;
    }
    return stuck && !moves && since > SHORT && waits == "the peer's reader" ? since : 0;
  }
}

/** The number that an item begins with. */
function numberOf(item) {
  return Number(new DataView(item.buffer, item.byteOffset, 8).getBigUint64(0));
}
