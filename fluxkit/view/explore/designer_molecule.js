// The drawn molecule: each labelable atom is a box to check, by click or by key.
const WORDS = { C: "carbon", N: "nitrogen", H: "hydrogen" };
const HEAVY = { C: "¹³C", N: "¹⁵N", H: "²H" };

function moleculeEditor(parent, { onChange, locked }) {
  const box = make("div", { class: "td-molecule" }, parent);
  const tools = make("div", { class: "td-tools", role: "group", "aria-label": "Label many atoms" }, parent);
  let drawn = "", nodes = [], atoms = [], chosen = new Set(), focus = 0;

  const paint = () => {
    nodes.forEach((node, i) => {
      const atom = atoms[i], on = chosen.has(atom.key);
      node.classList.toggle("td-heavy", on);
      node.setAttribute("aria-checked", on);
      node.setAttribute("tabindex", i === focus ? 0 : -1);
      node.querySelector("text").textContent = on ? HEAVY[atom.element] : atom.element;
    });
  };
  const change = (next) => { if (locked) return; chosen = next; paint(); onChange(atoms.map((each) => each.key).filter((key) => next.has(key))); };
  const toggle = (i) => {
    const next = new Set(chosen);
    if (!next.delete(atoms[i].key)) next.add(atoms[i].key);
    focus = i;
    change(next);
  };
  const go = (i) => { focus = Math.max(0, Math.min(atoms.length - 1, i)); paint(); nodes[focus].focus(); };
  const nearest = (test) => { // the nearest atom above or below
    const here = atoms[focus];
    const far = (each) => Math.hypot(2 * (each.x - here.x), each.y - here.y);
    const found = atoms.filter(test).sort((a, b) => far(a) - far(b))[0];
    if (found) go(atoms.indexOf(found));
  };
  const pressed = (event) => {
    const here = atoms[focus], row = atoms.filter((each) => each.element === here.element);
    const step = (by) => { const next = row[row.indexOf(here) + by]; if (next) go(atoms.indexOf(next)); };
    if (event.key === "ArrowRight") step(1);
    else if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowDown") nearest((each) => each.y > here.y + 20);
    else if (event.key === "ArrowUp") nearest((each) => each.y < here.y - 20);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(atoms.length - 1);
    else if (event.key === " " || event.key === "Enter") toggle(focus);
    else return;
    event.preventDefault();
  };

  const draw = (molecule) => {
    box.replaceChildren();
    tools.replaceChildren();
    ({ atoms } = molecule);
    focus = 0;
    const groups = atoms.some((each) => each.group), tall = molecule.height + (groups ? 22 : 0);
    const wide = Math.max(molecule.width, 120);
    const plot = shape("svg", { viewBox: `${(molecule.width - wide) / 2} 0 ${wide} ${tall}`, role: "group",
      "aria-label": `${molecule.title}: atoms; arrow keys walk${locked ? "" : ", Space labels"}` }, box);
    plot.style.maxWidth = `${wide}px`;
    plot.style.setProperty("--wide", `${1.35 * wide}px`);
    const places = new Map(atoms.map((each) => [each.key, each]));
    for (const atom of atoms) {
      const home = places.get(atom.bond);
      if (home) shape("line", { x1: home.x, y1: home.y, x2: atom.x, y2: atom.y, class: "td-bond" }, plot);
    }
    nodes = atoms.map((atom, i) => {
      const name = `${WORDS[atom.element]} ${atom.position}${atom.group ? `, ${atom.group}` : ""}${atom.element !== "C" && atom.bond ? `, at carbon ${atom.bond.slice(1)}` : ""}, ${atom.isotope}`;
      const node = shape("g", { class: `td-atom td-${atom.element}`, role: "checkbox", "aria-label": name, "aria-disabled": locked, "data-key": atom.key }, plot);
      shape("title", {}, node, name);
      const { x, y, radius: r } = atom;
      if (atom.element === "N") shape("rect", { x: x - r + 1, y: y - r + 1, width: 2 * r - 2, height: 2 * r - 2, rx: 6 }, node);
      else shape("circle", { cx: x, cy: y, r }, node);
      shape("text", { x, y: y + (r > 15 ? 5 : 4), "text-anchor": "middle", class: r > 15 ? "" : "td-small" }, node);
      node.addEventListener("click", () => { toggle(i); nodes[i].focus(); });
      node.addEventListener("keydown", pressed);
      return node;
    });
    for (const atom of atoms.filter((each) => each.element === "C" || !each.bond)) {
      const up = atom.element !== "C" || atom.y > molecule.atoms[0].y; // the number stands inside the zigzag
      if (atom.element === "C" && atoms.length > 1) {
        shape("text", { x: atom.x, y: up ? atom.y - atom.radius - 4 : atom.y + atom.radius + 12, class: "fx-tick", "text-anchor": "middle" }, plot, atom.position);
      }
      if (atom.group) shape("text", { x: atom.x, y: tall - 4, class: "fx-tick td-group", "text-anchor": "middle" }, plot, atom.group.replace(/H(\d)/g, (_, n) => `H${"₀₁₂₃₄"[n]}`).replace("CO2", "CO₂").replace("HCO3", "HCO₃"));
    }
    for (const element of molecule.elements) {
      const all = atoms.filter((each) => each.element === element);
      if (all.length < 2) continue;
      const button = make("button", { type: "button", class: "td-all" }, tools, `All ${HEAVY[element]}`);
      button.addEventListener("click", () => change(new Set([...chosen, ...all.map((each) => each.key)])));
    }
    const none = make("button", { type: "button", class: "td-none" }, tools, "None");
    none.addEventListener("click", () => change(new Set()));
  };
  return {
    show(molecule, keys) {
      if (drawn !== molecule.pool) { drawn = molecule.pool; draw(molecule); }
      chosen = new Set(keys);
      paint();
    },
  };
}
