// Draws the dictionary that fluxkit.view.map_data computes. It stands behind elements.js in one module, the same for the
// notebook widget and the offline page; no imports, no network.
const SMALL = 0.62; // pixels per map unit below which labels give way to fewer, larger names

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const text = size >= 99.5 ? value.toFixed(0) : size >= 0.995 ? value.toFixed(1) : value.toFixed(2);
  return Number(text) === 0 ? "0" : text.replace("-", "−");
}

function interval(value, lower, upper) {
  return lower === null ? number(value) : `${number(value)} [${number(lower)}, ${number(upper)}]`;
}

function tone(arrow, data) {
  if (!arrow.determined) return "open";
  if (data.compared) {
    const p = arrow.change.probability_higher;
    if (p >= data.clear) return "up";
    if (p <= 1 - data.clear) return "down";
    return "same";
  }
  return arrow.backward ? "backward" : "forward";
}

function describe(arrow) {
  let text = `${arrow.name}: ${arrow.equation}. Net flux ${interval(arrow.net, arrow.net_lower, arrow.net_upper)}`;
  if (arrow.reversible) text += `, exchange ${interval(arrow.exchange, arrow.exchange_lower, arrow.exchange_upper)}`;
  return arrow.determined ? text : `${text}, not determined by the data`;
}

function drawArrow(arrow, data, layer) {
  const group = svg("g", {
    class: `fk-arrow fk-${tone(arrow, data)}`, "data-reaction": arrow.name, "data-net": arrow.net, tabindex: 0,
    role: "button", "aria-pressed": "false", "aria-label": describe(arrow),
  }, layer);
  svg("path", { d: arrow.hit, class: "fk-hit" }, group);
  for (const limb of arrow.limbs) svg("path", { d: limb, class: "fk-limb" }, group);
  for (const tick of arrow.ticks) {
    svg("path", { d: tick.path, class: "fk-tick" }, group);
    svg("text", { x: tick.x, y: tick.y, class: "fk-ticktext", "text-anchor": tick.anchor }, group, tick.text);
  }
  svg("path", { d: arrow.path, class: "fk-line", style: `--w:${arrow.width}` }, group);
  for (const head of arrow.heads) {
    const s = head.size;
    const wide = head.net ? 0.48 * s : 0.42 * s;
    svg("path", {
      d: `M0,0L${-s},${-wide}L${-s * (head.net ? 0.8 : 1)},0L${-s},${wide}Z`, class: head.net ? "fk-head" : "fk-head fk-back",
      transform: `translate(${head.x},${head.y}) rotate(${head.angle})`,
    }, group);
  }
  return group;
}

function drawLabel(arrow, data, layer) {
  const { x, y, anchor, text, value } = arrow.label;
  const range = arrow.label.interval;
  const label = svg("text", {
    class: `fk-label fk-${tone(arrow, data)}`, "data-reaction": arrow.name, x, y, "text-anchor": anchor,
  }, layer);
  svg("tspan", { class: "fk-name", dy: range ? "-0.15em" : "0.35em" }, label, text);
  if (range) svg("tspan", { class: "fk-value", x, dy: "1.08em" }, label, value);
  else svg("tspan", { class: "fk-value", dx: "0.35em" }, label, value);
  if (range) svg("tspan", { class: "fk-range", dx: "0.3em" }, label, range);
}

// What the legend says: class, text and how its icon is drawn; the same for the page and for a saved picture.
function legendItems(data) {
  const plain = data.compared ? "fk-same" : "fk-forward";
  const items = [];
  const line = (className, text, width) => items.push({ className, text, width });
  for (const each of data.legend) line(plain, String(Number(each.flux.toPrecision(1))), each.width);
  items.push({ className: "fk-unit", text: data.unit });
  if (data.compared) {
    line("fk-up", `higher (P ≥ ${data.clear})`, 4);
    line("fk-down", `lower (P ≥ ${data.clear})`, 4);
    line("fk-same", "no clear change", 4);
  } else if (data.arrows.some((each) => each.backward)) {
    line("fk-backward", "runs backward", 4);
  }
  if (data.arrows.some((each) => !each.determined)) line("fk-open", "not determined by the data", 3);
  items.push({ className: plain, text: "reversible", width: 3, both: true });
  return items;
}

