// Choice of a flux and its slider; the values come from the kernel.
const STEPS = 400;

function render({ model, el }) {
  const { root, stop } = frame(el, model);
  root.classList.add("fx-controls");
  root.setAttribute("aria-label", "Flux explorer");
  const top = make("div", { class: "fx-row" }, root);
  const choice = labeled(top, "Flux", make("select", { class: "fx-flux" }));
  const box = labeled(top, "Value", make("input", { class: "fx-value", inputmode: "decimal", size: 9 }));
  const unit = make("span", { class: "fx-unit" }, top);
  const again = make("button", { class: "fx-again", type: "button" }, top, "Back to the start");
  const track = make("div", { class: "fx-track" }, root);
  const low = make("output", { class: "fx-end" }, track);
  const rail = make("div", { class: "fx-rail" }, track);
  const slider = make("input", { class: "fx-slider", type: "range", min: 0, max: STEPS, step: 1 }, rail);
  const origin = make("span", { class: "fx-origin", title: "start" }, rail);
  const high = make("output", { class: "fx-end" }, track);
  const news = make("p", { class: "fx-news", "aria-live": "polite" }, root);

  const fillChoice = () => {
    choice.replaceChildren();
    for (const kind of ["net", "exchange"]) {
      const group = make("optgroup", { label: kind === "net" ? "net fluxes" : "exchange fluxes" }, choice);
      for (const each of model.get("options")) {
        if (each.kind === kind) make("option", { value: each.key }, group, kind === "net" ? each.reaction : `${each.reaction} exchange`);
      }
    }
    choice.value = model.get("key");
  };
  const part = (now, value) => {
    if (!(now.high > now.low)) return 0;
    const t = now.logarithmic ? Math.log(Math.max(value, now.low) / now.low) / Math.log(now.high / now.low)
      : (value - now.low) / (now.high - now.low);
    return Math.min(1, Math.max(0, t));
  };
  const valueAt = (now, t) => (now.logarithmic ? now.low * (now.high / now.low) ** t : now.low + t * (now.high - now.low));
  let waiting = null; // value that was sent and has not come back: older answers must not pull the slider back
  const send = (value) => { waiting = value; model.set("value", value); model.save_changes(); };

  const show = () => {
    const now = model.get("frame");
    if (now.key === undefined) return;
    if (waiting !== null && Math.abs(now.value - waiting) <= 1e-9 * (now.high - now.low)) waiting = null;
    if (waiting === null) {
      choice.value = now.key;
      slider.value = Math.round(STEPS * part(now, now.value));
      box.value = flux(now.value);
    }
    unit.textContent = now.unit;
    box.dataset.value = now.value;
    slider.disabled = !(now.high > now.low);
    slider.setAttribute("aria-label", `${choice.selectedOptions[0] ? choice.selectedOptions[0].textContent : ""} flux`);
    slider.setAttribute("aria-valuetext", `${flux(now.value)}, from ${flux(now.low)} to ${flux(now.high)}`);
    low.textContent = flux(now.low);
    high.textContent = flux(now.high);
    origin.style.left = `calc(8px + ${part(now, now.start)} * (100% - 16px))`;
    news.replaceChildren();
    make("span", { class: "fx-muted" }, news, now.changes.length ? "Moved most since the start: " : "The labeling is that of the start.");
    now.changes.forEach((each, i) => {
      if (i) news.append("; ");
      const where = new Set(now.changes.map((one) => one.experiment)).size > 1 ? ` (${each.experiment})` : "";
      make("span", {}, news, `${each.fragment} ${each.name} ${each.before.toFixed(3)} → ${each.after.toFixed(3)}${where}`);
    });
  };
  slider.addEventListener("input", () => {
    const now = model.get("frame");
    if (now.key !== choice.value) return;
    const value = valueAt(now, Number(slider.value) / STEPS);
    box.value = flux(value);
    send(value);
  });
  choice.addEventListener("change", () => { waiting = null; model.set("key", choice.value); model.save_changes(); });
  const typed = () => {
    const now = model.get("frame");
    const value = Number(box.value.replace("−", "-").replace(",", "."));
    if (box.value.trim() === "" || !Number.isFinite(value)) { box.value = flux(now.value); return; }
    const kept = Math.min(now.high, Math.max(now.low, value));
    if (kept !== value) box.value = flux(kept);
    if (flux(kept) !== flux(now.value)) send(kept);
  };
  box.addEventListener("change", typed);
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") typed(); });
  again.addEventListener("click", () => { waiting = null; model.set("resets", model.get("resets") + 1); model.save_changes(); });
  fillChoice();
  show();
  model.on("change:frame", show);
  model.on("change:options", fillChoice);
  return () => { stop(); model.off("change:frame", show); model.off("change:options", fillChoice); };
}

export default { render };
