// What a total grows by in a second, from readings of it.

const SPAN = 1; // seconds that are looked at

export class Rate {
  #readings = [];

  clear() {
    this.#readings = [];
  }

  add(now, total) {
    const all = this.#readings;
    all.push([now, total]);
    while (all.length > 2 && all[1][0] <= now - SPAN) all.shift();
  }

  get perSecond() {
    const all = this.#readings, [from, least] = all[0] ?? [0, 0], [to, most] = all.at(-1) ?? [0, 0];
    return to > from ? (most - least) / (to - from) : 0;
  }
}
