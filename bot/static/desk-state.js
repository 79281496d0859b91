/** What the other desk modules share: the elements, the texts, the preferences, news by name. */

import { stringsOf } from "./ui.js";

export const desk = document.getElementById("desk");
export const texts = stringsOf(desk);
export const preferences = JSON.parse(desk.dataset.preferences);
export const queuePane = desk.querySelector("[data-queue]");
export const talkPane = desk.querySelector("[data-talk]");

/** The open conversation as the page shows it, or null. */
export function talk() {
  const body = talkPane.querySelector("[data-conversation]");
  if (!body) return null;
  const head = body.querySelector('[data-part="head"]');
  return {
    id: body.dataset.conversation,
    row: Number(body.dataset.row),
    url: `/desk/conversations/${body.dataset.conversation}`,
    version: Number(head.dataset.version),
    state: head.dataset.state,
    mine: head.dataset.mine === "yes",
    last: Number(body.querySelector('[data-part="thread"]').dataset.last),
    question: Number(body.querySelector('[data-part="suggestions"]').dataset.question) || null,
  };
}

export function suggestions() {
  return [...talkPane.querySelectorAll("[data-suggestion]")];
}

/** Query of the list on the left: view, search, page. */
export function listQuery() {
  const rows = queuePane.querySelector('[data-part="rows"]');
  const query = new URLSearchParams({ view: rows.dataset.view });
  if (rows.dataset.query) query.set("q", rows.dataset.query);
  const page = new URLSearchParams(location.search).get("page");
  if (page) query.set("page", page);
  return query;
}

export function announce(text) {
  document.querySelector("[data-news]").textContent = text;
}

/** Random text of 32 hexadecimal digits; `randomUUID` is missing on plain http. */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
