// Measured and fitted labeling, one fragment at a time; the list is walked with the arrow keys.
const AGREEMENT = [[2, "within 2 sd", "fx-good"], [3, "2 to 3 sd off", "fx-fair"], [Infinity, "over 3 sd off", "fx-bad"]];

function agreement(residual) {
  return AGREEMENT.find(([limit]) => Math.abs(residual || 0) < limit)[2];
}

function signed(value) {
  return value === null ? "–" : minus(`${value > 0 ? "+" : ""}${value.toFixed(1)}`);
}

function drawFragment(panel, width, parent) {
  const fitted = panel.fitted.some((each) => each !== null);
  const judged = panel.residual.some((each) => each !== null);
  const n = panel.names.length, left = 40, right = 8, top = 12, tall = width < 480 ? 190 : 240;
  const below = judged ? 116 : 0, height = top + tall + 22 + below;
  const plot = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "fx-plot", role: "img",
    "aria-label": `${panel.fragment}, ${panel.experiment}: the numbers are in the table` }, parent);
  const reach = Math.max(...[...panel.fitted, ...panel.measured.map((m, i) => m + (panel.sd[i] || 0))].map((v) => v || 0), 0.02);
  const ceiling = Math.min(1.05, reach * 1.08);
  const step = (width - left - right) / n, x = (i) => left + step * (i + 0.5), wide = Math.min(46, step * 0.62);
  const y = (value) => top + tall * (1 - Math.max(0, value) / ceiling);
  for (const each of roundTicks(0, ceiling)) {
    shape("line", { x1: left, x2: width - right, y1: y(each.at), y2: y(each.at), class: "fx-grid-line" }, plot);
    shape("text", { x: left - 6, y: y(each.at) + 4, class: "fx-tick", "text-anchor": "end" }, plot, each.text);
  }
  const dot = (i, fill) => {
    const value = panel.measured[i], sd = panel.sd[i];
    const group = shape("g", { class: "fx-measured", "data-value": value }, plot);
    if (sd) {
      const [a, b] = [y(value + sd), top + tall * (1 - (value - sd) / ceiling)];
      const cap = Math.min(7, wide / 3);
      shape("path", { d: `M${x(i)},${a}V${Math.min(b, top + tall + 6)}M${x(i) - cap},${a}h${2 * cap}M${x(i) - cap},${b}h${2 * cap}` }, group);
    }
    if (fill) shape("circle", { cx: x(i), cy: y(value), r: 3.6 }, group);
  };
  panel.names.forEach((name, i) => {
    const bar = fitted ? panel.fitted[i] : panel.measured[i];
    if (bar !== null) {
      const tone = judged ? agreement(panel.residual[i]) : "fx-good";
      const rect = shape("rect", { x: x(i) - wide / 2, width: wide, y: y(bar), height: top + tall - y(bar),
        class: `fx-fit ${tone}`, "data-value": bar }, plot);
      shape("title", {}, rect, `${name}: ${fitted ? "fitted" : "measured"} ${bar.toFixed(4)}`);
    }
    dot(i, fitted);
  });
  shape("line", { x1: left, x2: width - right, y1: top + tall, y2: top + tall, class: "fx-line" }, plot);
  ticks(panel.names, x, top + tall + 15, plot, Math.max(4, Math.floor((width - left) / 24)));
  if (!judged) return;
  const base = top + tall + 22, high = below - 8, most = Math.max(3.5, ...panel.residual.map((r) => Math.abs(r || 0) * 1.4));
  const z = (value) => base + high / 2 - (high / 2) * (value / most);
  shape("rect", { x: left, width: width - left - right, y: z(2), height: z(-2) - z(2), class: "fx-band" }, plot);
  for (const value of most > 12 ? [0] : [-2, 0, 2]) {
    shape("text", { x: left - 6, y: z(value) + 4, class: "fx-tick", "text-anchor": "end" }, plot, minus(String(value)));
  }
  shape("line", { x1: left, x2: width - right, y1: z(0), y2: z(0), class: "fx-line" }, plot);
  panel.residual.forEach((r, i) => {
    if (r === null) return;
    const group = shape("g", { class: `fx-stem ${agreement(r)}` }, plot);
    shape("line", { x1: x(i), x2: x(i), y1: z(0), y2: z(r) }, group);
    shape("circle", { cx: x(i), cy: z(r), r: 4 }, group);
    if (Math.abs(r) >= 2) {
      const level = r > 0 ? Math.max(z(r) - 7, base + 8) : Math.min(z(r) + 15, base + high + 4);
      shape("text", { x: x(i), y: level, "text-anchor": "middle", class: "fx-number" }, group, signed(r));
    }
  });
  shape("text", { x: 11, y: base + high / 2, class: "fx-tick", "text-anchor": "middle", transform: `rotate(-90 11 ${base + high / 2})` }, plot, "residual, sd");
}

