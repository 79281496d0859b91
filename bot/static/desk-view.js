/** Moves through the desk: opens conversations, keeps queue and thread fresh, keeps the address true. */

import { announce, desk, listQuery, queuePane, talk, talkPane, texts } from "./desk-state.js";
import { keysOf, merge, mergeChildren, parse, remember } from "./desk-parts.js";
import { part, showError, tick, toast } from "./ui.js";

let opening = null; // AbortController of the conversation that is on its way
let waitingQueue = null; // a fresh queue that would move things under the pointer
const opened = []; // called with the talk pane after another conversation was put into it
const refreshed = []; // called after the open conversation was brought up to date
const leaving = []; // called before another conversation takes the pane

export const onOpened = (run) => opened.push(run);
export const onRefreshed = (run) => refreshed.push(run);
export const onLeaving = (run) => leaving.push(run);

/* ---------- queue ---------- */

export async function refreshQueue() {
  const query = listQuery();
  if (talk()) query.set("c", talk().id);
  try {
    applyQueue(parse(await part(`/desk/queue?${query}`)));
  } catch (error) {
    if (error.status !== 0) toast(texts["load-failed"], { tone: "bad" });
  }
}

function applyQueue(fresh) {
  const rows = queuePane.querySelector('[data-part="rows"]');
  const newRows = fresh.querySelector('[data-part="rows"]');
  const pill = queuePane.querySelector("[data-queue-news]");
  if (newRows.dataset.view !== rows.dataset.view) return; // another list was chosen meanwhile
  holdCurrent(rows, newRows);
  const moves = keysOf(rows).join() !== keysOf(newRows).join();
  if (moves && (rows.matches(":hover") || rows.contains(document.activeElement))) {
    const later = newRows.cloneNode(true);
    mergeChildren(rows, newRows, { inPlace: true });
    merge(queuePane, fresh, ["rows"]);
    waitingQueue = later;
    pill.textContent = texts["queue-news"];
    pill.hidden = false;
    return;
  }
  waitingQueue = null;
  pill.hidden = true;
  const top = rows.scrollTop;
  merge(queuePane, fresh);
  rows.scrollTop = top;
  markCurrent();
}

/** The open row stays where it is until another one is opened, so that J goes on from the same place. */
function holdCurrent(rows, newRows) {
  const id = talk()?.id;
  const place = [...rows.children].findIndex((row) => row.dataset.key === id);
  const row = [...newRows.children].find((one) => one.dataset.key === id);
  if (!id || place < 0 || !row) return;
  row.remove();
  newRows.insertBefore(row, newRows.children[place] ?? null);
}

/** Bring in what waited for the pointer to leave. */
export function settleQueue() {
  if (waitingQueue === null) return;
  const rows = queuePane.querySelector('[data-part="rows"]');
  mergeChildren(rows, waitingQueue);
  waitingQueue = null;
  queuePane.querySelector("[data-queue-news]").hidden = true;
  markCurrent();
  tick(rows);
}

export async function showList(url, { push = true } = {}) {
  const query = new URL(url, location.href).searchParams;
  const id = talk()?.id;
  if (id) query.set("c", id);
  const rows = queuePane.querySelector('[data-part="rows"]');
  rows.setAttribute("aria-busy", "true");
  try {
    const fresh = parse(await part(`/desk/queue?${query}`));
    waitingQueue = null;
    queuePane.querySelector("[data-queue-news]").hidden = true;
    merge(queuePane, fresh);
    rows.scrollTop = 0;
    queuePane.querySelector('[data-search] [name="view"]').value = rows.dataset.view;
    if (push) history.pushState({}, "", `/desk?${query}`);
  } catch (error) {
    if (error.name !== "AbortError") showError(error);
  } finally {
    rows.removeAttribute("aria-busy");
    markCurrent();
  }
}

function markCurrent() {
  const id = talk()?.id;
  for (const row of queuePane.querySelectorAll(".row")) {
    const current = row.dataset.key === id;
    row.classList.toggle("current", current);
    if (current) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

/** Id of the row `step` places from the open one; the first row when none is open. */
export function neighbour(step) {
  const keys = [...queuePane.querySelectorAll(".row")].map((row) => row.dataset.key);
  const here = keys.indexOf(talk()?.id);
  if (here < 0) return keys[0];
  return keys[here + step];
}

/* ---------- conversation ---------- */

export async function openTalk(id, { push = true } = {}) {
  if (talk()?.id === id) { showScreen("talk"); return; }
  opening?.abort();
  opening = new AbortController();
  for (const run of leaving) run();
  talkPane.setAttribute("aria-busy", "true");
  try {
    const html = await part(`/desk/conversations/${encodeURIComponent(id)}?${listQuery()}`, { signal: opening.signal });
    talkPane.innerHTML = html;
    afterOpen();
    const query = listQuery();
    query.set("c", id);
    if (push) history.pushState({}, "", `/desk?${query}`);
  } catch (error) {
    if (error.name !== "AbortError") showError(error);
  } finally {
    talkPane.removeAttribute("aria-busy");
  }
}

/** Everything that a conversation just put into the pane needs. */
export function afterOpen() {
  remember(talkPane);
  markCurrent();
  tick(talkPane);
  showScreen(talk() ? "talk" : "queue");
  showQuestion();
  const name = talkPane.querySelector(".talk-title h2")?.textContent;
  const base = document.title.split(" · ").slice(-2).join(" · ");
  document.title = name ? `${name} · ${base}` : base;
  for (const run of opened) run(talkPane);
}

export function closeTalk({ push = true } = {}) {
  for (const run of leaving) run();
  showScreen("queue");
  if (push) history.pushState({}, "", `/desk?${listQuery()}`);
}

export function showScreen(name) {
  desk.dataset.screen = name;
  const row = queuePane.querySelector(".row.current");
  if (name === "queue") row?.focus({ preventScroll: true });
  else row?.scrollIntoView({ block: "nearest" });
}

/** The question in sight and as much below it as fits. */
function showQuestion() {
  const scroll = talkPane.querySelector("[data-scroll]");
  if (!scroll) return;
  const question = scroll.querySelector(".question");
  const bottom = scroll.scrollHeight - scroll.clientHeight;
  const top = question ? question.getBoundingClientRect().top - scroll.getBoundingClientRect().top + scroll.scrollTop - 12 : bottom;
  scroll.scrollTop = Math.min(bottom, top);
}

export async function refreshTalk({ toEnd = false } = {}) {
  const current = talk();
  if (!current) return;
  let html;
  try {
    html = await part(`${current.url}?${listQuery()}`);
  } catch (error) {
    if (error.status !== 0) toast(texts["load-failed"], { tone: "bad" });
    return;
  }
  if (talk()?.id !== current.id) return;
  const scroll = talkPane.querySelector("[data-scroll]");
  const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 96;
  const top = scroll.scrollTop;
  merge(talkPane, parse(html));
  const newer = talk().last > current.last;
  if (toEnd || (atEnd && newer)) showQuestion();
  else scroll.scrollTop = top;
  talkPane.querySelector("[data-thread-news]").hidden = !(newer && !atEnd && !toEnd);
  for (const run of refreshed) run(newer);
}

export function showNews() {
  showQuestion();
  talkPane.querySelector("[data-thread-news]").hidden = true;
}

/** Open what follows; says so when there is nothing. */
export async function openNeighbour(step) {
  const id = neighbour(step);
  if (id) await openTalk(id);
  else announce(texts["no-more"]);
  return Boolean(id);
}
