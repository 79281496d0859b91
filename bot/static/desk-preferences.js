/** The preferences dialog, notifications of the system, the sound. All off until chosen. */

import { preferences, texts } from "./desk-state.js";
import { api, setLanguage, setTheme, showError, toast } from "./ui.js";

let audio = null;
let missed = 0; // messages since the tab went out of sight

/** Two soft notes. Browsers allow sound only after the first key or click. */
function chime() {
  audio ??= new AudioContext();
  if (audio.state === "suspended") { audio.resume(); }
  [[660, 0], [880, 0.12]].forEach(([pitch, delay]) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const at = audio.currentTime + delay;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, at);
    volume.gain.exponentialRampToValueAtTime(0.12, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.32);
  });
}

function countInTitle() {
  document.title = document.title.replace(/^\(\d+\) /, "");
  if (missed) document.title = `(${missed}) ${document.title}`;
}

export function notify(title, body) {
  if (document.hidden) { missed += 1; countInTitle(); }
  if (preferences.sound) chime();
  if (!preferences.notifications || !document.hidden || !("Notification" in globalThis)) return;
  if (Notification.permission !== "granted") return;
  const note = new Notification(title, { body: body.slice(0, 140), tag: "neurobot" });
  note.addEventListener("click", () => { focus(); note.close(); });
}

async function save(event) {
  event.preventDefault();
  const form = event.target;
  const chosen = {
    language: form.elements.language.value,
    theme: form.elements.theme.value,
    shortcuts: form.elements.shortcuts.checked,
    notifications: form.elements.notifications.checked,
    sound: form.elements.sound.checked,
  };
  if (chosen.notifications && "Notification" in globalThis && Notification.permission !== "granted") {
    if ((await Notification.requestPermission()) !== "granted") {
      chosen.notifications = false;
      form.elements.notifications.checked = false;
      toast(texts["notify-denied"], { tone: "bad" });
    }
  }
  try {
    await api("POST", "/desk/preferences", chosen);
  } catch (error) {
    showError(error);
    return;
  }
  Object.assign(preferences, chosen);
  setTheme(chosen.theme);
  form.closest("dialog").close();
  if (chosen.language !== document.documentElement.lang) setLanguage(chosen.language);
  else toast(texts.saved, { seconds: 2 });
}

export function startPreferences() {
  const form = document.querySelector("[data-preferences-form]");
  form.addEventListener("submit", save);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { missed = 0; countInTitle(); } });
  document.addEventListener("theme", (event) => {
    form.elements.theme.value = event.detail;
    if (preferences.theme === event.detail) return;
    preferences.theme = event.detail;
    api("POST", "/desk/preferences", { theme: event.detail }).catch(() => {}); // the cookie holds it
  });
  document.addEventListener("language", (event) => {
    api("POST", "/desk/preferences", { language: event.detail }, { keepalive: true }).catch(() => {});
  });
}
