/**
 * The reply: suggestions into it, drafts out of it, sending with an undo. A text leaves the page only
 * when the server has it: whatever fails, it stays where the agent can see it.
 */

import { desk, randomKey, suggestions, talk, talkPane, texts } from "./desk-state.js";
import { neighbour, onLeaving, onOpened, onRefreshed, openTalk, refreshQueue, refreshTalk } from "./desk-view.js";
import { clearFile, currentFile, setFile } from "./desk-files.js";
import { rejectedOf } from "./desk-reject.js";
import { api, format, showError, toast } from "./ui.js";

const DRAFT_PAUSE_MS = 300;
let chosen = null; // the suggestion in the composer: {answer, rank, text}
let offered = []; // recommended items that were put into the text
let key = randomKey(); // of the text being written: a repeated send is one message
let busy = false;
let draftTimer = 0;
let lastSent = null; // {url, id, text, chosen, until}
let seen = 0; // newest message the agent had before them when the text was begun

export const form = () => talkPane.querySelector("[data-composer]");
const area = () => form()?.elements.text;
export const isNote = () => form()?.dataset.mode === "note";

/* ---------- mode and text ---------- */

export function setMode(mode, { focus = true } = {}) {
  const box = form();
  if (!box) return;
  box.dataset.mode = mode;
  for (const button of box.querySelectorAll("[data-mode-button]")) {
    button.setAttribute("aria-pressed", String(button.dataset.modeButton === mode));
  }
  const input = area();
  input.dataset.replyPlaceholder ??= input.placeholder;
  input.placeholder = mode === "note" ? input.dataset.notePlaceholder : input.dataset.replyPlaceholder;
  box.querySelector("[data-send-label]").textContent = mode === "note" ? texts["save-note"] : texts.send;
  box.querySelector("[data-send-close]").hidden = mode === "note";
  if (focus) input.focus();
}