function legendIcon(item, group) {
  svg("path", { d: item.both ? "M9,7L25,7" : "M1,7L33,7", class: "fk-line", style: `--w:${item.width}` }, group);
  if (!item.both) return;
  svg("path", { d: "M33,7L23,2.5L25,7L23,11.5Z", class: "fk-head" }, group);
  svg("path", { d: "M1,7L9,3L9,11Z", class: "fk-head fk-back" }, group);
}

function drawLegend(data, root) {
  const legend = html("div", "fk-legend", root);
  for (const item of legendItems(data)) {
    if (!item.width) {
      html("span", "fk-unit", legend, item.text);
      continue;
    }
    const box = html("span", "fk-item", legend);
    const icon = svg("svg", { viewBox: "0 0 34 14", class: "fk-icon", "aria-hidden": "true" }, box);
    legendIcon(item, svg("g", { class: `fk-arrow ${item.className}` }, icon));
    html("span", "", box, item.text);
  }
}

// How often a flux was drawn: bars after the data, a line before them, the interval as a bracket below.
function drawHistogram(kind, arrow, data, panel) {
  const bars = arrow.histograms[kind];
  const [median, lower, upper] = kind === "net" ? [arrow.net, arrow.net_lower, arrow.net_upper]
    : [arrow.exchange, arrow.exchange_lower, arrow.exchange_upper];
  const figure = html("figure", "fk-histogram", panel);
  figure.dataset.kind = kind;
  html("figcaption", "", figure, `${kind} flux${bars.log ? ", logarithmic axis" : ""}`);
  const box = svg("svg", { viewBox: "0 0 212 66", role: "img", "aria-label": `Posterior of the ${kind} flux of ${arrow.name}: `
    + interval(median, lower, upper) }, figure);
  const group = svg("g", { class: `fk-arrow fk-${tone(arrow, data)}` }, box);
  const step = 212 / bars.posterior.length;
  const level = (count) => 46 - (44 * count) / 99;
  bars.posterior.forEach((count, i) => {
    if (count) svg("rect", { x: i * step, y: level(count), width: step - 0.6, height: 46 - level(count), class: "fk-bar1" }, group);
  });
  if (bars.prior) {
    const steps = bars.prior.map((count, i) => `${i ? "L" : "M"}${(i * step).toFixed(1)},${level(count).toFixed(1)}h${step.toFixed(1)}`);
    svg("path", { d: steps.join(""), class: "fk-prior" }, box);
  }
  svg("path", { d: "M0,46.5H212", class: "fk-axis" }, box);
  const scale = (value) => (bars.log ? Math.log10(Math.max(value, 1e-12)) : value);
  const [low, high] = [scale(bars.low), scale(bars.high)];
  const at = (value) => Math.min(212, Math.max(0, (212 * (scale(value) - low)) / (high - low)));
  if (lower !== null) svg("path", { d: `M${at(lower)},48v4H${at(upper)}v-4`, class: "fk-bracket" }, box);
  svg("path", { d: `M${at(median)},47v8`, class: "fk-median" }, box);
  if (!bars.log && bars.low < 0 && bars.high > 0) svg("path", { d: `M${at(0)},2V46`, class: "fk-zero" }, box);
  svg("text", { x: 0, y: 65, class: "fk-end" }, box, number(bars.low));
  svg("text", { x: 212, y: 65, class: "fk-end", "text-anchor": "end" }, box, number(bars.high));
}

