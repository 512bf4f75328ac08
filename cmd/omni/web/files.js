// Uploads and downloads.

import { announce } from "./row.js";
import { size } from "./format.js";
import { target } from "./save.js";
import { Download, Upload } from "./transfer.js";

const MADE_UP = [1e6, 10e6, 100e6, 1e9]; // bytes
const byId = (id) => document.getElementById(id);

export class Files {
  running = new Set();
  #to; // the session that lives
  #list = byId("transfers");

  constructor() {
    const drop = byId("drop"), file = byId("file");
    file.addEventListener("change", () => {
      this.#upload(file.files);
      file.value = "";
    });
    for (const event of ["dragenter", "dragover"]) {
      drop.addEventListener(event, (e) => {
        e.preventDefault();
        drop.classList.add("over");
      });
    }
    drop.addEventListener("dragleave", (e) => {
      if (!drop.contains(e.relatedTarget)) drop.classList.remove("over");
    });
    drop.addEventListener("drop", (e) => {
      e.preventDefault();
      drop.classList.remove("over");
      this.#upload(e.dataTransfer.files);
    });
    byId("upload").addEventListener("submit", (e) => e.preventDefault());
    byId("download").addEventListener("submit", (e) => {
      e.preventDefault();
      this.#download(byId("source").selectedOptions[0]);
    });
    this.use();
  }

  /** Uses a session whose peer says so much of itself; without one, none. */
  use(to, { files } = {}) {
    this.#to = to;
    byId("file").disabled = !to;
    byId("download").querySelector("button").disabled = !to;
    if (!to) {
      for (const transfer of this.running) transfer.lost();
      return;
    }
    byId("upload-hint").textContent = files ? "They are kept in the server's folder once they are whole, and replace nothing."
      : "They are counted and hashed, and not kept.";
    this.#offer(files);
  }

  /** Fills in what can be downloaded. */
  async #offer(files) {
    const source = byId("source"), made = MADE_UP.map((bytes) => option(`${size(bytes)}, made up`, { size: bytes, name: `${bytes}.bin` }));
    const old = source.value;
    source.replaceChildren(...made);
    if (!files) return;
    try {
      const call = await this.#to.session.call({ name: "files" });
      await call.end();
      const group = document.createElement("optgroup");
      group.label = "Files on the server";
      source.prepend(group);
      for await (const item of call) {
        const file = JSON.parse(new TextDecoder().decode(item));
        group.append(option(`${file.file}, ${size(file.size)}`, { ...file, name: file.file }));
      }
      group.hidden = !group.children.length;
    } catch {
      // The session is over, which is told elsewhere.
    }
    source.value = old;
    if (source.selectedIndex < 0) source.selectedIndex = 0;
  }

  #upload(files) {
    for (const file of this.#to ? files : []) this.#run(new Upload(this.#list, file, (t) => this.#over(t)));
  }

  async #download({ dataset: { file, name, size } }) {
    const save = await target(name);
    if (!save) return;
    if (!this.#to) return save.drop(new Error("the session is over")); // it ended while a place was chosen
    const what = { file, size: +size };
    this.#run(new Download(this.#list, name, what, save, (t) => this.#over(t)));
  }

  #run(transfer) {
    this.running.add(transfer);
    transfer.start(this.#to);
  }

  #over(transfer) {
    this.running.delete(transfer);
    announce(`${transfer.name}: ${transfer.row.dataset.state}. ${transfer.parts.end.textContent}`);
    if (transfer.up && transfer.row.dataset.state == "done" && byId("source").querySelector("optgroup")) this.#offer(true);
  }
}

function option(text, data) {
  const node = new Option(text, data.name);
  Object.assign(node.dataset, data);
  return node;
}
