/** Saying no to a suggestion, with a reason or without. */

import { suggestions, talk, talkPane, texts } from "./desk-state.js";
import { onOpened, onRefreshed } from "./desk-view.js";
import { api, openDialog, showError, toast } from "./ui.js";

const rejected = new Map(); // question id -> set of answer ids, for this tab
let target = null;

/** Answers rejected for a question, so that the reply does not call them ignored. */
export const rejectedOf = (question) => [...(rejected.get(question) ?? [])];

/** Ask about `card`; by default the chosen one, or the first that is not rejected. */
export function askReject(card = null) {
  target = card ?? talkPane.querySelector(".suggestion.chosen:not(.rejected)")
    ?? suggestions().find((one) => !one.classList.contains("rejected"));
  if (!target) return;
  const dialog = openDialog("reject");
  dialog.querySelector("form").reset();
  dialog.querySelector("[data-reject-text]").textContent = target.dataset.text;
  dialog.querySelector("input").focus();
}

async function submit(event) {
  event.preventDefault();
  const form = event.target;
  const reason = [form.elements.reason.value, form.elements.words.value.trim()].filter(Boolean).join(": ");
  const { question, url } = talk();
  const answer = Number(target.dataset.answer);
  form.closest("dialog").close();
  try {
    await api("POST", `${url}/reject`, { question, answer, reason });
  } catch (error) {
    showError(error);
    return;
  }
  if (!rejected.has(question)) rejected.set(question, new Set());
  rejected.get(question).add(answer);
  mark();
  toast(texts.rejected, { seconds: 2 });
}

function mark() {
  const gone = rejectedOf(talk()?.question);
  for (const card of suggestions()) card.classList.toggle("rejected", gone.includes(Number(card.dataset.answer)));
}

export function startReject() {
  document.querySelector("[data-reject-form]").addEventListener("submit", submit);
  talkPane.addEventListener("click", (event) => {
    const button = event.target.closest("[data-reject]");
    if (button) askReject(button.closest("[data-suggestion]"));
  });
  onOpened(mark);
  onRefreshed(mark);
}