function fillPanel(panel, arrow, data, whole) {
  panel.replaceChildren();
  if (!arrow) {
    delete panel.dataset.reaction;
    html("p", "fk-hint", panel, "Point at a reaction, click to keep it, or press / to search.");
    return;
  }
  panel.dataset.reaction = arrow.name;
  panel.dataset.net = arrow.net;
  html("strong", "fk-title", panel, arrow.name);
  html("p", "fk-equation", panel, arrow.equation);
  if (arrow.note) html("p", "fk-note", panel, arrow.note);
  const table = html("table", "", panel);
  const row = (name, value) => {
    const line = html("tr", "", table);
    html("th", "", line, name);
    html("td", "", line, value);
  };
  row("net", interval(arrow.net, arrow.net_lower, arrow.net_upper));
  if (arrow.best !== null && arrow.net_lower !== null) row("best fit", number(arrow.best));
  if (arrow.reversible) {
    row("exchange", interval(arrow.exchange, arrow.exchange_lower, arrow.exchange_upper));
    if (!arrow.exchange_determined) row("", "not determined by the data");
  }
  if (arrow.information !== null) row("information", `${Math.max(0, Math.round(100 * arrow.information))} %`);
  if (arrow.change) {
    row("reference", number(arrow.change.reference));
    row("P(higher)", arrow.change.probability_higher.toFixed(2));
    if (arrow.change.ratio !== null) {
      row("ratio", interval(arrow.change.ratio, arrow.change.ratio_lower, arrow.change.ratio_upper));
    }
  }
  const shown = whole ? ["net", "exchange"].filter((kind) => arrow.histograms?.[kind]) : [];
  for (const kind of shown) drawHistogram(kind, arrow, data, panel);
  if (shown.length) {
    const prior = shown.some((kind) => arrow.histograms[kind].prior) ? "line: before, " : "";
    html("p", "fk-note", panel, `bars: after the data, ${prior}bracket: ${data.interval} interval`);
  }
  if (!arrow.determined) html("p", "fk-warning", panel, "Not determined by the data: about as wide as the prior.");
  const brackets = arrow.net_lower === null || shown.length ? "" : `; [ ] ${data.interval} interval`;
  html("p", "fk-note", panel, `${arrow.unit}${brackets}`);
}

function draw(data, root, onSelect, savePage = null) {
  root.replaceChildren();
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the map
  if (data.title) html("div", "fk-heading", root, data.title);
  const tools = html("div", "fk-bar", root);
  const stage = html("div", "fk-stage", root);
  const map = svg("svg", {
    class: "fk-map", role: "group", "aria-label": data.title || `Flux map of ${data.network}`,
    preserveAspectRatio: "xMidYMid meet",
  }, stage);
  map.style.aspectRatio = `${data.width} / ${data.height}`;
  map.style.maxWidth = `${data.width * 1.9}px`;
  for (const each of data.regions) {
    svg("rect", { x: each.x, y: each.y, width: each.width, height: each.height, rx: 46, class: "fk-region" }, map);
    svg("rect", { x: each.x + 5, y: each.y + 5, width: each.width - 10, height: each.height - 10, rx: 41,
      class: "fk-region fk-inner" }, map);
    svg("text", { x: each.x + 20, y: each.y + each.height - 24, class: "fk-regionname" }, map, each.name);
  }
  const layer = svg("g", {}, map);
  const thinFirst = [...data.arrows].sort((a, b) => b.width - a.width);
  const groups = new Map(thinFirst.map((arrow) => [arrow.name, drawArrow(arrow, data, layer)]));
  const nodes = svg("g", {}, map);
  for (const node of data.nodes) {
    if (!node.text) continue;
    const kind = node.external ? "fk-external" : node.major ? "fk-major" : "fk-minor";
    if (kind === "fk-minor") svg("circle", { cx: node.x, cy: node.y, r: 7, class: "fk-dot" }, nodes);
    svg("text", { x: node.x, y: node.y, dy: "0.35em", class: `fk-node ${kind}`, "data-metabolite": node.name }, nodes, node.text);
  }
  const labels = svg("g", {}, map);
  for (const arrow of data.arrows) drawLabel(arrow, data, labels);

  const panel = html("div", "fk-panel", stage);
  panel.setAttribute("aria-live", "polite");
  drawLegend(data, root);
  const arrows = new Map(data.arrows.map((arrow) => [arrow.name, arrow]));
  let chosen = "";
  const show = (name) => {
    for (const each of map.querySelectorAll(".fk-active")) each.classList.remove("fk-active");
    for (const each of map.querySelectorAll("[data-reaction]")) {
      if (each.dataset.reaction === name) each.classList.add("fk-active");
      if (each.hasAttribute("tabindex")) each.setAttribute("aria-pressed", String(each.dataset.reaction === chosen));
    }
    fillPanel(panel, arrows.get(name), data, name === chosen);
    stepAside(panel, groups.get(name));
  };
  const choose = (name) => { chosen = name; show(name); onSelect(name); };
  for (const each of map.querySelectorAll("[data-reaction]")) {
    const name = each.dataset.reaction;
    each.addEventListener("pointerenter", () => show(name));
    each.addEventListener("pointerleave", () => show(chosen));
    each.addEventListener("click", () => choose(chosen === name ? "" : name));
    if (!each.hasAttribute("tabindex")) continue;
    each.addEventListener("focus", () => show(name));
    each.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose(chosen === name ? "" : name);
    });
  }
  const field = searchField(tools);
  const view = navigate(map, stage, data, root, tools);
  search(field, data, map, root, view, show, choose);
  saveButtons(tools, map, data, root, view, savePage);
  root.onkeydown = (event) => {
    if (event.target === field.input) return;
    if (event.key === "/") {
      event.preventDefault();
      field.input.focus();
    } else if (event.key === "Escape" && chosen) choose("");
  };
  show("");
  return { stop: view.stop, select: (name) => { chosen = name; show(name); }, groups };
}

