// The theme that was chosen, before anything is drawn in another. Not a module: those wait.
{
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    choice.value = kept ?? "";
    choice.addEventListener("change", () => {
      document.documentElement.dataset.theme = choice.value;
      localStorage.setItem("theme", choice.value);
    });
  });
}
