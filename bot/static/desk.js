/** The agent's desk: starts its parts and follows links, search and the address bar. */

import { desk, queuePane, talk, talkPane } from "./desk-state.js";
import { remember } from "./desk-parts.js";
import { afterOpen, closeTalk, openTalk, settleQueue, showList, showNews, showScreen } from "./desk-view.js";
import { startActions } from "./desk-actions.js";
import { startCanned } from "./desk-canned.js";
import { startComposer } from "./desk-composer.js";
import { startFiles } from "./desk-files.js";
import { startFind } from "./desk-find.js";
import { startKeys } from "./desk-keys.js";
import { startLive } from "./desk-live.js";
import { startPreferences } from "./desk-preferences.js";
import { startReject } from "./desk-reject.js";

const SEARCH_PAUSE_MS = 250;
let searchTimer = 0;

function follow(event) {
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest('a[href^="/desk"]');
  if (!link || link.hasAttribute("download")) return;
  const url = new URL(link.href);
  if (url.pathname !== "/desk") return;
  event.preventDefault();
  const id = url.searchParams.get("c");
  if (id) openTalk(id);
  else if (link.hasAttribute("data-back")) closeTalk();
  else showList(url);
}

function search() {
  const form = queuePane.querySelector("[data-search]");
  const query = new URLSearchParams({ view: form.elements.view.value });
  if (form.elements.q.value.trim()) query.set("q", form.elements.q.value.trim());
  showList(`/desk?${query}`);
}

async function onAddress() {
  const query = new URLSearchParams(location.search);
  const id = query.get("c");
  if (id && id !== talk()?.id) await openTalk(id, { push: false });
  else showScreen(id ? "talk" : "queue");
  query.delete("c");
  await showList(`/desk?${query}`, { push: false });
}

function onScreens(event) {
  if (event.target.closest("[data-show-card]")) showScreen(desk.dataset.screen === "card" ? "talk" : "card");
  if (event.target.closest("[data-hide-card]")) showScreen("talk");
  if (event.target.closest("[data-thread-news]")) showNews();
}

function start() {
  remember(queuePane);
  document.querySelector("main").addEventListener("click", follow);
  talkPane.addEventListener("click", onScreens);
  queuePane.querySelector("[data-queue-news]").addEventListener("click", settleQueue);
  queuePane.addEventListener("mouseleave", settleQueue);
  queuePane.querySelector("[data-search]").addEventListener("submit", (event) => { event.preventDefault(); search(); });
  queuePane.querySelector('[name="q"]').addEventListener("input", () => {
    clearTimeout(searchTimer);
    searchTimer = setTimeout(search, SEARCH_PAUSE_MS);
  });
  addEventListener("popstate", onAddress);
  for (const run of [startComposer, startFiles, startReject, startActions, startCanned, startFind, startPreferences, startKeys]) run();
  afterOpen();
  startLive();
}

start();
