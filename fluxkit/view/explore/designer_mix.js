// The mix: one line for each labeling with its share, and for each pool what is labeled and what is left.
function percent(fraction) {
  return String(Number((100 * fraction).toPrecision(6)));
}

function readPercent(text) {
  const value = Number(text.replace("−", "-").replace(",", ".").replace("%", ""));
  return text.trim() === "" || !Number.isFinite(value) ? null : value / 100;
}

function poolSums(mix) {
  const sums = new Map();
  for (const part of mix) sums.set(part.pool, (sums.get(part.pool) || 0) + part.fraction);
  return sums;
}

// Shares in tenths of a percent that fill each pool that was above 100 %; the largest takes what rounding leaves.
function scaled(mix, sums) {
  for (const [pool, whole] of sums) {
    if (whole <= 1 + 1e-9) continue;
    const own = mix.filter((part) => part.pool === pool);
    for (const part of own) part.fraction = Math.floor((1000 * part.fraction) / whole) / 1000;
    const rest = 1000 - own.reduce((sum, part) => sum + Math.round(1000 * part.fraction), 0);
    const most = own.reduce((a, b) => (b.fraction > a.fraction ? b : a));
    most.fraction = Math.round(1000 * most.fraction + rest) / 1000;
  }
  return mix;
}

function mixEditor(parent, { onShare, onPick, onRemove }) {
  const rows = make("div", { class: "td-mix", role: "group", "aria-label": "Labelings of the mix" }, parent);
  const sums = make("div", { class: "td-sums" }, parent);
  let lines = [];

  const line = (i) => {
    const row = make("div", { class: "td-part" }, rows);
    const pick = make("button", { type: "button", class: "td-pick" }, row);
    const label = make("span", { class: "td-label" }, pick);
    const pool = make("span", { class: "fx-muted fx-small" }, pick);
    const slider = make("input", { type: "range", class: "td-share", min: 0, max: 100, step: 1 }, row);
    const box = make("input", { class: "td-percent", inputmode: "decimal", size: 5 }, row);
    make("span", { class: "fx-muted", "aria-hidden": "true" }, row, "%");
    const gone = make("button", { type: "button", class: "td-remove" }, row, "×");
    pick.addEventListener("click", () => onPick(i));
    slider.addEventListener("input", () => { box.value = slider.value; onShare(i, Number(slider.value) / 100); });
    const typed = () => {
      const value = readPercent(box.value);
      if (value === null) return;
      slider.value = 100 * value;
      onShare(i, value);
    };
    box.addEventListener("change", typed);
    box.addEventListener("keydown", (event) => { if (event.key === "Enter") typed(); });
    gone.addEventListener("click", () => onRemove(i));
    return { row, pick, label, pool, slider, box, gone };
  };

  return {
    show(mix, labels, selected) {
      if (lines.length !== mix.length) {
        rows.replaceChildren();
        lines = mix.map((_, i) => line(i));
      }
      mix.forEach((part, i) => {
        const { row, pick, label, pool, slider, box, gone } = lines[i], name = labels[i] || "…";
        row.classList.toggle("td-chosen", i === selected);
        pick.setAttribute("aria-pressed", i === selected);
        pick.setAttribute("aria-label", `Change the atoms of labeling ${i + 1}: ${name} of ${part.pool}`);
        label.textContent = name === "unlabeled" ? "no atom yet" : name;
        pool.textContent = part.pool;
        if (document.activeElement !== slider) slider.value = 100 * part.fraction;
        if (document.activeElement !== box || readPercent(box.value) !== part.fraction) box.value = percent(part.fraction);
        slider.setAttribute("aria-label", `Share of ${name} in ${part.pool}`);
        slider.setAttribute("aria-valuetext", `${percent(part.fraction)} %`);
        box.setAttribute("aria-label", `Share of ${name} in ${part.pool}, in percent`);
        gone.setAttribute("aria-label", `Remove labeling ${i + 1}: ${name} of ${part.pool}`);
      });
      sums.replaceChildren();
      for (const [pool, whole] of poolSums(mix)) {
        const item = make("div", { class: "td-sum", "data-pool": pool, "data-sum": whole }, sums);
        const bar = make("div", { class: "td-bar", "aria-hidden": "true" }, item);
        mix.forEach((part, i) => {
          if (part.pool !== pool || !part.fraction) return;
          const piece = make("span", { class: `td-piece${i === selected ? " td-chosen" : ""}` }, bar);
          piece.style.width = `${(100 * part.fraction) / Math.max(1, whole)}%`;
        });
        const over = whole > 1 + 1e-9;
        const left = over ? "above 100 %" : `${percent(Number((1 - whole).toFixed(6)))} % unlabeled`;
        make("span", { class: `td-total${over ? " td-over" : ""}` }, item, `${pool}: ${percent(whole)} % labeled, ${left}`);
      }
    },
  };
}
