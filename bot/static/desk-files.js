/** A file on its way with the reply: one at a time, stored on the server before the text is sent. */

import { desk, talkPane, texts } from "./desk-state.js";
import { onOpened } from "./desk-view.js";
import { api, showError, toast } from "./ui.js";

let file = null; // {reference, name, media_type, size_bytes}

export const currentFile = () => file;

export function setFile(value, uploading = false) {
  file = uploading ? null : value;
  const list = talkPane.querySelector("[data-attached]");
  list?.replaceChildren();
  if (!value || !list) return;
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = uploading ? `${value.name} · ${texts.uploading}` : value.name;
  item.append(name);
  if (!uploading) {
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", texts["remove-file"]);
    remove.addEventListener("click", clearFile);
    item.append(remove);
  }
  list.append(item);
}

export const clearFile = () => setFile(null);

async function upload(chosen) {
  if (chosen.size > Number(desk.dataset.uploadLimit)) {
    toast(texts["file-large"], { tone: "bad" });
    return;
  }
  setFile({ name: chosen.name }, true);
  const body = new FormData();
  body.append("file", chosen);
  try {
    setFile(await api("POST", "/desk/files", body));
  } catch (error) {
    clearFile();
    showError(error);
  }
}

export function startFiles() {
  talkPane.addEventListener("click", (event) => {
    if (event.target.closest("[data-attach]")) talkPane.querySelector("[data-file]").click();
  });
  talkPane.addEventListener("change", (event) => {
    if (!event.target.matches("[data-file]") || !event.target.files.length) return;
    upload(event.target.files[0]);
    event.target.value = "";
  });
  talkPane.addEventListener("paste", (event) => {
    const [pasted] = event.clipboardData?.files ?? [];
    if (pasted) { event.preventDefault(); upload(pasted); }
  });
  talkPane.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
  talkPane.addEventListener("drop", (event) => {
    const [dropped] = event.dataTransfer.files;
    if (dropped && talkPane.querySelector("[data-composer]")) { event.preventDefault(); upload(dropped); }
  });
  onOpened(clearFile);
}