function numbersOf(panel, parent) {
  const table = make("table", {}, parent);
  make("caption", {}, table, "All numbers");
  const head = make("tr", {}, make("thead", {}, table));
  for (const name of ["", "measured", "± sd", "fitted", "residual (sd)"]) make("th", { scope: "col" }, head, name);
  const body = make("tbody", {}, table);
  const text = (value) => (value === null ? "–" : minus(value.toFixed(4)));
  panel.names.forEach((name, i) => {
    const row = make("tr", {}, body);
    make("th", { scope: "row" }, row, name);
    const residual = panel.residual[i];
    const note = residual !== null && Math.abs(residual) >= 3 ? " ▲" : "";
    for (const value of [text(panel.measured[i]), text(panel.sd[i]), text(panel.fitted[i]), signed(residual) + note]) make("td", {}, row, value);
  });
}

function render({ model, el }) {
  const { root, stop } = frame(el, model);
  let data, selected, visible = [], drawn = 0;
  const heading = make("h2", {}, root);
  const tools = make("div", { class: "fx-row" }, root);
  const search = labeled(tools, "Search", make("input", { type: "search", class: "fx-search", placeholder: "fragment or experiment" }));
  const experiment = labeled(tools, "Experiment", make("select", { class: "fx-experiment" }));
  const order = labeled(tools, "Order", make("select", { class: "fx-order" }));
  for (const [value, text] of [["worst", "worst fit first"], ["name", "by name"]]) make("option", { value }, order, text);
  const count = make("p", { class: "fx-muted fx-count", "aria-live": "polite" }, tools);
  const sides = make("div", { class: "fx-sides" }, root);
  const choose = (key) => {
    if (key === selected) return;
    selected = key;
    model.set("selected", key);
    model.save_changes();
    detail();
  };
  const fill = (node, panel) => {
    const words = make("span", { class: "fx-words" }, node);
    make("span", { class: "fx-name" }, words, panel.fragment);
    if (data.experiments.length > 1) make("span", { class: "fx-muted fx-small" }, words, panel.experiment);
    if (panel.worst === null) return;
    make("span", { class: `fx-chip ${agreement(panel.worst)}` }, node, `${panel.worst >= 3 ? "▲ " : ""}${panel.worst.toFixed(1)} sd`);
  };
  const list = listBox(sides, { label: "Fragments, with the largest residual", fill, onChoose: choose });
  const right = make("div", { class: "fx-detail", "aria-live": "polite" }, sides);
  const title = make("h3", { class: "fx-title" }, right);
  const key = make("div", { class: "fx-key" }, right);
  const place = make("div", { class: "fx-place" }, right);
  const numbers = make("div", { class: "fx-numbers" }, right);

  const fillKey = (panel) => {
    key.replaceChildren();
    const add = (className, text) => entry(key, className, text);
    if (panel.fitted.every((each) => each === null)) { add("fx-good", "measured ± sd"); return; }
    add("fx-dot", "measured ± sd");
    if (panel.worst === null) { add("fx-good", "fitted"); return; }
    for (const [, text, className] of AGREEMENT) add(className, `fitted, ${text}`);
  };
  const detail = () => {
    const panel = data.panels.find((each) => each.key === selected);
    place.replaceChildren();
    numbers.replaceChildren();
    key.replaceChildren();
    title.textContent = panel ? `${panel.fragment}${panel.experiment ? ` – ${panel.experiment}` : ""}` : "";
    if (!panel) return;
    right.dataset.key = panel.key;
    fillKey(panel);
    drawn = Math.max(240, Math.floor(right.clientWidth));
    drawFragment(panel, Math.min(drawn, 900), place);
    numbersOf(panel, numbers);
  };
  const refill = () => {
    visible = data.panels.filter((each) => (!experiment.value || each.experiment === experiment.value)
      && matches(search.value, `${each.fragment} ${each.experiment}`));
    if (order.value === "name") visible = [...visible].sort((a, b) => a.fragment.localeCompare(b.fragment) || a.experiment.localeCompare(b.experiment));
    count.textContent = visible.length === data.panels.length ? `${visible.length} fragments` : `${visible.length} of ${data.panels.length} fragments`;
    if (visible.length && !visible.some((each) => each.key === selected)) choose(visible[0].key);
    list.show(visible, [selected]);
  };
  const start = () => {
    data = model.get("data");
    heading.textContent = data.title;
    selected = model.get("selected") || data.panels[0].key;
    experiment.replaceChildren();
    make("option", { value: "" }, experiment, "all");
    for (const name of data.experiments) make("option", { value: name }, experiment, name);
    experiment.parentElement.hidden = data.experiments.length < 2;
    order.parentElement.hidden = data.panels.every((each) => each.worst === null);
    if (order.parentElement.hidden) order.value = "worst"; // the order of the data
    refill();
    detail();
  };
  const follow = () => {
    if (model.get("selected") === selected) return;
    selected = model.get("selected");
    if (!visible.some((each) => each.key === selected)) { search.value = ""; experiment.value = ""; }
    refill();
    detail();
  };
  search.addEventListener("input", refill);
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    list.walk(step);
  });
  for (const each of [experiment, order]) each.addEventListener("change", refill);
  start();
  const observer = new ResizeObserver(() => { if (Math.abs(right.clientWidth - drawn) > 2 && right.clientWidth >= 240) detail(); });
  observer.observe(right);
  model.on("change:data", start);
  model.on("change:selected", follow);
  return () => { stop(); observer.disconnect(); model.off("change:data", start); model.off("change:selected", follow); };
}

export default { render };
