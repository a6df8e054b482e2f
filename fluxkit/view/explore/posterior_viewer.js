// Marginals of chosen fluxes against their prior, and the pairs of fluxes that the data leave tied together.
const PANEL = { w: 250, h: 120, left: 8, right: 8, top: 6, base: 84 };

function valueOf(item, at) {
  return item.logarithmic ? 10 ** at : at;
}

function sayChange(change) {
  const certain = change.probability > 0.999 ? "> 0.999" : change.probability.toFixed(3);
  const size = change.difference || change.ratio;
  const told = size ? `, ${change.ratio ? "ratio" : "difference"} ${flux(size[0])} [${flux(size[1])}, ${flux(size[2])}]` : "";
  return `${change.direction} with probability ${certain} (q ${change.q < 0.001 ? "< 0.001" : change.q.toFixed(3)})${told}`;
}

function drawMarginal(item, names, near, parent) {
  const cell = make("figure", { class: "fx-marginal", "data-key": item.key }, parent);
  const head = make("figcaption", {}, cell);
  make("strong", {}, head, item.reaction);
  make("span", { class: "fx-muted" }, head, item.kind === "net" ? " net flux" : " exchange flux, log axis");
  const shown = item.states.map((each) => each.histogram);
  const ends = near ? shown : [...shown, item.prior];
  let low = Math.min(...ends.map((each) => each.low)), high = Math.max(...ends.map((each) => each.high));
  const pad = 0.04 * (high - low);
  low -= pad;
  high += pad;
  const { w, h, left, right, top, base } = PANEL;
  const x = (value) => left + (w - left - right) * Math.min(1, Math.max(0, (value - low) / (high - low)));
  const y = (height) => base - (base - top) * (height / 100);
  const plot = shape("svg", { viewBox: `0 0 ${w} ${h + 12 * (names.length - 1)}`, role: "img" }, cell);
  const outline = (bars, className) => {
    const step = (bars.high - bars.low) / bars.heights.length;
    let path = "", open = false;
    bars.heights.forEach((height, i) => {
      const [a, b] = [bars.low + i * step, bars.low + (i + 1) * step];
      if (b < low || a > high) return;
      path += `${open ? "L" : `M${x(a).toFixed(1)},${base}L`}${x(a).toFixed(1)},${y(height).toFixed(1)}H${x(b).toFixed(1)}`;
      open = true;
    });
    if (path) shape("path", { d: `${path}V${base}Z`, class: className }, plot);
  };
  outline(item.prior, "fx-prior");
  shown.forEach((each, i) => outline(each, `fx-posterior fx-state${i}`));
  shape("line", { x1: left, x2: w - right, y1: base + 0.5, y2: base + 0.5, class: "fx-line" }, plot);
  for (const tick of item.logarithmic ? logTicks(low, high) : roundTicks(low, high)) {
    shape("line", { x1: x(tick.at), x2: x(tick.at), y1: base, y2: base + 4, class: "fx-line" }, plot);
    const edge = x(tick.at) < 24 ? "start" : x(tick.at) > w - 24 ? "end" : "middle";
    shape("text", { x: x(tick.at) + { start: -4, middle: 0, end: 4 }[edge], y: base + 15, class: "fx-tick", "text-anchor": edge }, plot, tick.text);
  }
  item.states.forEach((state, i) => {
    const at = base + 27 + 12 * i, put = (value) => x(item.logarithmic ? Math.log10(Math.max(value, 1e-9)) : value);
    const group = shape("g", { class: `fx-interval fx-state${i}` }, plot);
    shape("line", { x1: put(state.lower), x2: put(state.upper), y1: at, y2: at }, group);
    if (i) shape("rect", { x: put(state.median) - 4, y: at - 4, width: 8, height: 8 }, group);
    else shape("circle", { cx: put(state.median), cy: at, r: 4.5 }, group);
  });
  const words = item.states.map((state) => {
    const told = state.information === null ? "" : `, information ${Math.max(0, Math.round(100 * state.information))} %`;
    return `${flux(state.median)} [${flux(state.lower)}, ${flux(state.upper)}]${told}`;
  });
  words.forEach((text, i) => {
    const line = make("p", { class: "fx-numbers-line", "data-median": item.states[i].median }, cell);
    if (names.length > 1) make("span", { class: `fx-swatch fx-state${i}`, title: names[i] }, line);
    make("span", {}, line, `${text}${item.states[i].determined ? "" : " (not determined)"}`);
  });
  if (item.change) make("p", { class: "fx-change fx-muted", "data-probability": item.change.probability }, cell, sayChange(item.change));
  plot.setAttribute("aria-label", `${item.reaction} ${item.kind} flux: ${words.map((each, i) => `${names[i]} ${each}`).join("; ")}`);
}

