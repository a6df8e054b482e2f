// What a mix is expected to tell and to show: intervals of fluxes beside their prior, and predicted MIDs.
const BASE = 62;

function amount(row, half) {
  if (row.units === "decades") return `×/÷ ${flux(10 ** half)}`;
  return `± ${flux(half)}`;
}

function drawIntervals(parent, answer, kept) {
  const layers = ["td-prior", "td-most", "td-half", ...(kept ? ["td-kept"] : [])];
  const wanted = `${layers.length} ${answer.intervals.map((row) => row.flux).join("\n")}`;
  if (parent.dataset.rows !== wanted) { // built once; a move of the mix only changes widths and numbers
    parent.dataset.rows = wanted;
    parent.replaceChildren();
    for (const row of answer.intervals) {
      const item = make("div", { class: "td-interval", "data-flux": row.flux, role: "img" }, parent);
      make("span", { class: "td-flux" }, item, row.flux);
      const track = make("span", { class: "td-track" }, item);
      for (const each of [...layers, "td-middle"]) make("span", { class: each }, track);
      const words = make("span", { class: "td-numbers" }, item);
      make("strong", {}, words);
      make("span", { class: "fx-muted" }, words);
    }
  }
  answer.intervals.forEach((row, i) => {
    const item = parent.children[i], [, track, words] = item.children;
    const old = kept ? kept.halves[row.flux] : undefined;
    const halves = [row.prior, row.high, row.half, old || 0];
    layers.forEach((_, k) => {
      const width = 100 * Math.min(1, halves[k] / row.prior), { style } = track.children[k];
      style.left = `${50 - width / 2}%`;
      style.width = `${width}%`;
      style.display = halves[k] ? "" : "none";
    });
    item.dataset.half = row.half;
    item.dataset.prior = row.prior;
    words.children[0].textContent = amount(row, row.half);
    words.children[1].textContent = ` of ${amount(row, row.prior)}`;
    const before = old ? `, kept design ${amount(row, old)}` : "";
    item.setAttribute("aria-label", `${row.flux}: ${amount(row, row.half)}, before the experiment ${amount(row, row.prior)}${before}`);
  });
}

function drawPanels(parent, answer) {
  const held = new Map([...parent.children].map((node) => [node.dataset.shape, node]));
  const cells = answer.panels.map((panel) => {
    const n = panel.names.length, wide = 12 * n + 8, id = `${panel.fragment} ${n}`;
    let cell = held.get(id);
    if (!cell) {
      cell = make("figure", { class: "fx-panel", "data-fragment": panel.fragment, "data-shape": id });
      make("figcaption", { title: panel.fragment }, cell, panel.fragment);
      const plot = shape("svg", { viewBox: `0 0 ${wide} ${BASE + 14}`, role: "img", preserveAspectRatio: "xMinYMid meet" }, cell);
      shape("line", { x1: 2, x2: wide - 2, y1: BASE + 0.5, y2: BASE + 0.5, class: "fx-axis" }, plot);
      panel.names.forEach((_, i) => {
        shape("rect", { x: 5 + 12 * i, width: 9, class: "fx-bar" }, plot);
        shape("path", { class: "td-range" }, plot);
      });
      ticks(panel.names, (i) => 9.5 + 12 * i, BASE + 11, plot, n > 10 ? 5 : 10);
    }
    const plot = cell.querySelector("svg"), y = (value) => BASE * (1 - value);
    plot.querySelectorAll(".fx-bar").forEach((bar, i) => {
      bar.setAttribute("y", y(panel.mean[i]));
      bar.setAttribute("height", BASE * panel.mean[i]);
      bar.dataset.value = panel.mean[i];
    });
    plot.querySelectorAll(".td-range").forEach((line, i) => {
      const [low, high, x] = [y(panel.low[i]), y(panel.high[i]), 9.5 + 12 * i];
      line.setAttribute("d", low - high < 0.5 ? "" : `M${x - 2.5},${low}h5M${x},${low}V${high}M${x - 2.5},${high}h5`);
    });
    const words = panel.mean.map((value, i) => `${panel.names[i]} ${value.toFixed(3)}, from ${panel.low[i].toFixed(3)} to ${panel.high[i].toFixed(3)}`);
    plot.setAttribute("aria-label", `${panel.fragment}: ${words.join("; ")}`);
    return cell;
  });
  if (cells.length !== parent.children.length || cells.some((cell, i) => cell !== parent.children[i])) parent.replaceChildren(...cells);
}

