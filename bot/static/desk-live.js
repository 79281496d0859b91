/**
 * News from the server by one event stream. What an event means is decided by fetching the parts it
 * touches; an event lost on the way is made good by the replay or by a full refresh on "reset".
 */

import { announce, desk, talk, talkPane, texts } from "./desk-state.js";
import { refreshQueue, refreshTalk } from "./desk-view.js";
import { notify } from "./desk-preferences.js";
import { format } from "./ui.js";

const LONGEST_WAIT_MS = 30_000;
const TYPING_MS = 5_000;
let source = null;
let lastId = desk.dataset.lastEvent;
let failures = 0;
let retryTimer = 0;
let queueTimer = 0;
let talkTimer = 0;
let typingTimer = 0;

function show(state) {
  const pill = document.querySelector("[data-live]");
  if (pill.dataset.live === state) return;
  pill.dataset.live = state;
  pill.querySelector("[data-live-text]").textContent = texts[`live.${state}`];
}

function later(timer, run, wait) {
  clearTimeout(timer);
  return setTimeout(run, wait);
}

function refresh(queue, open) {
  if (queue) queueTimer = later(queueTimer, refreshQueue, 60);
  if (open) talkTimer = later(talkTimer, refreshTalk, 30);
}

function isOpen(data) {
  const current = talk();
  if (!current) return false;
  return data.conversation_id === undefined || data.conversation_id === current.row;
}

/** "… is typing" for a few seconds. */
function showTyping() {
  const line = talkPane.querySelector("[data-typing]");
  const name = talkPane.querySelector(".talk-title h2").textContent;
  line.textContent = format(texts.writing, { name });
  line.hidden = false;
  typingTimer = later(typingTimer, () => { line.hidden = true; }, TYPING_MS);
}

/** Tell of a customer's message if it is this agent's business. */
function tellOf(data) {
  if (data.author !== "customer" || (data.assigned && String(data.assigned) !== desk.dataset.agent)) return;
  const text = data.customer_name ? format(texts["new-message"], { name: data.customer_name }) : texts["new-message-unnamed"];
  announce(text);
  notify(text, data.text || "");
}

function onNews(event) {
  if (event.lastEventId) lastId = event.lastEventId;
  const { name, data } = JSON.parse(event.data);
  if (name === "reset") { refresh(true, true); return; }
  if (name.startsWith("job.") || name.startsWith("model.") || name.startsWith("knowledge.")) return;
  if (name === "presence") { refresh(false, isOpen(data)); return; }
  if (name === "customer.typing") { if (isOpen(data)) showTyping(); return; }
  refresh(true, isOpen(data));
  if (name === "message.new") tellOf(data);
}

function connect() {
  clearTimeout(retryTimer);
  source?.close();
  source = new EventSource(`/desk/events?last=${encodeURIComponent(lastId)}`);
  source.addEventListener("open", () => {
    if (failures) refresh(true, true);
    failures = 0;
    show("live");
  });
  source.addEventListener("message", onNews);
  source.addEventListener("error", () => {
    source.close();
    failures += 1;
    if (failures === 2) refreshQueue(); // leads to the sign-in where the session is over
    show(navigator.onLine && failures < 6 ? "reconnecting" : "offline");
    const wait = Math.min(LONGEST_WAIT_MS, 500 * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
    retryTimer = setTimeout(connect, wait);
  });
}

export function startLive() {
  connect();
  addEventListener("online", connect);
  addEventListener("offline", () => show("offline"));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && source.readyState !== EventSource.OPEN) connect();
  });
}
