// Draws the dictionary that fluxkit.view.map_data computes. No imports, no network: the same file serves the notebook
// widget and the offline page.
const NS = "http://www.w3.org/2000/svg";
const SMALL = 0.62; // pixels per map unit below which labels give way to fewer, larger names

function svg(tag, attributes = {}, parent = null, text = null) {
  const node = document.createElementNS(NS, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function html(tag, className, parent, text = null) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

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
    role: "img", "aria-label": describe(arrow),
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

function drawLegend(data, root) {
  const legend = html("div", "fk-legend", root);
  const item = (className, text, shape) => {
    const box = html("span", "fk-item", legend);
    const icon = svg("svg", { viewBox: "0 0 34 14", class: "fk-icon" }, box);
    const group = svg("g", { class: `fk-arrow ${className}` }, icon);
    shape(group);
    html("span", "", box, text);
  };
  const line = (width) => (group) => svg("path", { d: "M1,7L33,7", class: "fk-line", style: `--w:${width}` }, group);
  const plain = data.compared ? "fk-same" : "fk-forward";
  for (const each of data.legend) item(plain, String(Number(each.flux.toPrecision(1))), line(each.width));
  html("span", "fk-unit", legend, data.unit);
  if (data.compared) {
    item("fk-up", `higher (P ≥ ${data.clear})`, line(4));
    item("fk-down", `lower (P ≥ ${data.clear})`, line(4));
    item("fk-same", "no clear change", line(4));
  } else if (data.arrows.some((each) => each.backward)) {
    item("fk-backward", "runs backward", line(4));
  }
  if (data.arrows.some((each) => !each.determined)) item("fk-open", "not determined by the data", line(3));
  item(plain, "reversible", (group) => {
    svg("path", { d: "M9,7L25,7", class: "fk-line", style: "--w:3" }, group);
    svg("path", { d: "M33,7L23,2.5L25,7L23,11.5Z", class: "fk-head" }, group);
    svg("path", { d: "M1,7L9,3L9,11Z", class: "fk-head fk-back" }, group);
  });
}

function fillPanel(panel, arrow, data) {
  panel.replaceChildren();
  if (!arrow) {
    html("p", "fk-hint", panel, "Point at a reaction, or reach it with Tab.");
    return;
  }
  panel.dataset.reaction = arrow.name;
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
  if (!arrow.determined) html("p", "fk-warning", panel, "Not determined by the data: about as wide as the prior.");
  const brackets = arrow.net_lower === null ? "" : `; [ ] ${data.interval} interval`;
  html("p", "fk-note", panel, `${arrow.unit}${brackets}`);
}

function draw(data, root, onSelect) {
  root.replaceChildren();
  if (data.title) html("div", "fk-heading", root, data.title);
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
    }
    fillPanel(panel, arrows.get(name), data);
  };
  const choose = (name) => { chosen = name; show(name); onSelect(name); };
  for (const each of map.querySelectorAll("[data-reaction]")) {
    const name = each.dataset.reaction;
    each.addEventListener("pointerenter", () => show(name));
    each.addEventListener("pointerleave", () => show(chosen));
    each.addEventListener("click", () => choose(chosen === name ? "" : name));
    if (each.hasAttribute("tabindex")) each.addEventListener("focus", () => show(name));
  }
  show("");
  const stop = navigate(map, stage, data, root);
  return { stop, select: (name) => { chosen = name; show(name); }, groups };
}

// Zoom and pan move the viewBox; the size of text follows the pixels a map unit takes.
function navigate(map, stage, data, root) {
  const home = { x: 0, y: 0, w: data.width, h: data.height };
  let view = { ...home };
  const apply = () => {
    map.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
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
  const zoom = (factor, fx = 0.5, fy = 0.5) => {
    const w = Math.min(home.w, Math.max(home.w / 12, view.w / factor));
    const h = (w * home.h) / home.w;
    view = { x: view.x + (view.w - w) * fx, y: view.y + (view.h - h) * fy, w, h };
    clamp();
  };
  const clamp = () => {
    view.x = Math.min(Math.max(view.x, 0), home.w - view.w);
    view.y = Math.min(Math.max(view.y, 0), home.h - view.h);
    apply();
  };
  const reset = () => { view = { ...home }; apply(); };
  const bar = html("div", "fk-bar", stage);
  for (const [text, title, action] of [
    ["+", "Zoom in", () => zoom(1.5)], ["−", "Zoom out", () => zoom(1 / 1.5)], ["⟲", "Whole map", reset],
  ]) {
    const button = html("button", "", bar, text);
    button.type = "button";
    button.title = title;
    button.setAttribute("aria-label", title);
    button.addEventListener("click", action);
  }
  map.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the notebook
    event.preventDefault();
    const box = map.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 300), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  let grip = null;
  map.addEventListener("pointerdown", (event) => { grip = { x: event.clientX, y: event.clientY, view: { ...view } }; });
  map.addEventListener("pointermove", (event) => {
    if (!grip || view.w >= home.w) return;
    if (!map.hasPointerCapture(event.pointerId)) map.setPointerCapture(event.pointerId);
    const box = map.getBoundingClientRect();
    view.x = grip.view.x - ((event.clientX - grip.x) / box.width) * view.w;
    view.y = grip.view.y - ((event.clientY - grip.y) / box.height) * view.h;
    clamp();
  });
  for (const name of ["pointerup", "pointercancel"]) map.addEventListener(name, () => { grip = null; });
  map.addEventListener("dblclick", reset);
  const observer = new ResizeObserver(apply);
  observer.observe(stage);
  apply();
  return () => observer.disconnect();
}

function render({ model, el }) {
  const root = html("div", "fluxkit-map", el);
  let drawn = null;
  const redraw = () => {
    if (drawn) drawn.stop();
    root.dataset.theme = model.get("theme");
    drawn = draw(model.get("data"), root, (name) => { model.set("selected", name); model.save_changes(); });
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
