/**
 * Keys by their place on the keyboard (event.code), so that they work in any layout. Single letters
 * rest while a text is being written and can be switched off; Ctrl combinations, Tab and Esc stay.
 */

import { preferences, queuePane, suggestions } from "./desk-state.js";
import { closeTalk, openNeighbour } from "./desk-view.js";
import { form, isEmpty, isNote, offer, send, setMode, take, undoLast } from "./desk-composer.js";
import { act } from "./desk-actions.js";
import { openFind } from "./desk-find.js";
import { askReject } from "./desk-reject.js";
import { desk } from "./desk-state.js";
import { openDialog } from "./ui.js";

const LETTERS = {
  KeyJ: () => openNeighbour(1),
  KeyK: () => openNeighbour(-1),
  KeyR: () => setMode("reply"),
  KeyN: () => setMode("note"),
  KeyF: () => openFind(),
  KeyX: () => askReject(),
  KeyO: () => offer(),
  KeyA: () => act("assign"),
  KeyZ: () => act("snooze"),
  KeyE: () => act("close"),
};

const isText = (element) => element instanceof HTMLElement
  && element.matches('textarea, select, input:not([type="checkbox"], [type="radio"], [type="button"])');

function onControl(event) {
  if (event.code === "Enter" || event.code === "NumpadEnter") {
    if (!form()) return false;
    send({ close: event.shiftKey });
    return true;
  }
  if (event.code === "KeyZ" && !event.shiftKey && (!isText(event.target) || isEmpty())) {
    return undoLastIfOpen();
  }
  return false;
}

function undoLastIfOpen() {
  undoLast();
  return true;
}

function onEscape(event) {
  if (isText(event.target)) event.target.blur();
  else if (desk.dataset.screen === "card") desk.dataset.screen = "talk";
  else if (desk.dataset.screen === "talk" && matchMedia("(max-width: 760px)").matches) closeTalk();
  return true;
}

function onTab(event) {
  const inComposer = event.target === form()?.elements.text;
  if (!inComposer || event.shiftKey || isNote() || !isEmpty() || !suggestions().length) return false;
  return take(1);
}

function onSingle(event) {
  if (!preferences.shortcuts || isText(event.target) || event.ctrlKey) return false;
  const digit = /^(?:Digit|Numpad)([1-5])$/.exec(event.code);
  if (digit && !event.shiftKey) return take(Number(digit[1]));
  if (event.key === "?" || (event.code === "Slash" && event.shiftKey)) { openDialog("keys"); return true; }
  if (event.code === "Slash") { queuePane.querySelector('[name="q"]').focus(); return true; }
  if (event.shiftKey || !(event.code in LETTERS)) return false;
  LETTERS[event.code]();
  return true;
}

function onKey(event) {
  if (event.isComposing || event.altKey || event.defaultPrevented) return;
  if (document.querySelector("dialog[open]")) return; // dialogs have their own
  let done = false;
  if (event.ctrlKey || event.metaKey) done = onControl(event);
  else if (event.code === "Escape") done = !document.querySelector("details.menu[open]") && onEscape(event);
  else if (event.code === "Tab") done = onTab(event);
  else done = onSingle(event);
  if (done) event.preventDefault();
}

export function startKeys() {
  document.addEventListener("keydown", onKey);
}
