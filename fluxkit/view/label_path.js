// Plays the dictionary that fluxkit.view.label_path_data computes. It stands behind elements.js in one module, the same for
// the notebook widget and the offline page; no imports, no network.
const ISOTOPE = { C: "carbon (13C)", N: "nitrogen (15N)", H: "hydrogen (2H)" };
const SPEEDS = [0.5, 1, 2, 4];
const ICONS = {
  start: "M3,3h2v10H3zM13,3v10L6,8z", back: "M12,3v10L4,8z", play: "M4,2.5v11L13,8z", pause: "M4,3h3v10H4zM9,3h3v10H9z",
  next: "M4,3v10L12,8z", end: "M11,3h2v10h-2zM3,3v10L10,8z",
};

function percent(fraction) {
  const value = 100 * fraction;
  return value >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(1);
}

function iconButton(name, title, parent, action) {
  const button = html("button", `lp-${name}`, parent);
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  svg("path", { d: ICONS[name] }, svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, button));
  button.addEventListener("click", action);
  return button;
}

// A molecule: its name, and a dot for each atom of the elements that are labeled.
function drawMolecule(pool, index, parent) {
  const card = html("div", "lp-card", parent);
  card.dataset.pool = pool.name;
  const [stem, ...rest] = pool.name.replace(/_x$/, "").split(".");
  const name = html("div", "lp-name", card, stem);
  if (rest.length) html("small", "", name, `.${rest.join(".")}`);
  if (pool.symmetric) html("small", "lp-symmetric", name, " symmetric");
  const dots = new Map();
  for (const [element, count] of Object.entries(pool.atoms)) {
    const row = html("div", `lp-row lp-${element}`, card);
    for (let i = 0; i < count; i += 1) {
      const dot = html("span", "lp-atom", row);
      dot.dataset.atom = `${element}${i + 1}`;
      html("span", "lp-position", dot, i === 0 && Object.keys(pool.atoms).length > 1 ? `${element}1` : String(i + 1));
      const box = svg("svg", { viewBox: "-10 -10 20 20", "aria-hidden": "true" }, dot);
      svg("circle", { r: 8, class: "lp-ring" }, box);
      const fill = svg("circle", { r: 0, class: "lp-fill" }, box);
      const label = html("span", "lp-percent", dot);
      dots.set(`${element}${i}`, { dot, fill, label, box });
    }
  }
  return { card, dots, index, pool };
}

function drawControls(data, root, act) {
  const bar = html("div", "lp-controls", root);
  const group = html("span", "lp-group", bar);
  iconButton("start", "Back to the start (Home)", group, () => act.go(0));
  iconButton("back", "One step back (left arrow)", group, () => act.by(-1));
  const play = iconButton("play", "Play (space)", group, () => act.toggle());
  iconButton("next", "One step on (right arrow)", group, () => act.by(1));
  iconButton("end", "To the end (End)", group, () => act.go(Infinity));
  const slider = html("input", "lp-slider", bar);
  slider.type = "range";
  slider.min = 0;
  slider.setAttribute("aria-label", "Step");
  slider.addEventListener("input", () => act.go(Number(slider.value)));
  const speed = select("speed", "lp-speed", SPEEDS.map((each) => [each, `${each}×`]), bar, (value) => act.speed(Number(value)));
  const choice = data.choices.length > 1
    ? select("follow", "lp-choice", data.choices.map((each, i) => [i, each.name]), bar, (value) => act.follow(Number(value))) : null;
  return { play, slider, speed, choice };
}

function select(label, className, options, parent, action) {
  const box = html("label", "lp-select", parent, `${label} `);
  const field = html("select", className, box);
  for (const [value, text] of options) html("option", "", field, text).value = value;
  field.addEventListener("change", () => action(field.value));
  return field;
}

