/**
 * The review queue by keyboard. The keys work while the focus is in the list and nowhere else, so
 * that nobody decides by a key that was meant for another place.
 */

const form = document.querySelector("[data-reviews]");
const rows = form ? [...form.querySelectorAll("[data-review]")] : [];
const boxes = rows.map((row) => row.querySelector('input[type="checkbox"]'));

function move(from, step) {
  boxes[Math.min(rows.length - 1, Math.max(0, from + step))].focus();
}

function onKey(event) {
  const place = rows.findIndex((row) => row.contains(document.activeElement));
  if (place < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const decision = { KeyA: "approved", KeyR: "refused" }[event.code];
  if (event.code === "KeyJ") move(place, 1);
  else if (event.code === "KeyK") move(place, -1);
  else if (event.code === "KeyX") boxes[place].click();
  else if (decision) rows[place].querySelector(`[data-decision="${decision}"]`)?.click();
  else return;
  event.preventDefault();
}

if (form) {
  const all = form.querySelector("[data-choose-all]");
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  form.addEventListener("change", () => {
    const chosen = boxes.filter((box) => box.checked).length;
    all.checked = chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  });
  form.addEventListener("keydown", onKey);
}
