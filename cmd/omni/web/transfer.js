// A file on its way, and its row.

import { OmniError, codes } from "./omnistreams.js";
import { receive, send } from "./content.js";
import { explain, seconds, size } from "./format.js";
import { Pace, placeOf, rateAt } from "./pace.js";
import { Rate } from "./rate.js";
import { rowOf, show, write } from "./row.js";
import { hex } from "./sha256.js";

const LEAST = 64e3, MOST = 1e9; // of the slider, in bytes a second
const SHORT = 0.2; // seconds of waiting that are worth showing
const PARTS = ["h3", "about", "label", "input", "output", "progress", "word", "used", "items", "bytes",
  "pause", "cancel", "save", "remove", "end"];
let made = 0;

/** Either way has a `run(to)` of its own, which moves the bytes and returns what to say then. */
class Transfer {
  pace = Infinity; // as the slider says, in bytes a second
  paused = false;
  turns = new Pace(Infinity);
  moved = 0;
  opening = new AbortController(); // ends the call before it is open
  leave = (why) => this.opening.abort(why); // and afterwards
  #rate = new Rate();
  #seen; // the server's figures
  #ended;

  constructor(list, name, about, bytes, ended) {
    Object.assign(this, rowOf("transfer", PARTS), { name, bytes });
    this.#ended = ended;
    const p = this.parts, n = ++made, on = (node, event, f) => node.addEventListener(event, f);
    write(p.h3, name);
    p.h3.id = `transfer-${n}`;
    this.row.setAttribute("aria-labelledby", p.h3.id);
    write(p.about, about);
    p.progress.setAttribute("aria-label", name);
    p.input.id = `speed-${n}`;
    p.label.htmlFor = p.output.htmlFor = p.input.id;
    p.label.textContent = "At most";
    p.input.setAttribute("aria-label", `${name}: at most`);
    p.input.value = placeOf(this.pace, LEAST, MOST);
    for (const button of ["pause", "cancel", "save", "remove"]) {
      p[button].setAttribute("aria-label", `${p[button].textContent} ${name}`);
    }
    on(p.input, "input", () => this.#goes({ pace: rateAt(+p.input.value, LEAST, MOST) }));
    on(p.pause, "click", () => this.#goes({ paused: !this.paused }));
    on(p.cancel, "click", () => this.cancel());
    on(p.remove, "click", () => this.remove());
    list.prepend(this.row);
    this.#goes({});
  }

  /** Sets how fast it goes. */
  #goes(change) {
    Object.assign(this, change);
    const { pause, input, output } = this.parts;
    this.turns.set(this.paused ? 0 : this.pace);
    write(pause, this.paused ? "Go on" : "Pause");
    pause.setAttribute("aria-label", `${pause.textContent} ${this.name}`);
    write(output, this.pace == 0 ? "nothing" : this.pace == Infinity ? "any speed" : `${size(this.pace)}/s`);
    input.setAttribute("aria-valuetext", output.textContent);
  }

  /** Runs to the end, whatever that is. */
  async start(to) {
    this.id = to.id();
    const began = performance.now();
    this.#set("open");
    try {
      const said = await this.run(to);
      const took = (performance.now() - began) / 1000;
      this.#set("done", `${said} It took ${seconds(took)}, ${size(this.bytes / took)}/s.`);
    } catch (error) {
      this.leave(error); // the other half, if it lives
      this.give?.(error);
      this.#set(...this.canceled ? ["canceled", ""] : error.lost ? ["lost", "Lost with the session."] : ["failed", explain(error)]);
    }
    this.#ended(this);
  }

  cancel() {
    this.canceled = true;
    this.leave(new OmniError(codes.canceled, "canceled on the page"));
    this.turns.stop();
  }

  /** The session is over. */
  lost() {
    this.turns.stop();
  }

  remove() {
    const next = this.row.nextElementSibling?.querySelector("button:not([hidden])") ??
      document.querySelector("#file:enabled") ?? document.getElementById("connect");
    if (this.parts.save.href) URL.revokeObjectURL(this.parts.save.href);
    this.row.remove();
    next.focus();
  }

  #set(state, why = "") {
    const { word, pause, cancel, remove, input, end, used, items, bytes } = this.parts, open = state == "open";
    this.row.dataset.state = state;
    this.row.dataset.waits = "";
    show(cancel, open, remove);
    show(pause, open, remove);
    show(remove, !open);
    input.disabled = !open;
    write(word, open ? "begins" : state);
    write(end, why);
    if (!open) for (const part of [used, items, bytes]) write(part, "");
    this.#bar();
  }

  #bar() {
    this.parts.progress.value = this.bytes ? this.moved / this.bytes : this.row.dataset.state == "done" ? 1 : 0;
  }

  /** Counts what went. */
  count(bytes) {
    this.moved += bytes;
  }

  see(figures, now) {
    this.#rate.add(now, figures.bytes);
    figures.moves = figures.moved != this.#seen?.moved;
    this.#seen = figures;
  }

  draw() {
    if (!this.#seen) return;
    const { word, used, bytes } = this.parts, { waits, stuck, since, moves } = this.#seen;
    const waiting = !this.up && stuck && !moves && since > SHORT && waits == "the peer's reader";
    this.row.dataset.waits = waiting ? "credit" : "";
    write(word, waiting ? `waiting for credit ${seconds(since)}` : this.paused ? "paused" : this.verb);
    write(used, size(this.moved));
    write(bytes, `${size(this.#rate.perSecond)}/s`);
    this.#bar();
  }
}

/** A file that goes to the server. */
export class Upload extends Transfer {
  up = true;
  verb = "uploading";

  constructor(list, file, ended) {
    super(list, file.name, `upload, ${size(file.size)}`, file.size, ended);
    this.file = file;
  }

  async run(to) {
    const { file, id } = this, { word } = this.parts;
    const call = await to.call({ name: "upload", id, label: file.name, file: file.name }, this.opening, word);
    this.leave = (why) => call.giveUp(why);
    const sum = hex(await send(call, file, this.turns, (n) => this.count(n)));
    const { value } = await call.answer.read();
    const receipt = JSON.parse(new TextDecoder().decode(value));
    this.row.dataset.sha256 = receipt.sha256;
    if (receipt.sha256 != sum || receipt.bytes != file.size) throw new Error(`The server got something else: SHA-256 ${receipt.sha256}`);
    return `The server has ${size(receipt.bytes)}${receipt.file ? ` as ${receipt.file}` : ""}; SHA-256 ${sum} on both sides.`;
  }
}

/** A file that comes from the server. */
export class Download extends Transfer {
  verb = "downloading";

  /** what is { file } or { size }; save is where it goes. */
  constructor(list, name, what, save, ended) {
    super(list, name, `download, ${size(what.size)}`, what.size, ended);
    Object.assign(this, { what, save, give: (why) => save.drop(why) });
  }

  async run(to) {
    const { what, id, save } = this, { word } = this.parts;
    const call = await to.call({ name: "download", id, label: this.name, ...what }, this.opening, word);
    this.leave = (why) => call.answer.cancel(why);
    await call.end();
    this.bytes = JSON.parse(new TextDecoder().decode(await call.answer.opened)).size ?? 0;
    const sum = hex(await receive(call.answer, (piece) => save.write(piece), this.turns, (n) => this.count(n)));
    this.row.dataset.sha256 = sum;
    const link = await save.close();
    this.give = undefined;
    if (link) {
      const { parts: { save: a }, name } = this;
      Object.assign(a, { href: link, download: name, hidden: false });
      a.click();
    }
    return `${size(this.moved)}; SHA-256 ${sum}, as the server says.`;
  }
}
