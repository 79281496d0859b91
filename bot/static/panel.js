/** The panel: copying, and the progress of a training. */

import { part, toast } from "/static/ui.js";

const POLL_MS = 1000;

async function copy(button) {
  const source = document.querySelector(button.dataset.copy);
  if (!source) return;
  const text = source.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No permission or plain http: select it, so that Ctrl+C does the rest.
    getSelection()?.selectAllChildren(source);
    return;
  }
  toast(button.dataset.copied, { seconds: 2 });
}

/** Follows the running job until it is gone, then shows the outcome. */
async function follow(card) {
  const bar = card.querySelector("[data-job-bar]");
  const texts = {
    stage: card.querySelector("[data-job-stage]"),
    eta: card.querySelector("[data-job-eta]"),
    log: document.querySelector("[data-job-log]"),
  };
  const share = card.querySelector("[data-job-share]");
  const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const title = document.title;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    let state;
    try {
      state = JSON.parse(await part(card.dataset.url, { headers: { Accept: "application/json" } }));
    } catch {
      continue; // the server restarts or the network is away: the job goes on without us
    }
    if (!state.job) break;
    bar.value = state.job.progress;
    share.textContent = percent.format(state.job.progress);
    document.title = `${share.textContent} · ${title}`;
    for (const [name, element] of Object.entries(texts)) {
      if (element && element.textContent !== state.job[name]) element.textContent = state.job[name];
    }
  }
  location.replace(location.pathname);
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (button) copy(button);
});

// What the notice says has been read once: a reload must not say it again.
// Filters stay.
const said = new URLSearchParams(location.search);
if (said.has("done")) {
  for (const name of [...said.keys()]) {
    if (name === "done" || name === "undo" || name.startsWith("p.")) said.delete(name);
  }
  history.replaceState(null, "", `${location.pathname}${said.size ? `?${said}` : ""}`);
}

const job = document.querySelector("[data-job]");
if (job) follow(job);

