// Bars of simulated labeling, one panel for each fragment; a mark shows where each bar stood at the start.
const TALL = 62;

function render({ model, el }) {
  const { root, stop } = frame(el, model);
  root.classList.add("fx-bars");
  root.setAttribute("aria-label", "Simulated labeling");
  let panels = [];

  const build = () => {
    root.replaceChildren();
    panels = [];
    const key = make("div", { class: "fx-key" }, root);
    entry(key, "fx-now", "now");
    entry(key, "fx-then", "at the start");
    make("span", { class: "fx-muted" }, key, "fraction of molecules by mass shift");
    const experiments = model.get("experiments");
    experiments.forEach((experiment, e) => {
      if (experiments.length > 1) make("h3", {}, root, experiment);
      const grid = make("div", { class: "fx-grid" }, root);
      model.get("panels").forEach((panel, f) => {
        const n = panel.names.length;
        const cell = make("figure", { class: "fx-panel", "data-experiment": experiment, "data-fragment": panel.fragment }, grid);
        const head = make("figcaption", { title: panel.fragment }, cell, panel.fragment);
        const wide = 12 * n + 8;
        const plot = shape("svg", { viewBox: `0 0 ${wide} ${TALL + 14}`, role: "img", preserveAspectRatio: "xMinYMid meet" }, cell);
        shape("line", { x1: 2, x2: wide - 2, y1: TALL + 0.5, y2: TALL + 0.5, class: "fx-axis" }, plot);
        const bars = panel.names.map((_, i) => shape("rect", { x: 5 + 12 * i, width: 9, class: "fx-bar" }, plot));
        const marks = panel.names.map((_, i) => shape("line", { x1: 4 + 12 * i, x2: 15 + 12 * i, class: "fx-mark" }, plot));
        ticks(panel.names, (i) => 9.5 + 12 * i, TALL + 11, plot, n > 10 ? 5 : 10);
        panels.push({ e, f, cell, head, plot, bars, marks, panel });
      });
    });
    show();
  };
  const show = () => {
    const now = model.get("now"), start = model.get("start");
    for (const { e, f, cell, plot, bars, marks, panel } of panels) {
      const values = now[e][f], first = start[e][f];
      let most = 0;
      values.forEach((value, i) => {
        const high = TALL * Math.max(0, value || 0);
        bars[i].setAttribute("y", TALL - high);
        bars[i].setAttribute("height", high);
        bars[i].dataset.value = value === null ? "" : value;
        const level = TALL * (1 - Math.max(0, first[i] || 0));
        marks[i].setAttribute("y1", level);
        marks[i].setAttribute("y2", level);
        most = Math.max(most, Math.abs((value || 0) - (first[i] || 0)));
      });
      cell.classList.toggle("fx-moved", most >= 0.02);
      const words = values.map((value, i) => `${panel.names[i]} ${value === null ? "none" : value.toFixed(3)}`);
      plot.setAttribute("aria-label", `${panel.fragment}: ${words.join(", ")}`);
    }
  };
  build();
  const rebuild = ["panels", "experiments"];
  for (const name of rebuild) model.on(`change:${name}`, build);
  for (const name of ["now", "start"]) model.on(`change:${name}`, show);
  return () => {
    stop();
    for (const name of rebuild) model.off(`change:${name}`, build);
    for (const name of ["now", "start"]) model.off(`change:${name}`, show);
  };
}

export default { render };
