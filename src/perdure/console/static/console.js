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
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    time.dataset.local = "";
    if (!Number.isNaN(at.getTime())) time.title += `\n${at.toLocaleString()} here`;
  }
}
localTimes(document);