// The panel leaves the corner in which the reaction is that it speaks of.
function stepAside(panel, group) {
  panel.classList.remove("fk-left");
  if (!group || getComputedStyle(panel).position === "static") return;
  const [box, mine] = [group.getBoundingClientRect(), panel.getBoundingClientRect()];
  panel.classList.toggle("fk-left", box.right > mine.left - 8 && box.top < mine.bottom + 8 && box.bottom > mine.top - 8);
}

function toolButton(text, title, parent, action) {
  const button = html("button", "", parent, text);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.addEventListener("click", action);
  return button;
}

// Zoom and pan move the viewBox; the size of text follows the pixels a map unit takes.
function navigate(map, stage, data, root, tools) {
  const home = { x: 0, y: 0, w: data.width, h: data.height };
  let view = { ...home };
  let moving = 0;
  const apply = () => {
    map.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
    map.style.touchAction = view.w < home.w ? "none" : "pan-y"; // one finger scrolls the page until the map is zoomed
    const box = map.getBoundingClientRect();
    const scale = Math.min(box.width / view.w, box.height / view.h) || 1;
    const shrink = scale > 1.2 ? Math.sqrt(1.2 / scale) : 1;
    const small = scale < SMALL;
    root.classList.toggle("fk-small", small);
    root.classList.toggle("fk-narrow", box.width < 700);
    root.style.setProperty("--node", `${small ? Math.min(9 / scale, 27) : data.font * shrink}px`);
    const grow = scale < 1 ? Math.min(1.12, 1 / scale) : shrink;
    root.style.setProperty("--label", `${data.label_font * grow}px`);
    root.style.setProperty("--k", Math.min(1.8, Math.max(1, 0.6 / scale)));
  };
  const clamp = () => {
    view.x = Math.min(Math.max(view.x, 0), home.w - view.w);
    view.y = Math.min(Math.max(view.y, 0), home.h - view.h);
    apply();
  };
  const zoom = (factor, fx = 0.5, fy = 0.5) => {
    cancelAnimationFrame(moving);
    const w = Math.min(home.w, Math.max(home.w / 12, view.w / factor));
    const h = (w * home.h) / home.w;
    view = { x: view.x + (view.w - w) * fx, y: view.y + (view.h - h) * fy, w, h };
    clamp();
  };
  const reset = () => { cancelAnimationFrame(moving); view = { ...home }; apply(); };
  const glide = (goal) => {
    cancelAnimationFrame(moving);
    const [from, start] = [{ ...view }, performance.now()];
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const frame = (now) => {
      const t = calm ? 1 : Math.min(1, Math.max(0, (now - start) / 260));
      const s = t * t * (3 - 2 * t);
      for (const key of ["x", "y", "w", "h"]) view[key] = from[key] + (goal[key] - from[key]) * s;
      apply();
      if (t < 1) moving = requestAnimationFrame(frame);
    };
    frame(start);
  };
  const centre = (x, y) => { // near enough that every label is shown
    const box = map.getBoundingClientRect();
    const w = Math.min(view.w, home.w / 1.8, Math.max(home.w / 12, box.width / SMALL / 1.15));
    const h = (w * home.h) / home.w;
    const inside = (value, size, whole) => Math.min(Math.max(value - size / 2, 0), whole - size);
    glide({ x: inside(x, w, home.w), y: inside(y, h, home.h), w, h });
  };
  const buttons = html("span", "fk-group", tools);
  toolButton("+", "Zoom in", buttons, () => zoom(1.5));
  toolButton("−", "Zoom out", buttons, () => zoom(1 / 1.5));
  toolButton("⟲", "Whole map", buttons, reset);
  const at = (event) => {
    const box = map.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  map.addEventListener("wheel", (event) => {
    const wanted = event.ctrlKey || event.metaKey || stage.contains(document.activeElement);
    if (!wanted || (event.deltaY > 0 && view.w >= home.w)) return; // else a plain wheel scrolls the notebook
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...at(event));
  }, { passive: false });
  const fingers = new Map();
  let grip = null;
  map.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    grip = { x: event.clientX, y: event.clientY, view: { ...view } };
  });
  map.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const apart = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
    const before = fingers.size === 2 ? apart() : 0;
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      if (before > 0) zoom(apart() / before, ...at(event));
      return;
    }
    if (!grip || view.w >= home.w || Math.hypot(event.clientX - grip.x, event.clientY - grip.y) < 3) return;
    if (!map.hasPointerCapture(event.pointerId)) map.setPointerCapture(event.pointerId);
    const box = map.getBoundingClientRect();
    view.x = grip.view.x - ((event.clientX - grip.x) / box.width) * view.w;
    view.y = grip.view.y - ((event.clientY - grip.y) / box.height) * view.h;
    clamp();
  });
  for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
    map.addEventListener(name, (event) => {
      if (name !== "pointerleave" || !map.hasPointerCapture(event.pointerId)) fingers.delete(event.pointerId);
      grip = null;
    });
  }
  map.addEventListener("dblclick", reset);
  stage.tabIndex = -1; // a click on the map lets the wheel zoom it
  stage.addEventListener("focusin", (event) => { // a zoomed map follows the keyboard
    const arrow = data.arrows.find((each) => each.name === event.target.dataset?.reaction);
    if (!arrow || view.w >= home.w || !event.target.matches(":focus-visible")) return;
    const { x, y } = arrow.label;
    if (x < view.x || x > view.x + view.w || y < view.y || y > view.y + view.h) centre(x, y);
  });
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-" || event.key === "−") zoom(1 / 1.5);
    else if (event.key === "0") reset();
    else if (moves[event.key] && view.w < home.w) {
      view.x += moves[event.key][0] * view.w * 0.15;
      view.y += moves[event.key][1] * view.h * 0.15;
      clamp();
    } else return;
    event.preventDefault();
  });
  const observer = new ResizeObserver(apply);
  observer.observe(stage);
  apply();
  return { apply, centre, stop: () => { cancelAnimationFrame(moving); observer.disconnect(); } };
}

