// SHA-256 (FIPS 180-4) of bytes that come in pieces: the browser's own takes
// only what is in memory as a whole.

const BLOCK = 64, ROUNDS = 64;
const primes = [];
for (let n = 2; primes.length < ROUNDS; n++) if (primes.every((p) => n % p)) primes.push(n);

/** The first 32 bits behind the point. */
const fraction = (x) => (x % 1) * 2 ** 32 | 0;

const START = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
const K = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));

export class SHA256 {
  #state = Int32Array.from(START);
  #words = new Int32Array(ROUNDS);
  #rest = new Uint8Array(BLOCK); // that fill no block yet
  #filled = 0;
  #length = 0; // bytes

  /** Takes the next bytes. */
  add(bytes) {
    this.#length += bytes.length;
    let at = 0;
    if (this.#filled) {
      at = Math.min(BLOCK - this.#filled, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < BLOCK) return this;
      this.#block(this.#rest, 0);
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) this.#block(bytes, at);
    this.#rest.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
    return this;
  }

  /** The 32 bytes. Nothing can be added afterwards. */
  digest() {
    const bits = this.#length * 8, end = new Uint8Array(this.#filled < 56 ? BLOCK : 2 * BLOCK);
    end.set(this.#rest.subarray(0, this.#filled));
    end[this.#filled] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, bits / 2 ** 32);
    view.setUint32(end.length - 4, bits);
    for (let at = 0; at < end.length; at += BLOCK) this.#block(end, at);
    const sum = new DataView(new ArrayBuffer(32));
    this.#state.forEach((word, i) => sum.setInt32(4 * i, word));
    return new Uint8Array(sum.buffer);
  }

  #block(bytes, at) {
    const w = this.#words, state = this.#state;
    for (let i = 0; i < 16; i++, at += 4) {
      w[i] = bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3];
    }
    for (let i = 16; i < ROUNDS; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
      const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1 | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < ROUNDS; i++) {
      const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
      const t1 = h + s1 + (g ^ e & (f ^ g)) + K[i] + w[i] | 0;
      const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
      const t2 = s0 + (a & b | c & (a | b)) | 0;
      h = g;
      g = f;
      f = e;
      e = d + t1 | 0;
      d = c;
      c = b;
      b = a;
      a = t1 + t2 | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

/** Bytes in hex. */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