function costText(cost) {
  const number = (value) => (value === null ? "unknown" : `${Math.round(value)} ${cost.unit}`);
  if (cost.missing.length) {
    return `Tracers: no price for ${cost.missing.join(", ")}; add it to the table of prices. Measuring ${number(cost.measuring)}.`;
  }
  const whole = cost.measuring === null ? null : cost.tracers + cost.measuring;
  return `Cost ${number(whole)}: tracers ${number(cost.tracers)}, measuring ${number(cost.measuring)}.`;
}

// A list of names to check, with a search, folded away until it is needed.
function chooser(parent, title, locked, onChoose) {
  const fold = make("details", { class: "td-fold" }, parent);
  const head = make("summary", {}, fold);
  const search = labeled(fold, "Search", make("input", { type: "search", class: "fx-search", size: 14 }));
  let names = [], chosen = [];
  const list = listBox(fold, { label: locked ? title : `${title}; Space chooses`, many: true, locked, fill: (node, item) => {
    make("span", { class: "fx-tickbox", "aria-hidden": "true" }, node);
    make("span", { class: "fx-words" }, node, item.key);
  }, onChoose: (keys) => { chosen = names.filter((each) => keys.includes(each)); say(); onChoose(chosen); } });
  const say = () => { head.textContent = `${title} (${chosen.length} of ${names.length})`; };
  const fill = () => list.show(names.filter((each) => matches(search.value, each)).map((key) => ({ key })), chosen);
  search.addEventListener("input", fill);
  return {
    show(all, some) {
      const same = all.join("\n") === names.join("\n") && some.join("\n") === chosen.join("\n");
      if (same && head.textContent) return;
      names = all;
      chosen = some;
      say();
      fill();
    },
  };
}

// The right side: expected intervals, the design that is kept beside them, predicted labeling, and what is asked for.
function designResults(parent, data, locked, { onFluxes, onMeasured }) {
  let good = null, kept = null, speaking = 0;
  const right = make("div", { class: "td-right" }, parent);
  const head = make("div", { class: "td-head" }, right);
  make("h3", { class: "fx-title" }, head, "Expected 90 % intervals");
  const gain = make("span", { class: "td-gain" }, head);
  const keep = make("button", { type: "button", class: "td-keep" }, head);
  keep.hidden = locked; // there is no other design to compare with
  const key = make("div", { class: "fx-key fx-small" }, right);
  entry(key, "td-key-half", "expected");
  entry(key, "td-key-most", "at most, in 9 of 10 flux states");
  entry(key, "fx-before", "prior");
  const keptKey = make("span", { class: "fx-item" }, key);
  const intervals = make("div", { class: "td-intervals" }, right);
  make("p", { class: "fx-muted fx-small" }, right,
    `Net fluxes: ${data.unit}; exchange fluxes: factors. Means over ${data.draws} flux states of the prior, linearised.`);
  const fluxes = chooser(right, "Fluxes of interest", locked, onFluxes);
  make("h3", {}, right, "Predicted labeling");
  const bars = make("div", { class: "fx-key fx-small" }, right);
  entry(bars, "fx-now", "mean");
  entry(bars, "td-key-range", "10 to 90 % of flux states");
  make("span", { class: "fx-muted" }, bars, "fraction of molecules by mass shift");
  const panels = make("div", { class: "fx-grid" }, right);
  const measured = chooser(right, "Measurements", locked, onMeasured);
  const spoken = make("p", { class: "td-unseen", "aria-live": "polite" }, right);

  const draw = () => {
    drawIntervals(intervals, good, kept);
    drawPanels(panels, good);
    gain.textContent = `information ${good.gain.toFixed(2)} nats${kept ? `, kept ${kept.gain.toFixed(2)}` : ""}`;
    gain.dataset.value = good.gain;
    keep.textContent = kept ? "Forget the kept design" : "Keep to compare";
    keptKey.replaceChildren();
    if (!kept) return;
    make("span", { class: "fx-swatch td-key-kept" }, keptKey);
    make("span", {}, keptKey, `kept: ${kept.text}`);
  };
  keep.addEventListener("click", () => {
    if (!good) return;
    kept = kept ? null : { text: good.text, gain: good.gain, halves: Object.fromEntries(good.intervals.map((each) => [each.flux, each.half])) };
    draw();
  });
  const speak = () => {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const rows = good.intervals.slice(0, 4).map((row) => `${row.flux} ${amount(row, row.half)}, before ${amount(row, row.prior)}`);
      spoken.textContent = `Information ${good.gain.toFixed(1)} nats. ${rows.join("; ")}.`;
    }, 900);
  };
  return {
    fluxes,
    measured,
    show(answer) { good = answer; draw(); speak(); },
    stop: () => clearTimeout(speaking),
  };
}