function searchField(tools) {
  const box = html("span", "fk-search", tools);
  const input = html("input", "", box);
  input.type = "search";
  input.placeholder = "Reaction or metabolite";
  input.setAttribute("aria-label", "Search a reaction or metabolite; Enter goes to the next");
  const status = html("span", "fk-status", box);
  status.setAttribute("aria-live", "polite");
  const list = html("datalist", "", box);
  list.id = `fk-names-${Math.random().toString(36).slice(2)}`;
  input.setAttribute("list", list.id);
  return { input, status, list };
}

function plainText(text) {
  return text.toLowerCase().replaceAll("α", "a").replaceAll("β", "b").replaceAll("γ", "g").trim();
}

// Everything that matches, best first: a whole name before a beginning, a beginning before a part, names before equations.
function findOnMap(query, data) {
  const wanted = plainText(query);
  if (!wanted) return [];
  const rank = (names, more = "") => {
    const plain = names.filter(Boolean).map(plainText);
    if (plain.includes(wanted)) return 0;
    if (plain.some((each) => each.startsWith(wanted))) return 1;
    if (plain.some((each) => each.includes(wanted))) return 2;
    return wanted.length > 2 && plainText(more).includes(wanted) ? 3 : 4;
  };
  const found = [
    ...data.nodes.map((each) => ({ kind: "metabolite", name: each.name, x: each.x, y: each.y,
      rank: rank([each.name, each.text, ...(each.also || [])]) - (each.external ? 0 : 0.5) })),
    ...data.arrows.map((each) => ({ kind: "reaction", name: each.name, x: each.label.x, y: each.label.y,
      rank: rank([each.name], `${each.equation} ${each.note}`) })),
  ];
  return found.filter((each) => each.rank < 3.2).sort((a, b) => a.rank - b.rank || a.name.length - b.name.length);
}