function drawPair(pair, items, names, parent) {
  const W = 460, H = 340, left = 58, bottom = 44, top = 10, right = 12;
  const [one, other] = [items.get(pair.x), items.get(pair.y)];
  const all = pair.clouds.flatMap((each) => each.points);
  const range = (k) => {
    const values = all.map((each) => each[k]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const pad = 0.06 * (high - low || 1);
    return [low - pad, high + pad];
  };
  const [[x0, x1], [y0, y1]] = [range(0), range(1)];
  const x = (value) => left + ((W - left - right) * (value - x0)) / (x1 - x0);
  const y = (value) => H - bottom - ((H - bottom - top) * (value - y0)) / (y1 - y0);
  const plot = shape("svg", { viewBox: `0 0 ${W} ${H}`, class: "fx-joint", role: "img",
    "aria-label": `Joint density of ${pair.x} and ${pair.y}, rank correlation ${pair.correlation.toFixed(2)}` }, parent);
  const clip = `fx-clip-${counted += 1}`;
  shape("rect", { x: left, y: top, width: W - left - right, height: H - top - bottom }, shape("clipPath", { id: clip }, plot));
  for (const tick of one.logarithmic ? logTicks(x0, x1) : roundTicks(x0, x1)) {
    shape("line", { x1: x(tick.at), x2: x(tick.at), y1: top, y2: H - bottom, class: "fx-grid-line" }, plot);
    shape("text", { x: x(tick.at), y: H - bottom + 15, class: "fx-tick", "text-anchor": "middle" }, plot, tick.text);
  }
  for (const tick of other.logarithmic ? logTicks(y0, y1) : roundTicks(y0, y1)) {
    shape("line", { x1: left, x2: W - right, y1: y(tick.at), y2: y(tick.at), class: "fx-grid-line" }, plot);
    shape("text", { x: left - 6, y: y(tick.at) + 4, class: "fx-tick", "text-anchor": "end" }, plot, tick.text);
  }
  const field = shape("g", { "clip-path": `url(#${clip})` }, plot);
  pair.clouds.forEach((cloud, i) => {
    const group = shape("g", { class: `fx-cloud fx-state${i}` }, field);
    for (const [a, b] of cloud.points) {
      if (i) shape("rect", { x: x(a) - 1.7, y: y(b) - 1.7, width: 3.4, height: 3.4 }, group);
      else shape("circle", { cx: x(a), cy: y(b), r: 2 }, group);
    }
  });
  pair.clouds.forEach((cloud, i) => {
    for (const [share, pieces] of Object.entries(cloud.contours)) {
      const path = pieces.map(([a, b, c, d]) => `M${x(a).toFixed(1)},${y(b).toFixed(1)}L${x(c).toFixed(1)},${y(d).toFixed(1)}`);
      shape("path", { d: path.join(""), class: `fx-contour fx-state${i}`, "data-share": share }, field);
    }
  });
  const say = (item) => `${item.reaction} ${item.kind}${item.logarithmic ? " (log)" : ""}`;
  shape("text", { x: (left + W - right) / 2, y: H - 8, "text-anchor": "middle" }, plot, say(one));
  shape("text", { x: 14, y: (top + H - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(top + H - bottom) / 2})` }, plot, say(other));
}

function render({ model, el }) {
  const { root, stop } = frame(el, model);
  let data, items, chosen = [];
  const heading = make("h2", {}, root);
  const sides = make("div", { class: "fx-sides" }, root);
  const left = make("div", { class: "fx-left" }, sides);
  const tools = make("div", { class: "fx-row" }, left);
  const search = labeled(tools, "Search", make("input", { type: "search", class: "fx-search", placeholder: "reaction", size: 12 }));
  const order = labeled(tools, "Order", make("select", { class: "fx-order" }));
  const save = (name, value) => { model.set(name, value); model.save_changes(); };
  const fill = (node, item) => {
    make("span", { class: "fx-tickbox", "aria-hidden": "true" }, node);
    const words = make("span", { class: "fx-words" }, node);
    make("span", { class: "fx-name" }, words, item.reaction);
    make("span", { class: "fx-muted fx-small" }, words, item.kind);
    const told = item.states[0].information;
    const value = item.change && order.value === "probability" ? `P ${item.change.probability.toFixed(2)}`
      : item.shift !== null ? `Δ ${minus(item.shift.toFixed(1))}` : told === null ? "" : `${Math.max(0, Math.round(100 * told))} %`;
    make("span", { class: "fx-share fx-muted" }, node, value);
  };
  const list = listBox(left, { label: "Fluxes to show; Space chooses", many: true, fill, onChoose: (keys) => {
    chosen = items.size ? [...items.keys()].filter((each) => keys.includes(each)) : [];
    save("chosen", chosen);
    marginals();
  } });
  const meaning = make("p", { class: "fx-muted fx-small" }, left);
  const right = make("div", { class: "fx-detail" }, sides);
  const key = make("div", { class: "fx-key" }, right);
  const near = labeled(right, "Zoom to the posterior", make("input", { type: "checkbox", class: "fx-near" }));
  near.parentElement.classList.add("fx-inline");
  const grid = make("div", { class: "fx-marginals", "aria-live": "polite" }, right);
  make("h3", {}, root, "Fluxes that the data leave tied together");
  make("p", { class: "fx-muted" }, root, "Pairs with the strongest correlation of ranks; what the network ties together before any data is left out. Lines hold 50 % and 90 % of the draws.");
  const below = make("div", { class: "fx-sides" }, root);
  const pairs = listBox(below, { label: "Correlated pairs", fill: (node, pair) => {
    const short = (name) => name.replace(/^net /, "").replace(/^exchange (.*)/, "$1 exch.");
    make("span", { class: "fx-words" }, node, `${short(pair.x)} – ${short(pair.y)}`);
    make("span", { class: "fx-share" }, node, minus(pair.correlation.toFixed(2)));
  }, onChoose: (name) => {
    save("pair", data.pairs.findIndex((each) => each.key === name));
    joint();
  } });
  const place = make("div", { class: "fx-detail" }, below);

  const marginals = () => {
    grid.replaceChildren();
    for (const name of chosen) drawMarginal(items.get(name), data.names, near.checked, grid);
    if (!chosen.length) make("p", { class: "fx-muted" }, grid, "Choose fluxes in the list.");
  };
  const joint = () => {
    place.replaceChildren();
    const pair = data.pairs[model.get("pair")];
    if (pair) drawPair(pair, items, data.names, place);
    else make("p", { class: "fx-muted" }, place, "No two fluxes are correlated.");
  };
  const refill = () => {
    const kept = data.fluxes.filter((each) => matches(search.value, `${each.reaction} ${each.kind}`));
    const interest = { shift: (each) => Math.abs(each.shift), probability: (each) => (each.change ? each.change.probability : 0), information: (each) => each.states[0].information || 0 }[order.value];
    if (interest) kept.sort((a, b) => interest(b) - interest(a));
    list.show(kept, chosen);
  };
  const start = () => {
    data = model.get("data");
    items = new Map(data.fluxes.map((each) => [each.key, each]));
    chosen = model.get("chosen").filter((each) => items.has(each));
    heading.textContent = data.title;
    key.replaceChildren();
    const add = (className, text) => entry(key, className, text);
    data.names.forEach((name, i) => add(`fx-state${i}`, data.names.length > 1 ? name : "posterior"));
    add("fx-before", "prior");
    make("span", { class: "fx-muted" }, key, `${data.unit}; each curve scaled to its peak; below: median and 90 % interval`);
    order.replaceChildren();
    const orders = [["network", "of the network"], ["information", "most informative"]];
    if (data.names.length > 1) orders.unshift(["shift", "most different"], ["probability", "surest to differ"]);
    for (const [value, text] of orders) make("option", { value }, order, text);
    const called = data.fluxes.filter((each) => each.change && each.change.changed).length;
    meaning.textContent = data.names.length > 1
      ? `Δ: shift of the median, in widths of the wider interval. P: probability that ${data.names[1]} differs from ${data.names[0]}; ${called} of ${data.fluxes.length} are called changed at a false discovery rate of ${+(100 * data.rate).toPrecision(3)} %, those with q up to ${data.rate}.`
      : "%: information, how much narrower than the prior";
    order.value = data.names.length > 1 ? "shift" : "information";
    refill();
    marginals();
    pairs.show(data.pairs, data.pairs.length ? [data.pairs[model.get("pair")].key] : []);
    joint();
  };
  const follow = () => {
    if (model.get("chosen").join() === chosen.join()) return;
    chosen = [...model.get("chosen")];
    refill();
    marginals();
  };
  const followPair = () => { pairs.show(data.pairs, [data.pairs[model.get("pair")].key]); joint(); };
  search.addEventListener("input", refill);
  order.addEventListener("change", refill);
  near.addEventListener("change", marginals);
  start();
  model.on("change:data", start);
  model.on("change:chosen", follow);
  model.on("change:pair", followPair);
  return () => {
    stop();
    model.off("change:data", start);
    model.off("change:chosen", follow);
    model.off("change:pair", followPair);
  };
}

export default { render };
