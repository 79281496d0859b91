/* The chat widget: <script src="https://your-desk/widget.js" async></script>
 *
 * Optional attributes: data-lang="ru|en" (else the page's language), data-open (starts open).
 * Messages are named here and kept in localStorage until the server has stored them, so a reload, a
 * lost connection or a second tab neither loses nor repeats one. Lives in a shadow root.
 */
(() => {
  "use strict";
  const script = document.currentScript;
  const server = new URL(script.src).origin;
  const storageKey = `neurobot:${server}`;
  const state = { token: "", conversation: "", rated: false, ...load(storageKey), queue: kept() };
  const stored = new Map(); // public id -> message, as the server last told
  let texts = {};
  let config = {};
  let open = false;
  let unread = 0;
  let conversationState = "";
  let ui = null;
  let stream = null;
  let flushing = false;

  function load(key) {
    try { return JSON.parse(localStorage.getItem(key)) ?? {}; } catch { return {}; }
  }
  function put(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; }
  }
  const save = () => put(storageKey, { token: state.token, conversation: state.conversation, rated: state.rated });
  // Each message has an entry of its own: of one list, two tabs would overwrite each other's part.
  function kept() {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(`${storageKey}/`)).map(load).sort((a, b) => a.at - b.at);
    } catch { return []; }
  }
  const keep = (item) => { item.unkept = !put(`${storageKey}/${item.id}`, item); }; // private mode: this tab only
  function drop(id) {
    state.queue = state.queue.filter((one) => one.id !== id);
    try { localStorage.removeItem(`${storageKey}/${id}`); } catch { /* as above */ }
  }
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const language = (script.dataset.lang || document.documentElement.lang || navigator.language || "en").slice(0, 2);

  // ---- the server ----------------------------------------------------------------------------------
  async function call(path, body) {
    const response = await fetch(server + path, {
      method: body === undefined ? "GET" : "POST",
      credentials: "omit",
      headers: {
        ...(state.token && { Authorization: `Bearer ${state.token}` }),
        ...(body !== undefined && { "Content-Type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) {
      const error = new Error(String(response.status));
      error.status = response.status;
      error.retryAfter = Number(response.headers.get("Retry-After")) || 0;
      throw error;
    }
    return response.status === 204 ? null : response.json();
  }

  async function flush() {
    if (flushing) return;
    flushing = true;
    let pause = 1000;
    while (state.queue.some((item) => !item.failed)) {
      const item = state.queue.find((one) => !one.failed);
      try {
        if (!state.token) { state.token = (await call("/chat/visitors", {})).token; save(); }
        const receipt = await call("/chat/messages", {
          id: item.id, text: item.text, language, page: location.href.slice(0, 500),
          wants_person: item.person === true, visitor: window.neurobot?.visitor || undefined,
        });
        item.sent = true;
        stored.set(receipt.id, { id: receipt.id, client_id: item.id, author: "customer", text: item.text, at: item.at });
        drop(item.id);
        state.conversation = receipt.conversation;
        pause = 1000;
        save();
        listen();
      } catch (error) {
        // 4xx will not get better by itself; everything else is tried again until it is stored.
        if (error.status >= 400 && error.status < 500 && ![401, 408, 429].includes(error.status)) { item.failed = true; keep(item); }
        else if (error.status === 401) { state.token = ""; state.conversation = ""; }
        else { connection(false); await Promise.race([wait(Math.max(pause, error.retryAfter * 1000)), online()]); }
        pause = Math.min(pause * 2, 30000);
        save();
      }
      draw();
    }
    flushing = false;
  }
  const online = () => new Promise((done) => addEventListener("online", done, { once: true }));

  async function listen() {
    if (stream || !state.conversation) return;
    stream = new AbortController();
    let pause = 1000;
    while (state.conversation) {
      try {
        const response = await fetch(`${server}/chat/events?conversation=${encodeURIComponent(state.conversation)}`, {
          headers: { Authorization: `Bearer ${state.token}` }, credentials: "omit", signal: stream.signal,
        });
        if (response.status === 404 || response.status === 401) { state.conversation = ""; save(); break; }
        if (!response.ok) throw new Error(String(response.status));
        connection(true);
        pause = 1000;
        await readEvents(response.body);
      } catch { /* the network went away: below */ }
      connection(false);
      await Promise.race([wait(pause + Math.random() * 500), online()]);
      pause = Math.min(pause * 2, 30000);
    }
    stream = null;
  }

  async function readEvents(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let buffer = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      buffer = (buffer + value).replaceAll("\r\n", "\n");
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop();
      for (const block of blocks) {
        const name = /^event: ?(.*)$/m.exec(block)?.[1];
        const data = [...block.matchAll(/^data: ?(.*)$/gm)].map((match) => match[1]).join("\n");
        if (name === "history") merge(JSON.parse(data));
        if (name === "typing") showTyping();
      }
    }
  }

  function merge(history) {
    conversationState = history.state;
    let news = 0;
    for (const message of history.messages) {
      if (!stored.has(message.id) && message.author !== "customer") news += 1;
      stored.set(message.id, message);
      if (message.client_id) drop(message.client_id);
    }
    save();
    if (news && ui) ui.typing.hidden = true;
    if (open) acknowledge(); else if (news) { unread += news; badge(); }
    draw();
  }

  function acknowledge() {
    const ids = [...stored.values()].filter((one) => one.author !== "customer" && !one.acknowledged);
    if (!ids.length || document.hidden) return;
    for (const one of ids) one.acknowledged = true;
    call("/chat/read", { conversation: state.conversation, messages: ids.map((one) => one.id) })
      .catch(() => { for (const one of ids) one.acknowledged = false; });
  }

  // ---- what people see -----------------------------------------------------------------------------
  function el(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function build() {
    const host = el("div", { id: "neurobot-widget" });
    const root = host.attachShadow({ mode: "open" });
    const input = el("textarea", {
      rows: 1, maxlength: 4000, placeholder: texts.placeholder, "aria-label": texts.placeholder,
      oninput: onInput, onkeydown: onKey,
    });
    ui = {
      root,
      input,
      launcher: el("button", { class: "launcher", type: "button", "aria-expanded": "false", "aria-label": texts.open, onclick: toggle }),
      dot: el("span", { class: "dot", hidden: true }),
      panel: el("section", { class: "panel", role: "dialog", "aria-label": config.title, hidden: true, onkeydown: onPanelKey }),
      thread: el("div", { class: "thread", role: "log", "aria-live": "polite", "aria-label": texts.thread, tabindex: "0" }),
      offers: el("div", { class: "offers", "aria-live": "polite" }),
      typing: el("p", { class: "typing", hidden: true }, texts.typing),
      status: el("p", { class: "status", role: "status", hidden: true }, texts.offline),
      person: el("button", { class: "quiet", type: "button", onclick: () => send(texts.person, true) }, texts.person),
      rating: el("div", { class: "rating", hidden: true, role: "group", "aria-label": texts.rate }),
    };
    ui.launcher.append(el("span", { class: "glyph", "aria-hidden": "true" }), ui.dot);
    ui.rating.append(el("p", {}, texts.rate), ...[1, 2, 3, 4, 5].map((score) =>
      el("button", { type: "button", "aria-label": `${score} / 5`, onclick: () => rate(score) }, String(score))));
    ui.panel.append(
      el("div", { class: "head" }, el("div", {}, el("h2", {}, config.title), el("p", {}, config.away || texts.subtitle)),
        el("button", { class: "close", type: "button", "aria-label": texts.close, onclick: toggle }, "×")),
      ui.thread, ui.typing, ui.rating, ui.status, ui.offers,
      el("form", { onsubmit: (event) => { event.preventDefault(); send(input.value); } },
        input, el("button", { class: "send", type: "submit", "aria-label": texts.send }, "➤")),
      el("footer", {}, ui.person, el("details", { class: "own", ontoggle: showInterests }, el("summary", {}, texts.interests))));
    const sheet = el("link", { rel: "stylesheet", href: `${server}/static/widget.css` });
    sheet.addEventListener("load", () => { host.hidden = false; });
    host.hidden = true;
    host.lang = config.language;
    root.append(sheet, ui.panel, ui.launcher);
    document.body.append(host);
  }

  /** What the company knows of the visitor's interests, and a way to have it forgotten. */
  async function showInterests({ target }) {
    if (!target.open) return;
    target.querySelector("div")?.remove();
    const box = el("div", { role: "status" });
    target.append(box);
    try {
      const { interests } = state.token ? await call("/chat/interests") : { interests: [] };
      if (!interests.length) { box.append(texts.interests_none); return; }
      box.append(el("p", {}, interests.map((one) => one.tag).join(", ")), el("button", { class: "quiet", type: "button", onclick: async () => {
        try { await call("/chat/interests/erase", {}); box.replaceChildren(texts.interests_erased); } catch { box.append(texts.offline); }
      } }, texts.interests_erase));
    } catch { box.append(texts.offline); }
  }

  function toggle() {
    open = !open;
    ui.panel.hidden = !open;
    ui.launcher.setAttribute("aria-expanded", String(open));
    ui.launcher.setAttribute("aria-label", open ? texts.close : texts.open);
    if (open) { unread = 0; badge(); draw(true); ui.input.focus(); acknowledge(); } else ui.launcher.focus();
  }

  function badge() {
    ui.dot.hidden = unread === 0;
    ui.dot.textContent = unread > 9 ? "9+" : String(unread);
    if (!open && unread) ui.launcher.setAttribute("aria-label", `${texts.open} (${unread})`);
  }

  function bubble(message) {
    const who = { bot: texts.bot, agent: texts.agent }[message.author] ?? "";
    const text = el("p", { dir: "auto" });
    text.textContent = message.text + (message.file ? `\n📎 ${message.file}` : "");
    const when = new Date(message.at * 1000);
    const time = el("time", { datetime: when.toISOString() },
      when.toLocaleTimeString(config.language, { hour: "2-digit", minute: "2-digit" }));
    const item = el("div", { class: `line ${message.author}` }, text, el("span", { class: "mark" }, time, el("span")));
    if (who) item.prepend(el("span", { class: "who" }, who));
    return item;
  }

  // The mark changes in place: a message that was read aloud is not a new one when it is delivered.
  function mark(row, message) {
    const word = message.failed ? texts.failed : message.pending ? texts.pending
      : message.author === "customer" ? texts.delivered : "";
    row.querySelector(".mark > span").textContent = word && ` · ${word}`;
    row.classList.toggle("failed", message.failed === true);
    const button = row.querySelector(".retry");
    if (message.failed && !button) {
      row.append(el("button", { class: "retry", type: "button", onclick: () => retry(message.id) }, texts.retry));
    } else if (!message.failed) button?.remove();
  }

  function draw(scroll = false) {
    if (!ui) return;
    const nearEnd = ui.thread.scrollHeight - ui.thread.scrollTop - ui.thread.clientHeight < 80;
    const known = new Set([...stored.values()].map((one) => one.client_id));
    const all = [
      ...[...stored.values()].sort((a, b) => a.at - b.at),
      ...state.queue.filter((one) => !known.has(one.id)).map((one) => ({ ...one, author: "customer", pending: !one.failed })),
    ];
    // Rows are replaced only when they changed, so that a screen reader hears each message once.
    const rows = new Map([...ui.thread.children].map((row) => [row.dataset.key, row]));
    const wanted = all.map((message) => {
      const key = message.client_id || message.id;
      const old = rows.get(key);
      const row = old?.dataset.text === message.text ? old : bubble(message);
      row.dataset.key = key;
      row.dataset.text = message.text;
      mark(row, message);
      return row;
    });
    if (!all.length) wanted.push(greeting());
    wanted.forEach((row, place) => { if (ui.thread.children[place] !== row) ui.thread.insertBefore(row, ui.thread.children[place] ?? null); });
    while (ui.thread.children.length > wanted.length) ui.thread.lastChild.remove();
    ui.rating.hidden = state.rated || conversationState !== "closed" || !stored.size;
    ui.person.hidden = ["open", "taken"].includes(conversationState);
    if (scroll || nearEnd) ui.thread.scrollTop = ui.thread.scrollHeight;
  }

  function greeting() {
    const row = el("div", { class: "line greeting" }, el("p", {}, texts.greeting));
    row.dataset.key = "greeting";
    for (const question of config.quick_questions) {
      row.append(el("button", { type: "button", onclick: () => send(question) }, question));
    }
    return row;
  }

  function connection(live) {
    if (ui) ui.status.hidden = live || (!state.queue.length && navigator.onLine);
  }

  // ---- what people do ------------------------------------------------------------------------------
  const newId = () => (crypto.randomUUID ? crypto.randomUUID()
    : [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""));

  function send(raw, person = false) {
    const text = raw.trim();
    if (!text) return;
    const item = { id: newId(), text, at: Date.now() / 1000, person };
    state.queue.push(item);
    keep(item);
    state.rated = false;
    save();
    ui.input.value = "";
    ui.input.style.removeProperty("height");
    ui.offers.replaceChildren();
    draw(true);
    ui.input.focus();
    flush();
  }

  function retry(id) {
    for (const item of state.queue) if (item.id === id) { item.failed = false; keep(item); }
    draw();
    flush();
  }

  let typingTimer = 0;
  let typedAt = 0;
  function onInput() {
    ui.input.style.height = "auto";
    ui.input.style.height = `${Math.min(ui.input.scrollHeight, 120)}px`;
    clearTimeout(typingTimer);
    typingTimer = setTimeout(tellTyping, 500);
    if (state.conversation && Date.now() - typedAt > 4000) tellTyping();
  }

  async function tellTyping() {
    if (!state.token) return;
    typedAt = Date.now();
    const text = ui.input.value.trim();
    try {
      const { offers } = await call("/chat/typing", { conversation: state.conversation, text, language });
      if (ui.input.value.trim() !== text) return;
      ui.offers.replaceChildren(...offers.map((offer) => el("details", {}, el("summary", {}, offer.title), el("p", {}, offer.text))));
    } catch { /* only a courtesy */ }
  }

  let typingShown = 0;
  function showTyping() {
    ui.typing.hidden = false;
    clearTimeout(typingShown);
    typingShown = setTimeout(() => { ui.typing.hidden = true; }, 6000);
  }

  function onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(ui.input.value); }
  }
  function onPanelKey(event) {
    if (event.key === "Escape") { event.stopPropagation(); toggle(); }
  }

  async function rate(score) {
    state.rated = true;
    save();
    try { await call("/chat/rating", { conversation: state.conversation, score }); } catch { state.rated = false; }
    ui.rating.replaceChildren(el("p", { role: "status" }, texts.thanks));
    setTimeout(draw, 3000);
  }

  async function begin() {
    for (let pause = 1000; ; pause = Math.min(pause * 2, 30000)) {
      try { config = await call(`/chat/config?lang=${encodeURIComponent(language)}`); break; } catch (error) {
        if (error.status === 403 || error.status === 404) return;
        await wait(pause);
      }
    }
    texts = config.texts;
    build();
    draw();
    listen();
    flush();
    addEventListener("storage", (event) => {
      if (!event.key?.startsWith(storageKey)) return;
      Object.assign(state, load(storageKey), { queue: [...kept(), ...state.queue.filter((one) => one.unkept)] });
      draw();
      listen();
    });
    document.addEventListener("visibilitychange", () => { if (open) acknowledge(); });
    if ("open" in script.dataset) toggle();
  }

  if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin); else begin();
})();