function search(field, data, map, root, view, show, choose) {
  const names = new Set([...data.arrows.map((each) => each.name), ...data.nodes.flatMap((each) => [each.text, ...(each.also || [])])]);
  for (const name of [...names].filter(Boolean).sort()) html("option", "", field.list).value = name;
  let found = [];
  let place = 0;
  const go = () => {
    for (const each of map.querySelectorAll(".fk-found, .fk-best")) each.classList.remove("fk-found", "fk-best");
    root.classList.toggle("fk-searching", found.length > 0);
    field.status.textContent = !field.input.value.trim() ? "" : found.length ? `${place + 1} of ${found.length}: ${found[place].name}` : "nothing found";
    if (!found.length) return;
    const best = found[place];
    const hits = new Set(found.map((each) => each.name));
    for (const each of map.querySelectorAll("[data-reaction], [data-metabolite]")) {
      const name = each.dataset.reaction || each.dataset.metabolite;
      const arrow = each.dataset.reaction && data.arrows.find((one) => one.name === name);
      const near = arrow && best.kind === "metabolite" && arrow.equation.split(" ").includes(best.name);
      each.classList.toggle("fk-found", Boolean(hits.has(name) || near));
      each.classList.toggle("fk-best", name === best.name);
    }
    view.centre(best.x, best.y);
    show(best.kind === "reaction" ? best.name : "");
  };
  field.input.addEventListener("input", () => {
    found = findOnMap(field.input.value, data);
    place = 0;
    go();
    if (!found.length) show("");
  });
  field.input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      field.input.value = "";
      found = [];
      go();
      show("");
    } else if (event.key === "Enter" && found.length) {
      event.preventDefault();
      if (found[place].kind === "reaction" && map.querySelector(`.fk-best[aria-pressed="false"]`)) choose(found[place].name);
      else {
        place = (place + (event.shiftKey ? found.length - 1 : 1)) % found.length;
        go();
      }
    }
  });
}

const KEPT = {
  text: ["fill", "font-size", "font-weight", "font-style", "text-anchor", "dominant-baseline"],
  shape: ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity"],
};
const USUAL = { stroke: "none", opacity: "1", "stroke-dasharray": "none", "font-weight": "400", "font-style": "normal",
  "text-anchor": "start", "stroke-linejoin": "miter", "dominant-baseline": "auto" };

// The whole map as a picture of its own: styles become attributes, which drawing programs read.
function mapSvg(map, data, root, view) {
  const before = root.className;
  root.classList.remove("fk-small", "fk-narrow", "fk-searching");
  for (const [key, value] of [["--node", `${data.font}px`], ["--label", `${data.label_font}px`], ["--k", "1"]]) root.style.setProperty(key, value);
  const marks = ["fk-active", "fk-found", "fk-best"];
  const marked = [...map.querySelectorAll(marks.map((each) => `.${each}`).join())].map((each) => [each, each.getAttribute("class")]);
  for (const [each] of marked) each.classList.remove(...marks);
  const legend = svg("g", { transform: `translate(12, ${data.height + 8})` }, map);
  let [x, y] = [0, 0];
  for (const item of legendItems(data)) {
    const width = (item.width ? 42 : 0) + item.text.length * 6.2 + 18;
    if (x + width > data.width - 24) [x, y] = [0, y + 20];
    const group = svg("g", { transform: `translate(${x},${y})`, class: `fk-arrow ${item.className}` }, legend);
    if (item.width) legendIcon(item, group);
    svg("text", { x: item.width ? 42 : 0, y: 11, class: "fk-label" }, group, item.text);
    x += width;
  }
  const top = data.title ? 34 : 0;
  const height = data.height + y + 34 + top;
  const styles = getComputedStyle(root);
  const copy = svg("svg", { width: data.width, height, viewBox: `0 ${-top} ${data.width} ${height}`,
    "font-family": "Helvetica Neue, Liberation Sans, Arial, sans-serif" });
  svg("title", {}, copy, data.title || `Flux map of ${data.network}`);
  svg("rect", { x: 0, y: -top, width: data.width, height, fill: styles.backgroundColor }, copy);
  if (data.title) svg("text", { x: 12, y: -12, "font-size": 16, "font-weight": 600, fill: styles.color }, copy, data.title);
  for (const child of map.childNodes) copyStyled(child, copy);
  legend.remove();
  for (const [each, names] of marked) each.setAttribute("class", names);
  root.className = before;
  view.apply();
  return new XMLSerializer().serializeToString(copy);
}

