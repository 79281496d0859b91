/** Snippets: "/" at the start of a reply lists them, more letters narrow the list. */

import { talkPane, texts } from "./desk-state.js";
import { form, isEmpty, setText } from "./desk-composer.js";
import { api, openDialog, showError, toast } from "./ui.js";

let known = null; // fetched once, again after a new one was saved
let active = 0;

const box = () => talkPane.querySelector("[data-canned]");
const isOpen = () => box() && !box().hidden;

async function load() {
  known ??= (await api("GET", "/desk/canned")).items;
  return known;
}

async function show(filter) {
  let items;
  try {
    items = await load();
  } catch (error) {
    showError(error);
    return;
  }
  const wanted = filter.toLocaleLowerCase();
  const found = items.filter((item) => `${item.name} ${item.text}`.toLocaleLowerCase().includes(wanted)).slice(0, 8);
  const list = box();
  list.replaceChildren(...found.map(option), option({ name: found.length ? texts["canned-new"] : `${texts["canned-none"]}. ${texts["canned-new"]}`, text: "", isNew: true }));
  list.hidden = false;
  mark(0);
}

function option(item, index = 0) {
  const row = document.createElement("div");
  row.setAttribute("role", "option");
  row.id = `canned-${item.isNew ? "new" : index}`;
  row.className = item.isNew ? "canned-new" : "";
  const name = document.createElement("strong");
  name.textContent = item.isNew ? item.name : `/${item.name}`;
  const text = document.createElement("span");
  text.textContent = item.text;
  row.append(name, text);
  row.addEventListener("mousedown", (event) => { event.preventDefault(); pick(item); });
  row.pick = () => pick(item);
  return row;
}

function mark(index) {
  const rows = [...box().children];
  active = (index + rows.length) % rows.length;
  rows.forEach((row, i) => row.setAttribute("aria-selected", String(i === active)));
  rows[active].scrollIntoView({ block: "nearest" });
  form().elements.text.setAttribute("aria-activedescendant", rows[active].id);
}

export function hideCanned() {
  if (!isOpen()) return false;
  box().hidden = true;
  form().elements.text.removeAttribute("aria-activedescendant");
  return true;
}

function pick(item) {
  hideCanned();
  if (!item.isNew) { setText(item.text); return; }
  const written = form().elements.text.value;
  const dialog = openDialog("save-canned");
  dialog.querySelector("form").reset();
  if (!written.startsWith("/")) dialog.querySelector("textarea").value = written;
}

async function save(event) {
  event.preventDefault();
  const { name, text } = event.target.elements;
  try {
    await api("POST", "/desk/canned", { name: name.value.trim(), text: text.value.trim() });
  } catch (error) {
    showError(error);
    return;
  }
  known = null;
  event.target.closest("dialog").close();
  toast(texts.saved, { seconds: 2 });
}

function onKey(event) {
  if (!isOpen() || !event.target.matches("[data-composer] textarea")) return;
  const moves = { ArrowDown: 1, ArrowUp: -1 };
  if (event.code in moves) mark(active + moves[event.code]);
  else if ((event.code === "Enter" && !event.ctrlKey) || event.code === "Tab") box().children[active].pick();
  else if (event.code === "Escape") hideCanned();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

export function startCanned() {
  talkPane.addEventListener("input", (event) => {
    if (!event.target.matches("[data-composer] textarea")) return;
    const typed = /^\/(\S*)$/.exec(event.target.value);
    if (typed) show(typed[1]);
    else hideCanned();
  });
  talkPane.addEventListener("keydown", onKey, true);
  talkPane.addEventListener("focusout", (event) => { if (event.target.matches("textarea")) hideCanned(); });
  talkPane.addEventListener("click", (event) => {
    if (!event.target.closest("[data-open-canned]")) return;
    form().elements.text.focus();
    if (isEmpty()) setText("/");
    else show("");
  });
  document.querySelector("[data-canned-form]").addEventListener("submit", save);
}
