"use strict";
const at = (id) => document.getElementById(id);
const made = (name, properties = {}, ...inside) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
};
const svg = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const percent = (value) => (100 * value).toFixed(1) + "%";
const spelled = (name) => name.replace(/([+-])$/, " $1").replaceAll("_", " ").replace(/-$/, "\u2212");

// The theme: as the system has it, or as chosen and remembered where the browser allows that.
const themes = ["system", "light", "dark"];
let theme = "system";
try { theme = localStorage.getItem("variegate-theme") || theme; } catch { /* not allowed */ }
function setTheme(name) {
  theme = themes.includes(name) ? name : "system";
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  at("theme").textContent = "Theme: " + theme;
  try { localStorage.setItem("variegate-theme", theme); } catch { /* not allowed */ }
}
at("theme").addEventListener("click", () => setTheme(themes[(themes.indexOf(theme) + 1) % 3]));
setTheme(theme);

let key = "";
function say(text, kind = "") {
  at("status").textContent = text;
  at("status").className = kind;
}
async function ask(path, form, signal) {
  const headers = key ? { "X-API-Key": key } : {};
  let response;
  try {
    response = await fetch(path, { method: form ? "POST" : "GET", body: form, headers, signal });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The server does not answer.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 401) at("access").hidden = false;
  if (!response.ok) throw new Error(answer.error?.message ?? "The server answered " + response.status);
  return answer;
}
function shown(error) {
  if (error.name !== "AbortError") say("Error: " + error.message, "bad");
}

// The image: what was chosen, and a copy of about a megapixel that the sliders send.
let file = null, copy = null, baseline = null, address = "", chosen = 0;
async function smallCopy(image) {
  try {
    const bitmap = await createImageBitmap(image);
    const times = Math.sqrt(1e6 / (bitmap.width * bitmap.height));
    if (times >= 1) return image;
    const canvas = made("canvas", { width: Math.round(bitmap.width * times), height: Math.round(bitmap.height * times) });
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((done) => canvas.toBlob((blob) => done(blob ?? image), "image/jpeg", 0.95));
  } catch {
    return image; // of a kind that this browser does not show; the server may know it
  }
}
function form(image, fields = {}) {
  const data = new FormData();
  data.append("image", image, image.name ?? "image");
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}
async function choose(next) {
  if (!next) return;
  const turn = ++chosen;
  file = next; copy = baseline = null;
  reset();
  say("Asking the model");
  URL.revokeObjectURL(address);
  address = URL.createObjectURL(next);
  const before = at("before");
  before.onerror = () => { before.hidden = true; };
  before.hidden = false;
  before.alt = "The chosen image";
  before.src = address;
  at("before-text").textContent = next.name ?? "Pasted image";
  try {
    const answer = await ask("classify", form(next));
    if (turn !== chosen) return;
    const first = answer.results[0];
    at("before-text").textContent = `${next.name ?? "Pasted image"}, ${first.width} x ${first.height}`;
    list(first.classes);
    say(`${first.classes[0].class}, ${percent(first.classes[0].probability)}`);
    const made = await smallCopy(next);
    const base = await ask("try", form(made));
    if (turn !== chosen) return;
    copy = made;
    baseline = base;
    enable(true);
  } catch (error) {
    if (turn !== chosen) return;
    list([]);
    enable(false);
    shown(error);
  }
}
function list(classes, before = null) {
  at("empty").hidden = classes.length > 0;
  const was = new Map((before ?? []).map((one) => [one.class, one.probability]));
  at("classes").replaceChildren(...classes.map((one) => {
    const bar = made("span");
    bar.style.width = percent(one.probability);
    const moved = was.has(one.class) ? one.probability - was.get(one.class) : 0;
    const points = Math.abs(moved) < 0.0005 ? "" : ` (${moved > 0 ? "+" : "\u2212"}${(100 * Math.abs(moved)).toFixed(1)})`;
    return made("li", {},
      made("span", { className: "what", textContent: one.class }),
      made("span", { className: "figure", textContent: percent(one.probability) + points }),
      made("div", { className: "bar" }, bar));
  }));
}
for (const id of ["file", "camera"])
  at(id).addEventListener("change", (event) => { choose(event.target.files[0]); event.target.value = ""; });
for (const name of ["dragenter", "dragover"])
  addEventListener(name, (event) => { event.preventDefault(); at("drop").classList.add("over"); });
for (const name of ["dragleave", "drop"])
  addEventListener(name, (event) => { event.preventDefault(); at("drop").classList.remove("over"); });
addEventListener("drop", (event) => choose(event.dataTransfer?.files[0]));
addEventListener("paste", (event) => choose(event.clipboardData?.files[0]));

// The sliders.
const sliders = new Map();
let waiting = null, asking = null, sweeping = null;
const steps = () => [...sliders.values()].filter((one) => one.input.valueAsNumber > 0)
  .map((one) => ({ axis: one.axis.axis, intensity: one.input.valueAsNumber }));
