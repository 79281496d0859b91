/** Looking for an article by hand: what is picked goes into the reply and teaches like a suggestion. */

import { talkPane, texts } from "./desk-state.js";
import { form, takeFound } from "./desk-composer.js";
import { api, openDialog } from "./ui.js";

const PAUSE_MS = 150;
const dialog = document.getElementById("find");
const input = dialog.querySelector("input");
const list = dialog.querySelector("[data-found]");
const state = dialog.querySelector("[data-find-state]");
let active = 0;
let asked = 0; // number of the newest search: an older answer that comes later is passed over
let timer = 0;

export function openFind() {
  if (!form()) return;
  openDialog("find");
  input.select();
  input.focus();
}

async function search() {
  const wanted = input.value.trim();
  const number = ++asked;
  if (!wanted) { show([], ""); return; }
  try {
    const { items } = await api("GET", `/desk/articles?${new URLSearchParams({ q: wanted })}`);
    if (number === asked) show(items, items.length ? "" : texts["find-none"]);
  } catch (error) {
    if (number === asked) show([], [error.message, error.remedy].filter(Boolean).join(" "));
  }
}

function show(items, text) {
  list.replaceChildren(...items.map(option));
  list.hidden = !items.length;
  state.textContent = text;
  input.setAttribute("aria-expanded", String(items.length > 0));
  mark(0);
}

function option(item, index) {
  const row = document.createElement("div");
  row.setAttribute("role", "option");
  row.id = `found-${index}`;
  const name = document.createElement("strong");
  name.textContent = item.title || item.category || `#${item.id}`;
  const text = document.createElement("span");
  text.textContent = item.text;
  row.append(name, text);
  row.pick = () => { dialog.close(); takeFound(item); };
  row.addEventListener("click", row.pick);
  return row;
}

function mark(index) {
  const rows = [...list.children];
  input.removeAttribute("aria-activedescendant");
  if (!rows.length) return;
  active = (index + rows.length) % rows.length;
  rows.forEach((row, place) => row.setAttribute("aria-selected", String(place === active)));
  rows[active].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", rows[active].id);
}

function onKey(event) {
  const moves = { ArrowDown: 1, ArrowUp: -1 };
  if (event.isComposing || !list.children.length) return;
  if (event.code in moves) mark(active + moves[event.code]);
  else if (event.code === "Enter" || event.code === "NumpadEnter") list.children[active].pick();
  else return;
  event.preventDefault();
}

export function startFind() {
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, PAUSE_MS); });
  input.addEventListener("keydown", onKey);
  talkPane.addEventListener("click", (event) => { if (event.target.closest("[data-open-find]")) openFind(); });
}
