// The SHA-256 of what is given away piece by piece, from a worker.

const AHEAD = 4; // pieces that may wait for it

export class Hasher {
  #worker = new Worker(new URL("hash-worker.js", import.meta.url), { type: "module" });
  #waiting = 0; // messages without an answer
  #error;
  #wake = () => {};

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      this.#waiting--;
      this.#wake(data);
    };
    this.#worker.onerror = (e) => {
      this.#error = new Error(`hashing failed: ${e.message}`);
      this.#wake();
    };
  }

  /** Takes a piece, whose memory is gone then. Is kept when there is room for the next. */
  async add(piece) {
    this.#post(piece, [piece.buffer]);
    while (this.#waiting >= AHEAD) await this.#answer();
  }

  /** The 32 bytes. */
  async digest() {
    this.#post();
    let sum;
    while (this.#waiting) sum = await this.#answer();
    return sum;
  }

  /** Ends the worker. */
  close() {
    this.#worker.terminate();
  }

  #post(piece, given = []) {
    this.#waiting++;
    this.#worker.postMessage(piece, given);
  }

  async #answer() {
    if (!this.#error) {
      const data = await new Promise((resolve) => this.#wake = resolve);
      if (!this.#error) return data;
    }
    throw this.#error;
  }
}
