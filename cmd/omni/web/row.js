// What the rows of lanes and of files have in common.

/** A copy of a template's row, and its parts by class or tag. */
export function rowOf(template, names) {
  const row = document.getElementById(template).content.firstElementChild.cloneNode(true);
  const parts = Object.fromEntries(names.map((name) => [name, row.querySelector(`.${name}`) ?? row.querySelector(name)]));
  return { row, parts };
}

/** Sets text that has changed: the rest need not be laid out again. */
export function write(node, text) {
  if (node.textContent != text) node.textContent = text;
}

/** Shows an element or hides it. What has the focus hands it to another. */
export function show(node, shown, instead) {
  if (node.hidden != shown) return;
  const focused = node == document.activeElement;
  node.hidden = !shown;
  if (focused && instead) {
    instead.hidden = false;
    instead.focus();
  }
}

/** Tells those who cannot see the page. */
export function announce(text) {
  document.getElementById("announce").textContent = text;
}
