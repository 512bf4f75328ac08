// Numbers as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });

/** 12,345 */
export const count = (n) => whole.format(n);

/** 1.2 MB */
export function size(bytes) {
  for (const [unit, least] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= least) return `${tenth.format(bytes / least)} ${unit}`;
  }
  return `${whole.format(bytes)} B`;
}

/** Sizes that are powers of two: 1 MiB, 64 KiB; others in bytes. */
export function binary(bytes) {
  for (const [unit, least] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (bytes >= least) return `${+(bytes / least).toFixed(1)} ${unit}`;
  }
  return `${bytes} B`;
}

/** 3.2 s, or 45 s */
export const seconds = (s) => s < 10 ? `${tenth.format(s)} s` : s < 60 ? `${whole.format(s)} s`
  : `${Math.floor(s / 60)} min ${whole.format(Math.floor(s % 60))} s`;

/** 0.4 ms, or 12 ms */
export const millis = (s) => s * 1000 < 10 ? `${tenth.format(s * 1000)} ms` : `${whole.format(s * 1000)} ms`;

/** The text of an error for people. What this side found out needs no code, unless it is the application's. */
export function explain({ code, reason, remote, message }) {
  if (code === undefined || (!remote && code < 256)) return reason || message;
  return reason ? `${reason} (code ${code})` : `code ${code}`;
}
