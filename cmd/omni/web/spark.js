// A small line of how something went lately.

const WIDTH = 120, HEIGHT = 28, POINTS = 61;

export class Spark {
  #values = [];

  constructor(polyline) {
    this.polyline = polyline;
  }

  clear() {
    this.#values = [];
  }

  push(value) {
    this.#values.push(value);
    if (this.#values.length > POINTS) this.#values.shift();
  }

  draw() {
    const values = this.#values, most = Math.max(1, ...values) * 1.15, from = POINTS - values.length;
    this.polyline.setAttribute("points", values.map((v, i) =>
      `${((from + i) * WIDTH / (POINTS - 1)).toFixed(1)},${(HEIGHT - 1 - v / most * (HEIGHT - 2)).toFixed(1)}`).join(" "));
  }
}
