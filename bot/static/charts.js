/**
 * Charts that answer: a threshold that is dragged or moved by its slider, and drawings that are
 * fetched again while something goes on. The server draws; nothing here computes a measure.
 */

import { part } from "/static/ui.js";

/* ---------- a threshold ---------- */

function nearest(values, value) {
  let best = 0;
  for (let i = 1; i < values.length; i += 1) {
    if (Math.abs(values[i] - value) < Math.abs(values[best] - value)) best = i;
  }
  return best;
}

export function followThreshold(figure) {
  const { x, shown, rows, left, right } = JSON.parse(figure.dataset.threshold);
  const svg = figure.querySelector("svg[role=img]");
  const slider = figure.querySelector("input[type=range]");
  const line = figure.querySelector("[data-line]");
  const grip = figure.querySelector("[data-grip]");
  const dots = figure.querySelectorAll("[data-dot]");
  const values = figure.querySelectorAll("[data-value]");
  const output = figure.querySelector("[data-shown]");
  const [low, high] = [x[0], x[x.length - 1]];

  function draw() {
    const at = nearest(x, Number(slider.value));
    const place = left + ((Number(slider.value) - low) / (high - low)) * (right - left);
    line.setAttribute("x1", place);
    line.setAttribute("x2", place);
    grip.setAttribute("cx", place);
    rows.forEach((row, index) => {
      dots[index].setAttribute("cx", place);
      dots[index].setAttribute("visibility", row.y[at] === null ? "hidden" : "visible");
      if (row.y[at] !== null) dots[index].setAttribute("cy", row.y[at]);
      values[index].textContent = row.said[at];
    });
    output.textContent = shown[at];
    slider.setAttribute("aria-valuetext", [shown[at], ...rows.map((row) => row.said[at])].join(", "));
  }

  function drag(event) {
    const box = svg.getBoundingClientRect();
    const unit = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    slider.value = low + ((unit - left) / (right - left)) * (high - low);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }

  slider.addEventListener("input", draw);
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    drag(event);
  });
  svg.addEventListener("pointermove", (event) => {
    if (svg.hasPointerCapture(event.pointerId)) drag(event);
  });
  svg.addEventListener("pointerup", () => slider.dispatchEvent(new Event("change", { bubbles: true })));
  draw();
}

/* ---------- drawings that go on ---------- */

function swap(box, html) {
  const open = [...box.querySelectorAll("details")].map((details) => details.open);
  const focused = [...box.querySelectorAll("summary")].indexOf(document.activeElement);
  box.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  box.querySelectorAll("details").forEach((details, i) => { details.open = open[i] ?? false; });
  if (focused >= 0) box.querySelectorAll("summary")[focused]?.focus({ preventScroll: true });
}

export async function keepDrawing(box) {
  const every = Number(box.dataset.everyMs);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, every));
    if (!box.isConnected) return;
    if (document.hidden) continue;
    let html;
    try {
      html = await part(box.dataset.live);
    } catch (error) {
      if (error.status === 401 || error.status === 404) return;
      continue; // the server restarts or the network is away: the drawing stands meanwhile
    }
    if (!html) break; // 204: nothing more will come
    swap(box, html);
  }
  box.dispatchEvent(new CustomEvent("chart-ended", { bubbles: true }));
}

for (const figure of document.querySelectorAll("[data-threshold]")) followThreshold(figure);
for (const box of document.querySelectorAll("[data-live]")) keepDrawing(box);