function draw(data, root, model) {
  root.replaceChildren();
  root.dataset.lmSuppressShortcuts = "true"; // JupyterLab leaves the keys to the player
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", `Path of ${data.tracer}; space plays, arrow keys step, comma and full stop change the speed`);
  const state = { step: 0, choice: 0, speed: 1, playing: false };
  let timer = 0;
  let flights = [];
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  const heading = html("div", "lp-heading", root, data.title || data.tracer);
  if (data.title) html("span", "lp-tracer", heading, data.tracer);
  const act = {
    go: (step) => { pause(); move(step); },
    by: (change) => { pause(); move(state.step + change); },
    toggle: () => (state.playing ? pause() : play()),
    speed: (value) => { state.speed = value; controls.speed.value = String(value); share("speed", value); },
    follow: (value) => { pause(); state.choice = value; share("choice", value); move(0); },
  };
  const controls = drawControls(data, root, act);
  const said = html("div", "lp-said", root);
  said.setAttribute("aria-live", "polite");
  const count = html("span", "lp-count", said);
  const text = html("span", "lp-text", said);
  const stage = html("div", "lp-stage", root);
  const board = html("div", "lp-board", stage);
  const molecules = [];
  let row = null;
  data.pools.forEach((pool, index) => {
    if (!row || row.distance !== pool.distance) {
      const layer = html("div", "lp-layer", board);
      html("div", "lp-distance", layer, pool.distance === 0 ? "tracer" : String(pool.distance)).title =
        pool.distance === 1 ? "1 reaction away" : `${pool.distance} reactions away`;
      row = { distance: pool.distance, cards: html("div", "lp-cards", layer) };
    }
    molecules.push(drawMolecule(pool, index, row.cards));
  });
  const overlay = svg("svg", { class: "lp-overlay", "aria-hidden": "true" }, board);
  const legend = html("div", "lp-legend", root);
  for (const element of data.elements) html("span", `lp-key lp-${element}`, legend, ISOTOPE[element]);
  html("span", "lp-note", legend, "filled area and number: labeled fraction in %, at steady state");
  html("span", "lp-note", legend, "left: reactions from the tracer");
  if (data.hidden) html("span", "lp-note", legend, `${data.hidden} ${data.hidden === 1 ? "metabolite" : "metabolites"} with less than ${Number((100 * data.smallest).toPrecision(2))} % left out`);

  const choice = () => data.choices[state.choice];
  const share = (key, value) => { model.set(key, value); model.save_changes(); };

  function reached() {
    const found = new Set(choice().start.map(([pool, element, position]) => `${pool}:${element}${position}`));
    for (const step of choice().steps.slice(0, state.step)) {
      for (const [, element, , position] of step.moves) found.add(`${step.target}:${element}${position}`);
    }
    return found;
  }

  function paint() {
    const found = reached();
    const step = choice().steps[state.step - 1];
    for (const each of molecules) {
      let any = false;
      for (const [key, { dot, fill, label }] of each.dots) {
        const here = found.has(`${each.index}:${key}`);
        any ||= here;
        const fraction = here ? choice().fractions[each.index][key[0]][Number(key.slice(1))] : 0;
        fill.setAttribute("r", (7.2 * Math.sqrt(fraction)).toFixed(2));
        label.textContent = here ? percent(fraction) : "";
        dot.dataset.fraction = here ? fraction : "";
        const arriving = step && step.target === each.index && step.moves.some(([, element, , to]) => `${element}${to}` === key);
        dot.classList.toggle("lp-arriving", Boolean(arriving));
      }
      each.card.classList.toggle("lp-waiting", !any);
      each.card.classList.toggle("lp-target", Boolean(step) && step.target === each.index);
      each.card.classList.toggle("lp-source", Boolean(step) && step.moves.some(([from]) => from === each.index));
    }
    controls.slider.max = choice().steps.length;
    controls.slider.value = state.step;
    controls.slider.setAttribute("aria-valuetext", step ? step.text : "start");
    count.textContent = `${state.step} / ${choice().steps.length}`;
    text.textContent = step ? step.text : `${choice().name} in ${data.tracer}: press play, or step with the arrow keys`;
    text.title = step ? step.equation : "";
    root.dataset.step = state.step;
    root.dataset.reaction = step ? step.reaction : "";
    root.dataset.state = state.playing ? "playing" : "paused";
    drawWay(step);
  }

  const middle = (element, box) => {
    const own = element.getBoundingClientRect();
    return { x: own.left - box.left + own.width / 2, y: own.top - box.top + own.height / 2 };
  };

  function drawWay(step) {
    for (const each of flights) each.cancel();
    flights = [];
    overlay.replaceChildren();
    if (!step) return;
    const box = board.getBoundingClientRect();
    overlay.setAttribute("width", box.width);
    overlay.setAttribute("height", box.height);
    const size = 8 * (molecules[0].dots.values().next().value.box.getBoundingClientRect().width / 20);
    const pace = 800 / state.speed;
    for (const [from, element, position, to] of step.moves) {
      const [a, b] = [molecules[from].dots.get(`${element}${position}`), molecules[step.target].dots.get(`${element}${to}`)]
        .map((each) => middle(each.box, box));
      const bend = Math.abs(b.y - a.y) < 30 ? -46 : 0;
      const way = bend ? -1 : Math.sign(b.y - a.y); // from rim to rim
      a.y += way * size;
      b.y -= bend ? size : way * size;
      const [c, d] = [{ x: a.x, y: a.y + (bend || (b.y - a.y) * 0.45) }, { x: b.x, y: b.y + (bend || -(b.y - a.y) * 0.45) }];
      const path = `M${a.x},${a.y}C${c.x},${c.y} ${d.x},${d.y} ${b.x},${b.y}`;
      svg("path", { d: path, class: `lp-way lp-${element}` }, overlay);
      if (calm.matches || !overlay.animate) continue;
      const dot = svg("circle", { r: size, class: `lp-flying lp-${element}` }, overlay);
      const frames = [];
      for (let i = 0; i <= 20; i += 1) {
        const t = i / 20;
        const [p, q, r, s] = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t ** 3];
        frames.push({ transform: `translate(${p * a.x + q * c.x + r * d.x + s * b.x}px, ${p * a.y + q * c.y + r * d.y + s * b.y}px)` });
      }
      const flight = dot.animate(frames, { duration: pace, easing: "ease-in-out" });
      flight.onfinish = () => dot.remove();
      flights.push(flight);
    }
  }

  function bringIntoView() {
    const step = choice().steps[state.step - 1];
    if (!step) {
      stage.scrollTop = 0;
      return;
    }
    const box = board.getBoundingClientRect();
    const cards = [step.target, ...step.moves.map(([from]) => from)].map((each) => molecules[each].card.getBoundingClientRect());
    const top = Math.min(...cards.map((each) => each.top)) - box.top - 8;
    const bottom = Math.max(...cards.map((each) => each.bottom)) - box.top + 8;
    if (bottom > stage.scrollTop + stage.clientHeight) stage.scrollTop = Math.min(bottom - stage.clientHeight, cards[0].top - box.top - 8);
    if (top < stage.scrollTop) stage.scrollTop = Math.max(top, cards[0].bottom - box.top + 8 - stage.clientHeight);
  }

  function move(step) {
    state.step = Math.min(Math.max(step, 0), choice().steps.length);
    bringIntoView();
    paint();
    share("step", state.step);
  }

  function setPlaying(on) {
    state.playing = on;
    clearTimeout(timer);
    controls.play.firstChild.firstChild.setAttribute("d", on ? ICONS.pause : ICONS.play);
    controls.play.title = on ? "Pause (space)" : "Play (space)";
    controls.play.setAttribute("aria-label", controls.play.title);
    root.dataset.state = on ? "playing" : "paused";
    said.setAttribute("aria-live", on ? "off" : "polite"); // a playing path would talk without end
  }

  function pause() { setPlaying(false); }

  function play() {
    if (state.step >= choice().steps.length) move(0);
    setPlaying(true);
    const tick = () => {
      if (!root.isConnected) return;
      move(state.step + 1);
      if (state.step >= choice().steps.length) pause();
      else timer = setTimeout(tick, 1150 / state.speed);
    };
    tick();
  }

  const keys = {
    " ": () => act.toggle(), ArrowRight: () => act.by(1), ArrowLeft: () => act.by(-1), Home: () => act.go(0), End: () => act.go(Infinity),
    ",": () => act.speed(SPEEDS[Math.max(0, SPEEDS.indexOf(state.speed) - 1)]),
    ".": () => act.speed(SPEEDS[Math.min(SPEEDS.length - 1, SPEEDS.indexOf(state.speed) + 1)]),
  };
  root.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    if (event.target.tagName === "SELECT" || (event.target.tagName === "BUTTON" && event.key === " ")) return;
    event.preventDefault();
    keys[event.key]();
  };
  const observer = new ResizeObserver(() => drawWay(choice().steps[state.step - 1]));
  observer.observe(board);

  return {
    stop: () => { clearTimeout(timer); observer.disconnect(); },
    follow: () => { // the notebook has set a trait
      const [step, which, speed] = ["step", "choice", "speed"].map((key) => model.get(key));
      if (step === state.step && which === state.choice && speed === state.speed && root.dataset.step !== undefined) return;
      if (which !== state.choice || step !== state.step) pause();
      state.choice = Math.min(which, data.choices.length - 1);
      state.speed = speed;
      state.step = Math.min(Math.max(step, 0), choice().steps.length);
      if (![...controls.speed.options].some((each) => Number(each.value) === speed)) html("option", "", controls.speed, `${speed}×`).value = speed;
      controls.speed.value = String(speed);
      if (controls.choice) controls.choice.value = String(state.choice);
      bringIntoView();
      paint();
    },
  };
}

function render({ model, el }) {
  const root = html("div", "fluxkit-path", el);
  let drawn = null;
  const redraw = () => {
    if (drawn) drawn.stop();
    delete root.dataset.step;
    root.dataset.theme = model.get("theme");
    drawn = draw(model.get("data"), root, model);
    drawn.follow();
  };
  const follow = () => drawn.follow();
  redraw();
  for (const name of ["data", "theme"]) model.on(`change:${name}`, redraw);
  for (const name of ["step", "choice", "speed"]) model.on(`change:${name}`, follow);
  return () => {
    drawn.stop();
    for (const name of ["data", "theme"]) model.off(`change:${name}`, redraw);
    for (const name of ["step", "choice", "speed"]) model.off(`change:${name}`, follow);
  };
}

export default { render };
