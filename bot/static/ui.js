/**
 * What every page shares: theme, language, menus, dialogs, toasts, times that grow older, and
 * `api`, the one way our scripts talk to the server.
 */

const root = document.documentElement;
const YEAR_S = 31_536_000;

/** Texts for scripts, put into a data attribute by the server. */
export function stringsOf(element) {
  return JSON.parse(element.dataset.strings || "{}");
}

export const strings = stringsOf(document.body);

/** `format("{n} of {m}", {n: 1, m: 2})` */
export function format(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

function setCookie(name, value) {
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

/* ---------- talking to the server ---------- */

export class ApiError extends Error {
  constructor(status, body) {
    super(body.detail || strings["error.unknown"]);
    this.status = status;
    this.code = body.code || "";
    this.remedy = body.remedy || "";
    this.body = body;
  }
}

/**
 * JSON in, JSON out, with the CSRF token. `body` may be FormData for files.
 * Rejects with ApiError; status 0 means that the server was not reached.
 */
export async function api(method, url, body = undefined, options = {}) {
  const headers = { Accept: "application/json", "X-CSRF-Token": csrfToken() };
  let payload = body;
  if (body !== undefined && !(body instanceof FormData)) {
    headers["Content-Type"] = "application/json";
    payload = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, { method, headers, body: payload, credentials: "same-origin", ...options });
  } catch {
    throw new ApiError(0, { detail: strings["error.offline"] });
  }
  if (response.status === 401) signInAgain();
  const type = response.headers.get("Content-Type") || "";
  const data = type.includes("json") ? await response.json() : {};
  if (!response.ok) throw new ApiError(response.status, data);
  return data;
}

/** HTML of a part of a page. */
export async function part(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: strings["error.offline"] });
  }
  if (response.status === 401 || response.redirected) {
    signInAgain();
    throw new ApiError(401, {});
  }
  if (!response.ok) throw new ApiError(response.status, {});
  return response.text();
}

/** The session is over; what was typed is kept by the page that asks. */
function signInAgain() {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}

export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content || "";
}

/* ---------- toasts ---------- */

/**
 * Shows a line at the edge; never takes focus. `action` is {label, run}. Returns a function that
 * removes it.
 */
export function toast(text, { tone = "", action = null, seconds = 5 } = {}) {
  const holder = document.querySelector("[data-toasts]");
  const box = document.createElement("div");
  box.className = `toast ${tone}`;
  const line = document.createElement("span");
  line.textContent = text;
  box.append(line);
  const remove = () => box.remove();
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = action.label;
    button.addEventListener("click", () => { remove(); action.run(); });
    box.append(button);
  }
  holder.append(box);
  if (seconds) setTimeout(remove, seconds * 1000);
  return remove;
}

export function showError(error) {
  toast([error.message, error.remedy].filter(Boolean).join(" "), { tone: "bad", seconds: 9 });
}

/* ---------- times ---------- */

const UNITS = strings.units || {};

export function span(seconds) {
  if (seconds < 60) return UNITS.less;
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["m", 60]]) {
    if (seconds >= length) return `${Math.floor(seconds / length)}\u00a0${UNITS[unit]}`;
  }
  return "";
}

/** Grows the texts of <time data-ago> and <time data-span> (epoch seconds). */
export function tick(scope = document) {
  const now = Date.now() / 1000;
  for (const time of scope.querySelectorAll("time[data-ago], time[data-span]")) {
    const past = now - Number(time.dataset.ago || time.dataset.span);
    if (time.dataset.ago && past >= 7 * 86400) continue; // the server wrote a date
    let text = span(past);
    if (time.dataset.ago) text = past < 60 ? UNITS.now : UNITS.ago.replace("{}", text);
    if (time.textContent !== text) time.textContent = text;
  }
}

/* ---------- theme and language ---------- */

const THEMES = ["auto", "light", "dark"];

export function setTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  setCookie("theme", theme);
  document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
}

function nextTheme() {
  const current = root.dataset.theme || "auto";
  const theme = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
  setTheme(theme);
  toast(strings[`theme.${theme}`], { seconds: 2 });
}

export function setLanguage(language) {
  setCookie("lang", language);
  document.dispatchEvent(new CustomEvent("language", { detail: language }));
  location.reload();
}

/* ---------- dialogs ---------- */

export function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
  return dialog;
}

/** Asks before a form marked `data-confirm="…"` goes out. Resolves to true or false. */
export function confirmed(text, label = strings.confirm) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    const line = document.createElement("p");
    line.textContent = text;
    const foot = document.createElement("div");
    foot.className = "dialog-foot";
    for (const [name, kind, value] of [[strings.cancel, "quiet", ""], [label, "danger", "yes"]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = `button ${kind}`;
      button.textContent = name;
      button.addEventListener("click", () => dialog.close(value));
      foot.append(button);
    }
    dialog.append(line, foot);
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

function closeMenus(except = null) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

function onClick(event) {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  closeMenus(target.closest("details.menu"));
  const language = target.closest("[data-set-language]");
  if (language) setLanguage(language.dataset.setLanguage);
  if (target.closest("[data-next-theme]")) nextTheme();
  const opener = target.closest("[data-open-dialog]");
  if (opener) { closeMenus(); openDialog(opener.dataset.openDialog); }
  if (target.closest("[data-close-dialog]")) target.closest("dialog")?.close();
  if (target instanceof HTMLDialogElement) target.close(); // the backdrop
}

async function onSubmit(event) {
  const text = event.target.dataset?.confirm;
  if (!text || event.target.dataset.confirmed) return;
  event.preventDefault();
  const submitter = event.submitter;
  if (await confirmed(text, event.target.dataset.confirmLabel || submitter?.textContent.trim())) {
    event.target.dataset.confirmed = "yes";
    event.target.requestSubmit(submitter);
  }
}

function start() {
  setCookie("tz", Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("keydown", (event) => {
    if (event.code !== "Escape") return;
    const menu = document.querySelector("details.menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });
  for (const select of document.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
  tick();
  setInterval(tick, 30_000);
}

start();
