/**
 * Puts fresh HTML from the server into the page without moving focus, scroll or drafts: only parts
 * that the server marks with data-part are touched, and in them only children that differ.
 */

import { tick } from "./ui.js";

const sources = new WeakMap(); // element -> HTML it came from, before scripts touched it

export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/** Remember what the server sent, so that later differences are the server's. */
export function remember(container) {
  for (const element of container.querySelectorAll("[data-part], [data-key]")) {
    sources.set(element, element.outerHTML);
  }
}

export function keysOf(part) {
  return [...part.children].map((child) => child.dataset.key).filter(Boolean);
}

/** Merge every part of `fresh` (a parsed fragment) into `container`, except those in `skip`. */
export function merge(container, fresh, skip = []) {
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = container.querySelector(`[data-part="${part.dataset.part}"]`);
    if (old && !skip.includes(part.dataset.part)) mergePart(old, part);
  }
  tick(container);
}

function mergePart(old, fresh) {
  const source = fresh.outerHTML;
  if (sources.get(old) === source) return;
  for (const { name, value } of [...fresh.attributes]) {
    if (name !== "tabindex") old.setAttribute(name, value);
  }
  if (fresh.querySelector(":scope > [data-key]") || old.querySelector(":scope > [data-key]")) {
    mergeChildren(old, fresh);
  } else {
    const open = old.querySelector("details[open]") !== null;
    const focus = focusPath(old);
    old.replaceChildren(...fresh.childNodes);
    if (open) old.querySelector("details")?.setAttribute("open", "");
    restoreFocus(old, focus);
  }
  sources.set(old, source);
}

/** Replace children of the same key where they differ, in place; add, remove and order the rest. */
export function mergeChildren(old, fresh, { inPlace = false } = {}) {
  const known = new Map([...old.children].map((child) => [child.dataset.key, child]));
  let before = old.firstElementChild;
  for (const child of [...fresh.children]) {
    const current = known.get(child.dataset.key);
    if (inPlace && !current) continue;
    const kept = current ? mergeChild(current, child) : child;
    if (!current) sources.set(child, child.outerHTML);
    if (current === before && current !== kept) before = kept;
    known.delete(child.dataset.key);
    if (inPlace) continue;
    if (kept === before) before = before.nextElementSibling;
    else old.insertBefore(kept, before);
  }
  if (!inPlace) for (const gone of known.values()) gone.remove();
}

function mergeChild(current, fresh) {
  const source = fresh.outerHTML;
  if (sources.get(current) === source) return current;
  const focus = focusPath(current);
  current.replaceWith(fresh);
  sources.set(fresh, source);
  restoreFocus(fresh, focus);
  return fresh;
}

/** Where focus is inside `element`, as the index among what can have it. */
function focusPath(element) {
  const active = document.activeElement;
  if (active === element) return -1;
  if (!active || !element.contains(active)) return null;
  return [...element.querySelectorAll("a, button, input, textarea, summary")].indexOf(active);
}

function restoreFocus(element, path) {
  if (path === null) return;
  const target = path === -1 ? element : element.querySelectorAll("a, button, input, textarea, summary")[path];
  target?.focus({ preventScroll: true });
}
