/** Assign, snooze, close, hand over; deliveries that need a person's eye; who else reads. */

import { announce, talk, talkPane, texts } from "./desk-state.js";
import { neighbour, onLeaving, onOpened, openTalk, refreshQueue, refreshTalk } from "./desk-view.js";
import { api, openDialog, showError, toast } from "./ui.js";

const PRESENCE_MS = 20_000;
const WRITING_MS = 4_000;
const DONE = { assign: "assigned", unassign: "unassigned", close: "closed", reopen: "reopened", snooze: "snoozed", wake: "woken", return: "returned", person: "handed" };
let wroteAt = 0;

/** Do `action` on the open conversation; a closed or snoozed one gives way to the next. */
export async function act(action, extra = {}) {
  const current = talk();
  if (!current) return;
  if (action === "snooze" && !extra.until) { askSnooze(); return; }
  if (action === "assign" && current.mine && !extra.to) return;
  const next = action === "close" || action === "snooze" ? (neighbour(1) ?? neighbour(-1)) : null;
  try {
    await api("POST", `${current.url}/action`, { action, version: current.version, ...extra });
  } catch (error) {
    showError(error);
    if (error.status === 409) { refreshTalk(); refreshQueue(); }
    return;
  }
  toast(texts[DONE[action]], { seconds: 3, action: undoOf(action, current) });
  announce(texts[DONE[action]]);
  if (next && next !== current.id) await openTalk(next);
  else await refreshTalk();
  refreshQueue();
}

/** Closing and snoozing can be taken back from the toast. */
function undoOf(action, current) {
  if (action !== "close" && action !== "snooze") return null;
  return {
    label: texts.undo,
    run: async () => {
      await openTalk(current.id);
      await refreshTalk();
      await act(action === "close" ? "reopen" : "wake");
    },
  };
}

/* ---------- snooze ---------- */

function snoozeTimes(now = new Date()) {
  const at = (days, hour) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const toMonday = ((8 - now.getDay()) % 7) || 7;
  return {
    hour: new Date(now.getTime() + 3_600_000),
    "three-hours": new Date(now.getTime() + 3 * 3_600_000),
    tomorrow: at(1, 9),
    monday: at(toMonday, 9),
    week: at(7, 9),
  };
}

function askSnooze() {
  const dialog = openDialog("snooze");
  const times = snoozeTimes();
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { weekday: "short", hour: "2-digit", minute: "2-digit" });
  for (const button of dialog.querySelectorAll("[data-snooze]")) {
    button.querySelector("[data-snooze-time]").textContent = format.format(times[button.dataset.snooze]);
  }
}

function snooze(name) {
  document.getElementById("snooze").close();
  act("snooze", { until: snoozeTimes()[name].getTime() / 1000 });
}

/* ---------- deliveries ---------- */

async function settle(id, how) {
  try {
    await api("POST", `/desk/messages/${id}/${how}`, {});
    toast(texts[how === "resend" ? "resent" : "marked"], { seconds: 3 });
  } catch (error) {
    showError(error);
  }
  refreshTalk();
  refreshQueue();
}

/* ---------- presence ---------- */

function tell(state, keepalive = false) {
  const current = talk();
  if (!current) return;
  api("POST", `${current.url}/presence`, { state }, { keepalive }).catch(() => {}); // told again soon
}

function onClick(event) {
  const target = event.target;
  const button = target.closest("[data-action]");
  if (button) {
    target.closest("details.menu")?.removeAttribute("open");
    act(button.dataset.action, button.dataset.to ? { to: Number(button.dataset.to) } : {});
  }
  const resend = target.closest("[data-resend]");
  if (resend) settle(resend.dataset.resend, "resend");
  const arrived = target.closest("[data-arrived]");
  if (arrived) settle(arrived.dataset.arrived, "arrived");
}

export function startActions() {
  talkPane.addEventListener("click", onClick);
  talkPane.addEventListener("input", (event) => {
    if (!event.target.matches('[data-composer][data-mode="reply"] textarea') || Date.now() - wroteAt < WRITING_MS) return;
    wroteAt = Date.now();
    tell("writing");
  });
  const dialog = document.getElementById("snooze");
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-snooze]");
    if (button) snooze(button.dataset.snooze);
  });
  dialog.addEventListener("keydown", (event) => {
    const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
    if (digit) snooze(dialog.querySelectorAll("[data-snooze]")[digit[1] - 1].dataset.snooze);
  });
  onOpened(() => tell("reading"));
  onLeaving(() => tell("left"));
  addEventListener("pagehide", () => tell("left", true));
  setInterval(() => { if (!document.hidden) tell("reading"); }, PRESENCE_MS);
}
