"use strict";
// The theme: as the system has it, or as chosen and remembered where the browser allows that.
const root = document.documentElement, button = document.getElementById("theme");
const themes = ["system", "light", "dark"];
let theme = "system";
try { theme = localStorage.getItem("variegate-theme") || theme; } catch { /* not allowed */ }
function setTheme(name) {
  theme = themes.includes(name) ? name : "system";
  if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
  button.textContent = "Theme: " + theme;
  try { localStorage.setItem("variegate-theme", theme); } catch { /* not allowed */ }
}
button.hidden = false;
button.addEventListener("click", () => setTheme(themes[(themes.indexOf(theme) + 1) % 3]));
setTheme(theme);

// Orders of thumbnails. The page comes in the first of them.
for (const select of document.querySelectorAll("select[data-sorts]")) {
  const grid = document.getElementById(select.dataset.sorts);
  const cards = [...grid.children];
  const by = {
    strong: (a, b) => b.dataset.strength - a.dataset.strength,
    weak: (a, b) => a.dataset.strength - b.dataset.strength,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
    small: (a, b) => a.dataset.pixels - b.dataset.pixels,
    large: (a, b) => b.dataset.pixels - a.dataset.pixels,
  };
  select.closest("label").hidden = false;
  select.addEventListener("change", () => grid.append(...cards.toSorted(by[select.value])));
}

// A member of a group shows which part of the representative it is.
for (const member of document.querySelectorAll("[data-part]")) {
  const part = document.getElementById(member.dataset.part);
  for (const [event, on] of [["mouseenter", true], ["mouseleave", false]])
    member.addEventListener(event, () => part.classList.toggle("on", on));
}

// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details.panel")) one.open = true;
});
