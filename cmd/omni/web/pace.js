// How fast something goes on, and the slider for it.

const SLACK = 50; // ms that are caught up with

/** Turns at a rate: 0 is none, Infinity any number. */
export class Pace {
  #due = 0;
  #wake = () => {};

  constructor(perSecond) {
    this.perSecond = perSecond;
  }

  set(perSecond) {
    this.perSecond = perSecond;
    this.#due = 0;
    this.#wake();
  }

  /** Waits for the next turn; with n for so many at once. */
  async turn(n = 1) {
    for (let now; this.perSecond != Infinity;) {
      now = performance.now();
      if (this.perSecond > 0 && this.#due <= now) {
        this.#due = Math.max(this.#due, now - SLACK) + n * 1000 / this.perSecond;
        return;
      }
      await this.#changed(this.perSecond > 0 ? this.#due - now : Infinity);
    }
  }

  /** Lets whoever waits look again, without a turn. */
  stop() {
    this.set(Infinity);
  }

  #changed(ms) {
    return new Promise((resolve) => {
      const timer = ms < Infinity ? setTimeout(resolve, ms) : 0;
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The rate at a place of a slider from 0 to 100: none, then least to most by equal factors, then any. */
export function rateAt(place, least, most) {
  if (place <= 0) return 0;
  if (place >= 100) return Infinity;
  const exact = least * (most / least) ** ((place - 1) / 98);
  const step = 10 ** Math.max(0, Math.floor(Math.log10(exact)) - 1); // two digits are enough
  return Math.round(exact / step) * step;
}

/** The place of a rate. */
export function placeOf(rate, least, most) {
  if (rate <= 0) return 0;
  if (rate == Infinity) return 100;
  return Math.min(99, Math.max(1, Math.round(1 + 98 * Math.log(rate / least) / Math.log(most / least))));
}
