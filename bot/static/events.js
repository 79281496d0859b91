/* Events of a site: <script src="https://your-desk/events.js" data-key="site_…" async></script>
 *
 * Sends page views by itself (title, first h1, address without its query), and what the site says:
 *   neurobot.track("bought", { items: 2, sum: 990 }, "goods-17");
 *   neurobot.identify("customer-42", "company-7");   // at sign-in; identify("") at sign-out; a third
 *                                                       value proves it (docs/events.md)
 * Before it is loaded: (window.neurobot ||= []).push(["track", "bought"]);
 * Events wait in localStorage, each under a key of its own, until the server has stored them; tabs
 * share them and a repeat is ignored by its id. Visitors who ask not to be tracked are not.
 */
(() => {
  "use strict";
  const script = document.currentScript;
  const early = Array.isArray(window.neurobot) ? window.neurobot : [];
  const offer = (api) => {
    api.push = ([name, ...rest]) => api[name]?.(...rest);
    window.neurobot = api;
    early.forEach(api.push);
  };
  if (navigator.doNotTrack === "1" || navigator.globalPrivacyControl) {
    offer({ track() {}, identify() {}, visitor: "" });
    return;
  }

  const server = new URL(script.src).origin;
  const address = `${server}/api/v1/events?key=${encodeURIComponent(script.dataset.key ?? "")}`;
  const who = `neurobot-events:${server}`;
  const prefix = `${who}:`;
  const BEACON = 20;
  const MOST = 1000; // events that may wait
  const GATHER_MS = 1000;
  const memory = new Map(); // where localStorage is closed: this page only
  let timer = 0;
  let sending = false;
  let pause = GATHER_MS;
  let size = BEACON;

  // ---- what waits ----------------------------------------------------------------------------------
  function read(key) {
    try { return localStorage.getItem(key); } catch { return memory.get(key) ?? null; }
  }
  function write(key, text) {
    try { localStorage.setItem(key, text); } catch { memory.set(key, text); }
  }
  function remove(key) {
    memory.delete(key);
    try { localStorage.removeItem(key); } catch { /* closed */ }
  }
  function waiting() {
    let keys = [...memory.keys()];
    try { keys = keys.concat(Object.keys(localStorage)); } catch { /* closed */ }
    return keys.filter((key) => key.startsWith(prefix)).sort();
  }
  function parse(key) {
    try { return JSON.parse(read(key)); } catch { return null; }
  }
  function random() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  const me = { visitor: "", customer: "", company: "", proof: "", ...parse(who) };
  me.visitor ||= random();
  write(who, JSON.stringify(me));

  function add(name, more) {
    const at = Date.now() / 1000;
    const event = { id: random(), at, name: String(name).slice(0, 64), ...me, ...more };
    for (const key of Object.keys(event)) if (event[key] === "" || event[key] === undefined) delete event[key];
    const keys = waiting();
    if (keys.length >= MOST) remove(keys[0]);
    write(`${prefix}${at.toFixed(3)}:${event.id}`, JSON.stringify(event));
    if (keys.length + 1 >= BEACON) flush(); else later(GATHER_MS);
  }

  // ---- sending -------------------------------------------------------------------------------------
  function later(ms) {
    if (!timer) timer = setTimeout(() => { timer = 0; flush(); }, ms);
  }
  function body(keys) {
    return `[${keys.map(read).filter(Boolean).join(",")}]`;
  }
  async function flush() {
    if (sending) return;
    sending = true;
    try {
      for (let keys = waiting().slice(0, size); keys.length; keys = waiting().slice(0, size)) {
        // a text body is a simple request: the browser asks no leave before it
        const response = await fetch(address, { method: "POST", body: body(keys), credentials: "omit", keepalive: true });
        if (response.ok) {
          keys.forEach(remove);
          [pause, size] = [GATHER_MS, BEACON];
        } else if ([400, 413, 422].includes(response.status)) {
          // one bad event must not hold the others up
          if (keys.length === 1) remove(keys[0]); else size = 1;
        } else {
          pause = Math.max(pause, 1000 * (Number(response.headers.get("Retry-After")) || 0));
          throw new Error(String(response.status));
        }
      }
    } catch {
      later(pause);
      pause = Math.min(pause * 2, 60000);
    } finally {
      sending = false;
    }
  }
  function leave() {
    // nobody hears the answer: the events stay until they are acknowledged, and are known by their ids
    const keys = waiting();
    for (let first = 0; first < keys.length; first += BEACON) {
      if (!navigator.sendBeacon(address, body(keys.slice(first, first + BEACON)))) return;
    }
  }

  // ---- what is seen --------------------------------------------------------------------------------
  const text = (value, most) => (value ?? "").replace(/\s+/g, " ").trim().slice(0, most).replace(/[\ud800-\udbff]$/, "");
  let seen = "";
  function view() {
    const canonical = document.querySelector("link[rel=canonical]")?.href;
    const url = canonical || location.origin + location.pathname;
    if (url === seen) return;
    seen = url;
    add("page_view", {
      url: url.slice(0, 2000),
      title: text(document.title, 500),
      h1: text(document.querySelector("h1")?.textContent, 500),
      item: text(document.querySelector('meta[name="neurobot:item"]')?.content, 200),
    });
  }
  const moved = () => setTimeout(view, 500); // the page draws its new title first
  const { pushState } = history;
  history.pushState = function push(...rest) {
    pushState.apply(this, rest);
    moved();
  };
  addEventListener("popstate", moved);
  addEventListener("pagehide", leave);
  addEventListener("online", flush);
  document.addEventListener("visibilitychange", () => (document.visibilityState === "hidden" ? leave() : flush()));

  function numbers(counters) {
    const pairs = Object.entries(counters ?? {}).filter(([key, value]) => key && Number.isFinite(value));
    return pairs.length ? Object.fromEntries(pairs.slice(0, 64)) : undefined;
  }
  offer({
    get visitor() { return me.visitor; },
    track(name, counters, item) {
      if (name) add(name, { counters: numbers(counters), item: text(item && String(item), 200) });
    },
    identify(customer, company, proof) {
      if (!customer && me.customer) me.visitor = random(); // somebody else may come
      Object.assign(me, { customer: text(String(customer || ""), 200), company: text(String(company || ""), 200),
        proof: text(String(proof || ""), 64) });
      write(who, JSON.stringify(me));
      if (customer) add("identify", {});
    },
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", view); else view();
})();
