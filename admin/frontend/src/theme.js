// Before anything is painted: light or dark, as who is signed in prefers (the server says so), as was chosen here last, or as the system says.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");

function kept() {
  try {
    if (root.dataset.theme) localStorage.setItem("pgcron-theme", root.dataset.theme); // for the page that signs in
    return localStorage.getItem("pgcron-theme");
  } catch {
    return null;
  }
}

function apply() {
  const word = root.dataset.theme || kept();
  root.classList.toggle("dark", word === "dark" || (word !== "light" && system.matches));
}

kept();
apply();
system.addEventListener("change", apply);
root.classList.add("js");
