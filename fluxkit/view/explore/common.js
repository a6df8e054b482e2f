// What the widgets of this folder share: elements, numbers, a list that the keyboard walks through, the page colours.
const SVG = "http://www.w3.org/2000/svg";

function make(tag, attributes = {}, parent = null, text = null) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function shape(tag, attributes = {}, parent = null, text = null) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  if (parent) parent.appendChild(node);
  return node;
}

function minus(text) {
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

function flux(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.1) return minus(String(Number(value.toPrecision(2))));
  return minus(size >= 99.5 ? value.toFixed(0) : size >= 9.95 ? value.toFixed(1) : value.toFixed(2));
}

function shifted(name) {
  return name.replace("M+", "");
}

// Mass shifts below the bars; names of isotopologues where the isotopes are told apart.
function ticks(names, x, y, parent, most = 14) {
  const step = Math.ceil(names.length / most);
  const bare = names.every((name) => name.startsWith("M+"));
  names.forEach((name, i) => {
    if (i % step === 0) {
      shape("text", { x: x(i), y, class: "fx-tick", "text-anchor": "middle" }, parent, bare ? shifted(name) : String(i));
    }
  });
}

function frame(el, model) {
  const root = make("section", { class: "fluxkit-explore" }, el);
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the widget,
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the arrow keys of its notebook, too
  const paint = () => { root.dataset.theme = model.get("theme"); };
  paint();
  model.on("change:theme", paint);
  const observer = new ResizeObserver(() => {
    const width = root.clientWidth;
    root.classList.toggle("fx-narrow", width < 640);
    root.classList.toggle("fx-wide", width >= 1500);
  });
  observer.observe(root);
  return { root, stop: () => { observer.disconnect(); model.off("change:theme", paint); } };
}

let counted = 0;

// One entry of a legend; it stays on one line.
function entry(key, className, text) {
  const item = make("span", { class: "fx-item" }, key);
  make("span", { class: `fx-swatch ${className}` }, item);
  make("span", {}, item, text);
}

function labeled(parent, text, control) {
  const box = make("label", { class: "fx-field" }, parent);
  make("span", {}, box, text);
  box.appendChild(control);
  return control;
}

// A list box: arrow keys, Home, End and pages move; in a list of one choice they choose, in one of many Space does.
// A locked one is only looked at.
function listBox(parent, { label, many = false, locked = false, fill, onChoose }) {
  const id = `fx-list-${counted += 1}`;
  const list = make("div", { class: "fx-list", role: "listbox", tabindex: 0, "aria-label": label, id }, parent);
  if (many) list.setAttribute("aria-multiselectable", "true");
  if (locked) list.setAttribute("aria-disabled", "true");
  let items = [], active = 0, chosen = new Set();
  const mark = (scroll) => {
    [...list.children].forEach((node, i) => {
      node.classList.toggle("fx-active", i === active);
      if (node.hasAttribute("role")) node.setAttribute("aria-selected", chosen.has(node.dataset.key));
    });
    const node = list.children[active];
    if (!items.length || !node) { list.removeAttribute("aria-activedescendant"); return; }
    list.setAttribute("aria-activedescendant", node.id);
    if (!scroll) return;
    if (node.offsetTop < list.scrollTop) list.scrollTop = node.offsetTop;
    const below = node.offsetTop + node.offsetHeight - list.clientHeight;
    if (below > list.scrollTop) list.scrollTop = below;
  };
  const pick = (index) => {
    if (!items.length) return;
    active = Math.max(0, Math.min(items.length - 1, index));
    const key = items[active].key;
    if (locked) { mark(true); return; }
    if (!many) { chosen = new Set([key]); mark(true); onChoose(key); return; }
    if (chosen.has(key)) chosen.delete(key); else chosen.add(key);
    mark(true);
    onChoose([...chosen]);
  };
  const walk = (index) => {
    if (!many) { pick(index); return; }
    active = Math.max(0, Math.min(items.length - 1, index));
    mark(true);
  };
  list.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1, PageDown: 8, PageUp: -8 };
    if (event.key in steps) walk(active + steps[event.key]);
    else if (event.key === "Home") walk(0);
    else if (event.key === "End") walk(items.length - 1);
    else if (event.key === " " || event.key === "Enter") pick(active);
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const node = event.target.closest("[role=option]");
    if (node) pick([...list.children].indexOf(node));
  });
  return {
    list,
    show(next, keys) {
      const held = items[active] && items[active].key;
      items = next;
      chosen = new Set(keys);
      list.replaceChildren();
      items.forEach((item, i) => {
        const node = make("div", { role: "option", id: `${id}-${i}`, class: "fx-option", "data-key": item.key }, list);
        fill(node, item);
      });
      if (!items.length) make("div", { class: "fx-none" }, list, "nothing matches");
      const wanted = many ? held : keys[0];
      active = Math.max(0, items.findIndex((item) => item.key === wanted));
      mark(true);
    },
    walk: (step) => walk(active + step),
  };
}

function matches(query, text) {
  return query.toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));
}

// Round numbers within a range, four or so.
function roundTicks(low, high, count = 4) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((each) => each * power >= raw) * power;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-6; value += step) found.push(value);
  return found.map((value) => ({ at: value, text: minus(String(Number(value.toPrecision(6)))) }));
}

// The same on an axis of decimal logarithms: powers of ten, 2 and 5 between them, or any round numbers.
function logTicks(low, high) {
  const powers = [];
  for (let p = Math.ceil(low); p <= high; p += 1) powers.push(p);
  const keep = Math.max(1, Math.ceil(powers.length / 5));
  if (powers.length >= 3) {
    return powers.filter((p) => p % keep === 0).map((p) => ({ at: p, text: String(Number((10 ** p).toPrecision(1))) }));
  }
  const found = [];
  for (let p = Math.floor(low); p <= high; p += 1) {
    for (const m of [1, 2, 5]) {
      const at = p + Math.log10(m);
      if (at >= low && at <= high) found.push({ at, text: String(Number((m * 10 ** p).toPrecision(1))) });
    }
  }
  if (found.length >= 3) return found;
  return roundTicks(10 ** low, 10 ** high).filter((each) => each.at > 0).map((each) => ({ at: Math.log10(each.at), text: each.text }));
}