function copyStyled(node, parent) {
  if (node.nodeType === 3) {
    parent.appendChild(document.createTextNode(node.textContent));
    return;
  }
  const style = getComputedStyle(node);
  if (style.display === "none" || node.classList.contains("fk-hit")) return;
  const text = node.tagName === "text" || node.tagName === "tspan";
  const one = svg(node.tagName, {}, parent);
  for (const { name, value } of node.attributes) {
    if (!["class", "style", "tabindex", "role", "aria-label", "aria-pressed"].includes(name)) one.setAttribute(name, value);
  }
  if (node.tagName !== "g") {
    for (const name of KEPT[text ? "text" : "shape"]) {
      const value = style.getPropertyValue(name).replace(/px/g, "");
      if (value !== USUAL[name] && !(style.stroke === "none" && name.startsWith("stroke"))) one.setAttribute(name, value);
    }
  }
  for (const child of node.childNodes) copyStyled(child, one);
  if (node.tagName !== "text" || style.stroke === "none") return;
  const halo = one.cloneNode(true); // below the letters: not every program knows paint-order
  for (const each of [halo, ...halo.querySelectorAll("*")]) {
    for (const [name, value] of [["fill", "none"], ["stroke", style.stroke], ["stroke-width", 3], ["stroke-linejoin", "round"], ["stroke-opacity", 0.85]]) {
      each.setAttribute(name, value);
    }
    for (const name of ["data-reaction", "data-metabolite"]) each.removeAttribute(name);
  }
  halo.setAttribute("aria-hidden", "true");
  parent.insertBefore(halo, one);
}

function saveFile(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveButtons(tools, map, data, root, view, savePage) {
  const group = html("span", "fk-group fk-save", tools);
  const name = `${data.network || "flux"}_map`.replace(/[^\w-]+/g, "_");
  toolButton("SVG", "Save as SVG", group, () => saveFile(`${name}.svg`, mapSvg(map, data, root, view), "image/svg+xml"));
  toolButton("PNG", "Save as PNG", group, () => {
    const source = mapSvg(map, data, root, view);
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [picture.width * 2, picture.height * 2];
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => saveFile(`${name}.png`, blob));
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(source)}`;
  });
  if (savePage) toolButton("HTML", "Save as a page that opens offline", group, () => savePage((page) => saveFile(`${name}.html`, page, "text/html")));
}

// A page knows its own text; in a notebook Python writes it.
function pageSaver(model) {
  if (model.page) return (save) => save(model.page());
  if (!model.send) return null;
  return (save) => {
    const answer = (message) => {
      if (message?.page === undefined) return;
      model.off("msg:custom", answer);
      save(message.page);
    };
    model.on("msg:custom", answer);
    model.send({ wants: "page" });
  };
}

function render({ model, el }) {
  const root = html("div", "fluxkit-map", el);
  let drawn = null;
  const redraw = () => {
    if (drawn) drawn.stop();
    root.dataset.theme = model.get("theme");
    const select = (name) => { model.set("selected", name); model.save_changes(); };
    drawn = draw(model.get("data"), root, select, pageSaver(model));
    drawn.select(model.get("selected"));
  };
  const select = () => drawn.select(model.get("selected"));
  redraw();
  model.on("change:data", redraw);
  model.on("change:theme", redraw);
  model.on("change:selected", select);
  return () => {
    drawn.stop();
    model.off("change:data", redraw);
    model.off("change:theme", redraw);
    model.off("change:selected", select);
  };
}

export default { render };