export function setText(text, { focus = true } = {}) {
  const input = area();
  input.value = text;
  if (focus) { input.focus(); input.setSelectionRange(text.length, text.length); }
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

export const isEmpty = () => area()?.value.trim() === "";

/** Put suggestion `rank` (1..) into the composer; says whether there was one. */
export function take(rank) {
  const card = suggestions()[rank - 1];
  if (!card || !form()) return false;
  setMode("reply", { focus: false });
  chosen = { answer: Number(card.dataset.answer), rank, text: card.dataset.text };
  setText(card.dataset.text);
  return true;
}

/** Put an article that was found by hand into the composer, after what stands there. */
export function takeFound(article) {
  if (!form()) return;
  setMode("reply", { focus: false });
  const before = area().value.trimEnd();
  chosen = { answer: article.id, rank: 0, text: article.text };
  setText(before ? `${before}\n\n${article.text}` : article.text);
}

/** Send a recommended item (the first, or the one of a button); what is being written takes it in. */
export function offer(button = talkPane.querySelector("[data-send-offer]")) {
  const item = button?.closest("[data-offer]");
  if (!item || !form() || busy) return;
  const alone = isEmpty();
  setMode("reply", { focus: false });
  offered.push(item.dataset.offer);
  setText(alone ? item.dataset.text : `${area().value.trimEnd()}\n\n${item.dataset.text}`, { focus: !alone });
  if (alone) send();
}

function showChosen() {
  const label = form().querySelector("[data-from]");
  const same = chosen && area().value.trim() === chosen.text.trim();
  label.hidden = !chosen;
  if (chosen) {
    const [kept, changed] = chosen.rank ? [texts.from, texts["from-edited"]] : [texts["from-found"], texts["from-found-edited"]];
    label.textContent = format(same ? kept : changed, { n: chosen.rank });
  }
  for (const card of suggestions()) {
    card.classList.toggle("chosen", chosen !== null && Number(card.dataset.answer) === chosen.answer);
  }
}

/* ---------- drafts ---------- */

const localKey = (id) => `draft:${desk.dataset.agent}:${id}`;

function onInput() {
  const current = talk();
  if (!area().value.trim()) { chosen = null; offered = []; seen = current.last; }
  showChosen();
  if (isNote()) return;
  localStorage.setItem(localKey(current.id), area().value);
  clearTimeout(draftTimer);
  draftTimer = setTimeout(() => saveDraft(current, area()?.value ?? ""), DRAFT_PAUSE_MS);
}

async function saveDraft(current, text) {
  draftTimer = 0;
  let state = text.trim() ? texts["draft-saved"] : "";
  try {
    await api("POST", `${current.url}/draft`, { text });
    if (localStorage.getItem(localKey(current.id)) === text) localStorage.removeItem(localKey(current.id));
  } catch {
    state = texts["draft-failed"];
  }
  if (talk()?.id === current.id) form().querySelector("[data-draft-state]").textContent = state;
}

function flushDraft() {
  const current = talk();
  if (!current || !draftTimer) return;
  clearTimeout(draftTimer);
  saveDraft(current, area().value);
}

function dropDraft(id) {
  clearTimeout(draftTimer);
  draftTimer = 0;
  localStorage.removeItem(localKey(id));
  form()?.querySelector("[data-draft-state]").replaceChildren();
}

function begin() {
  const current = talk();
  chosen = null;
  offered = [];
  key = randomKey();
  if (!current) return;
  seen = current.last;
  const kept = localStorage.getItem(localKey(current.id));
  if (kept && kept !== area().value) setText(kept, { focus: false }); // what did not reach the server
  const same = suggestions().find((card) => card.dataset.text.trim() === area().value.trim());
  if (same) chosen = { answer: Number(same.dataset.answer), rank: Number(same.dataset.suggestion), text: same.dataset.text };
  showChosen();
}

/* ---------- sending ---------- */

export function showAlert(text = "", action = null) {
  const box = form().querySelector("[data-composer-alert]");
  box.replaceChildren();
  box.hidden = !text;
  if (!text) return;
  const line = document.createElement("span");
  line.setAttribute("role", "alert");
  line.textContent = text;
  box.append(line);
  if (!action) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet small";
  button.textContent = action.label;
  button.addEventListener("click", () => { showAlert(); action.run(); });
  box.append(button);
}

export async function send({ close = false, anyway = false } = {}) {
  const current = talk();
  const text = area().value.trim();
  const file = isNote() ? null : currentFile();
  if (busy || !current || (!text && !file)) return;
  busy = true;
  form().setAttribute("aria-busy", "true");
  try {
    if (isNote()) await sendNote(current, text);
    else await sendReply(current, text, file, close, anyway);
  } catch (error) {
    onSendError(error, close);
  } finally {
    busy = false;
    form()?.removeAttribute("aria-busy");
  }
}

async function sendNote(current, text) {
  await api("POST", `${current.url}/note`, { text });
  emptied(current);
  setMode("reply", { focus: false });
  toast(texts.noted, { seconds: 2 });
  await refreshTalk({ toEnd: true });
}

async function sendReply(current, text, file, close, anyway) {
  const next = close ? (neighbour(1) ?? neighbour(-1)) : null;
  const used = chosen;
  const proposals = offered;
  const answer = await api("POST", `${current.url}/reply`, {
    text, key, seen: anyway ? current.last : seen, question: current.question, answer: used?.answer ?? null,
    rejected: rejectedOf(current.question), close, attachment: file, offers: proposals,
  });
  emptied(current);
  clearFile();
  lastSent = { url: current.url, conversation: current.id, id: answer.message_id, text, chosen: used, offered: proposals, close, until: Date.now() + answer.hold_s * 1000 };
  const remove = toast(close ? texts["sent-closed"] : texts.sending, {
    seconds: Math.max(answer.hold_s, 1), action: { label: texts.undo, run: undoLast },
  });
  lastSent.remove = remove;
  if (close && next && next !== current.id) await openTalk(next);
  else await refreshTalk({ toEnd: true });
  refreshQueue();
}

function emptied(current) {
  dropDraft(current.id);
  key = randomKey();
  chosen = null;
  offered = [];
  if (talk()?.id !== current.id) return;
  area().value = "";
  seen = current.last;
  showAlert();
  showChosen();
}

async function onSendError(error, close) {
  if (error.status === 409) {
    await refreshTalk({ toEnd: true });
    showAlert(error.message, { label: texts["send-anyway"], run: () => send({ close, anyway: true }) });
    area().focus();
  } else {
    showAlert([error.message, error.remedy].filter(Boolean).join(" "), { label: texts.retry, run: () => send({ close }) });
  }
}

/** Take the last message back while its window is open. */
export async function undoLast() {
  if (!lastSent || Date.now() > lastSent.until) return false;
  const sent = lastSent;
  lastSent = null;
  sent.remove();
  await undo(sent.url, sent.id, sent);
  return true;
}

export async function undo(url, id, sent = null) {
  try {
    const answer = await api("POST", `${url}/undo`, { message_id: id, reopen: sent?.close ?? false });
    const conversation = url.split("/").pop();
    if (talk()?.id !== conversation) await openTalk(conversation);
    setMode("reply", { focus: false });
    if (isEmpty()) { chosen = sent?.chosen ?? null; offered = sent?.offered ?? []; setText(answer.text); }
    if (answer.attachment) setFile(answer.attachment);
    toast(texts.undone, { seconds: 3 });
  } catch (error) {
    showError(error);
  }
  await refreshTalk();
  refreshQueue();
}

/* ---------- wiring ---------- */

function onClick(event) {
  const target = event.target;
  const mode = target.closest("[data-mode-button]");
  if (mode) setMode(mode.dataset.modeButton);
  if (target.closest("[data-send-close]")) send({ close: true });
  const card = target.closest("[data-suggestion]");
  if (card && target.closest(".suggestion-take")) take(Number(card.dataset.suggestion));
  const proposal = target.closest("[data-send-offer]");
  if (proposal) offer(proposal);
  const back = target.closest("[data-undo-message]");
  if (back) undo(talk().url, Number(back.dataset.undoMessage));
}

export function startComposer() {
  talkPane.addEventListener("click", onClick);
  talkPane.addEventListener("submit", (event) => {
    if (event.target.matches("[data-composer]")) { event.preventDefault(); send(); }
  });
  talkPane.addEventListener("input", (event) => { if (event.target === area()) onInput(); });
  addEventListener("pagehide", flushDraft);
  onOpened(begin);
  onRefreshed(() => { if (isEmpty()) seen = talk().last; showChosen(); });
  onLeaving(flushDraft);
}
