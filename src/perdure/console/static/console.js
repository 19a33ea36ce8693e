// What the console does beside its links and forms; without it, everything still works.
"use strict";

const rows = () => [...document.querySelectorAll("table.list tbody tr")];
const chosen = () => document.querySelector("tr[data-chosen]");

function choose(row) {
  if (!row) return;
  chosen()?.removeAttribute("data-chosen");
  row.setAttribute("data-chosen", "");
  row.querySelector("a")?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = rows();
  const at = all.indexOf(chosen());
  choose(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)]);
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => document.getElementById("q")?.focus(),
  "?": () => document.getElementById("all-keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

// Times are in UTC; the reader's own zone is said beside it, where they differ.
function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    time.dataset.local = "";
    if (!Number.isNaN(at.getTime())) time.title += `\n${at.toLocaleString()} here`;
  }
}
localTimes();

// The page's stream: it goes on by itself after a lost connection, and rests in a tab that is hidden.
const state = document.getElementById("live-state");
const pause = document.getElementById("pause");
const silence_ms = 15000;
let paused = false;
let before = state?.textContent;
let heard_at = Date.now();

// What was never heard of is begun anew: a first connection that fails is not tried again by itself.
function beginAnew() {
  const silent = Date.now() - heard_at > silence_ms;
  if (!silent || paused || document.hidden) return;
  heard_at = Date.now();
  const old = document.getElementById("live");
  const again = old.cloneNode();
  again.removeAttribute("data-htmx-powered");
  old.replaceWith(again);
  htmx.process(again);
}

if (pause) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    // What was missed comes with the page.
    if (paused) location.reload();
    paused = true;
    pause.setAttribute("aria-pressed", "true");
    pause.textContent = "Go on";
    state.textContent = `Paused: ${before}`;
  });
  document.addEventListener("htmx:sse:before:message", (event) => {
    heard_at = Date.now();
    if (paused) event.preventDefault();
  });
  document.addEventListener("htmx:sse:after:message", () => {
    before = state.textContent.replace("● live", "").trim();
    localTimes();
  });
  document.addEventListener("htmx:sse:error", () => {
    if (!paused) state.textContent = `The connection is lost, and looked for: ${before}`;
  });
  setInterval(beginAnew, 5000);
}