function value(axis, intensity) {
  const found = axis.scale === "log" ? axis.start * (axis.end / axis.start) ** intensity
    : axis.start + (axis.end - axis.start) * intensity;
  return Number(found.toPrecision(3)).toLocaleString("en");
}
function markText(name, mark) {
  const range = mark.high > mark.low ? ` (${mark.low.toFixed(2)} to ${mark.high.toFixed(2)})` : "";
  return `${name} ${mark.intensity.toFixed(2)}${range}`;
}
function slider(axis, number) {
  const id = "axis-" + number;
  const input = made("input", { type: "range", id, min: 0, max: 1, step: 0.01, value: 0, disabled: true });
  const output = made("output", { htmlFor: id, textContent: "0.00" });
  const track = made("div", { className: "track" }, input);
  const row = made("div", { className: "slider" },
    made("div", { className: "name" }, made("label", { htmlFor: id, textContent: spelled(axis.axis) }), output), track);
  const marks = ["onset", "critical"].filter((name) => axis.marks?.[name]);
  for (const name of marks) {
    const tick = made("span", { className: "tick " + name });
    tick.style.setProperty("--at", axis.marks[name].intensity);
    track.prepend(tick);
  }
  if (marks.length) {
    row.append(made("p", { className: "marks", id: id + "-marks", textContent: marks.map((name) => markText(name, axis.marks[name])).join(" \u00b7 ") }));
    input.setAttribute("aria-describedby", id + "-marks");
  }
  const one = { axis, input, output, row, curve: null };
  input.addEventListener("input", () => { label(one); later(one); });
  sliders.set(axis.axis, one);
  return row;
}
function label(one) {
  const intensity = one.input.valueAsNumber;
  one.row.classList.toggle("moved", intensity > 0);
  one.output.textContent = intensity.toFixed(2) + (intensity > 0 ? `, ${one.axis.parameter.replaceAll("_", " ")} ${value(one.axis, intensity)}` : "");
  one.input.setAttribute("aria-valuetext", one.output.textContent);
  at("reset").disabled = steps().length === 0;
  now(one);
}
function later(one) {
  clearTimeout(waiting);
  waiting = setTimeout(() => move(one), 100);
}
async function move(one) {
  asking?.abort();
  sweeping?.abort();
  asking = new AbortController();
  const all = steps(), turn = chosen;
  if (!copy) return;
  try {
    const answer = all.length ? await ask("try", form(copy, { steps: JSON.stringify(all) }), asking.signal) : baseline;
    if (turn !== chosen) return;
    const was = baseline.classes[0], first = answer.classes[0];
    list(answer.classes, baseline.classes);
    at("after-shot").hidden = all.length === 0;
    at("after").src = answer.image;
    at("after").alt = "The transformed image";
    at("after-text").textContent = all.map((step) => `${spelled(step.axis)} ${step.intensity.toFixed(2)}`).join(", ");
    const kept = was.class === first.class, figure = percent(first.probability);
    if (all.length === 0) say(`${first.class}, ${figure}`);
    else if (kept) say(`Still ${first.class}, ${figure}`, "kept");
    else say(`Changed: ${was.class} became ${first.class}, ${figure}`, "bad");
    if (one && one.input.valueAsNumber > 0) await sweep(one, all, turn);
  } catch (error) {
    shown(error);
  }
}
async function sweep(one, all, turn) {
  const others = JSON.stringify(all.filter((step) => step.axis !== one.axis.axis));
  if (one.curve?.others === others) return;
  sweeping = new AbortController();
  const found = await ask("sweep", form(copy, { axis: one.axis.axis, steps: others }), sweeping.signal);
  if (turn !== chosen) return;
  one.curve?.element.remove();
  const element = svg("svg", { class: "curve", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img",
    "aria-label": `Probability of ${found.class} from intensity 0 to 1: ` + found.probabilities.map(percent).join(", ") });
  found.kept.forEach((kept, index) => {
    if (!kept) element.append(svg("rect", { class: "lost", x: Math.max(0, 10 * index - 5), width: index % 10 ? 10 : 5, y: 0, height: 40 }));
  });
  element.append(svg("line", { x1: 0, x2: 100, y1: 39.5, y2: 39.5 }),
    svg("polyline", { points: found.probabilities.map((y, index) => `${100 * found.intensities[index]},${38 - 36 * y}`).join(" ") }),
    svg("line", { class: "now", y1: 0, y2: 40 }));
  const text = made("p", { className: "marks", textContent: `Probability of \u201c${found.class}\u201d along the slider; red where another class is likelier` });
  const box = made("div", {}, element, text);
  one.curve = { others, element: box };
  one.row.append(box);
  now(one);
}
function now(one) {
  const line = one.curve?.element.querySelector(".now");
  for (const name of ["x1", "x2"]) line?.setAttribute(name, 100 * one.input.valueAsNumber);
}
function enable(on) {
  for (const one of sliders.values()) one.input.disabled = !on;
}
function reset() {
  clearTimeout(waiting);
  asking?.abort();
  sweeping?.abort();
  for (const one of sliders.values()) {
    one.curve?.element.remove();
    one.curve = null;
    if (one.input.valueAsNumber > 0) { one.input.value = 0; label(one); }
  }
  at("after-shot").hidden = true;
}
at("reset").addEventListener("click", () => { reset(); move(null); at("sliders").querySelector("input")?.focus(); });

async function start() {
  try {
    const [model, axes] = await Promise.all([ask("model"), ask("axes")]);
    at("access").hidden = true;
    at("model").textContent = `Model: ${model.name}, version ${model.version}, ${model.classes.length.toLocaleString("en")} classes`;
    document.title = `${model.name}: classify an image`;
    const rows = axes.map((axis, number) => [axis.usual, slider(axis, number)]);
    at("sliders").replaceChildren(...rows.filter(([usual]) => usual).map(([, row]) => row));
    at("others").replaceChildren(...rows.filter(([usual]) => !usual).map(([, row]) => row));
    at("more").hidden = at("others").childElementCount === 0;
    at("legend").hidden = !axes.some((axis) => axis.marks);
    say("");
    if (copy) enable(true);
  } catch (error) {
    shown(error);
  }
}
at("access").addEventListener("submit", (event) => { event.preventDefault(); key = at("key").value.trim(); start(); });
start();
