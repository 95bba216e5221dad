"use strict";
// The server draws everything, and its forms work without this script. With it nobody has to load the page again: it does so
// every second, and puts in those parts that have changed, which are the elements with data-live.

const seen = new Map(); // what the server last said of each part, by its id
const shown = new Map(); // what was put in of it, which may be what is wrong with a form
let turn = Promise.resolve(); // one request at a time, lest an older answer come after a newer one

const parts = (doc) => doc.querySelectorAll("[data-live]");
for (const part of parts(document)) {
  seen.set(part.id, part.outerHTML);
  shown.set(part.id, part.outerHTML);
}

// put puts in what a page says that answers a poll, or else a form. What is wrong with a form stays until another is right, or the
// server says something new of that part.
function put(text, poll, ok) {
  for (const fresh of parts(new DOMParser().parseFromString(text, "text/html"))) {
    const old = document.getElementById(fresh.id);
    const html = fresh.outerHTML;
    const same = (poll ? seen : shown).get(fresh.id) === html;
    if (ok) seen.set(fresh.id, html);
    if (!old || same) continue;
    shown.set(fresh.id, html);
    const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.replaceWith(document.adoptNode(fresh));
    if (focus) document.getElementById(focus)?.focus();
  }
  tell();
}

function say(text, bad) {
  const state = document.getElementById("state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("bad", Boolean(bad));
}

// tell turns times into how long ago they are.
function tell() {
  for (const time of document.querySelectorAll("time.ago")) {
    const s = Math.max(0, Math.floor((Date.now() - new Date(time.dateTime)) / 1000));
    const text = s < 60 ? `${s} s ago` : s < 3600 ? `${Math.floor(s / 60)} min ago` : `${Math.floor(s / 3600)} h ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

let asked = false; // a poll is waiting for its turn or its answer
let said = 0; // when the last action was reported, which may be read for a while

function poll() {
  if (asked || document.hidden) return;
  asked = true;
  turn = turn.then(async () => {
    try {
      const resp = await fetch(location.href, { cache: "no-store" });
      put(await resp.text(), true, resp.ok);
      if (Date.now() - said > 4000) say("Live");
    } catch {
      say("The sandbox does not answer", true);
    }
    asked = false;
  });
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.hasAttribute("data-page")) return; // the latter's answer is a page of its own
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const done = event.submitter?.dataset.said ?? "";
  turn = turn.then(async () => {
    try {
      const resp = await fetch(form.action, { method: "POST", body });
      const text = await resp.text();
      const page = resp.headers.get("Content-Type").startsWith("text/html");
      if (page) put(text, false, resp.ok);
      said = Date.now();
      say(resp.ok ? done : page ? "" : text, !resp.ok);
      saved(form, resp.ok);
    } catch {
      say("The sandbox does not answer", true);
    }
  });
});

// saved looks after the text of the data page: it can't be lost unless it is saved, and the cursor goes to where it is wrong.
function saved(form, ok) {
  const area = form.querySelector("textarea");
  if (!area) return;
  const line = Number(form.querySelector("[data-line]")?.dataset.line);
  if (ok) {
    area.defaultValue = area.value;
  } else if (line) {
    const start = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    const end = area.value.indexOf("\n", start);
    area.focus();
    area.setSelectionRange(start, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, line - 5) * parseFloat(getComputedStyle(area).lineHeight);
  }
}

addEventListener("beforeunload", (event) => {
  const area = document.querySelector("textarea");
  if (area && area.value !== area.defaultValue) event.preventDefault();
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it, and copy";
    }
  });
}

if (document.body.hasAttribute("data-poll")) {
  tell();
  say("Live");
  setInterval(poll, 1000);
  setInterval(tell, 1000);
  document.addEventListener("visibilitychange", poll);
}
