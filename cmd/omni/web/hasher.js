// The SHA-256 of what is given away piece by piece, from a worker.

const PIECE = 1 << 20, PIECES = 3; // of memory, in bytes: one is filled, one is sent, one is hashed

export class Hasher {
  #worker = new Worker(new URL("hash-worker.js", import.meta.url), { type: "module" });
  // Used again and again: memory that is given to the worker for good stays
  // until its collector runs, long after so much is there that it shows.
  #free = Array.from({ length: PIECES }, () => new ArrayBuffer(PIECE));
  #sum;
  #error;
  #wake = () => {};

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      if (data.length) this.#sum = data;
      else this.#free.push(data);
      this.#wake();
    };
    this.#worker.onerror = (e) => {
      this.#error = new Error(`hashing failed: ${e.message}`);
      this.#wake();
    };
  }

  /** Memory for a piece, as soon as there is some. Only one may wait at a time. */
  space() {
    return this.#until(() => this.#free.pop());
  }

  /** Takes a piece with its memory, which came from space. */
  add(piece) {
    this.#worker.postMessage(piece, [piece.buffer]);
  }

  /** The 32 bytes. */
  digest() {
    this.#worker.postMessage(undefined);
    return this.#until(() => this.#sum);
  }

  /** Ends the worker. */
  close() {
    this.#worker.terminate();
    this.#error ??= new Error("hashing has ended");
    this.#wake();
  }

  async #until(found) {
    for (;;) {
      if (this.#error) throw this.#error;
      const what = found();
      if (what) return what;
      await new Promise((resolve) => this.#wake = resolve);
    }
  }
}
