// The theme that was chosen, before anything is drawn in another. Not a module: those wait.
{
  let store; // undefined where the browser lets no page keep anything
  try {
    store = localStorage;
  } catch {
    // That throws.
  }
  const kept = store?.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = kept ?? "";
    choice.addEventListener("change", () => {
      document.documentElement.dataset.theme = choice.value;
      store?.setItem("theme", choice.value);
    });
  });
}
