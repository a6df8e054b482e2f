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

function copied(mix) {
  return mix.map((each) => ({ ...each, atoms: [...each.atoms] }));
}

// The mix with a standard tracer: one of several labelings takes its place, one labeling that of the chosen.
function withStandard(mix, selected, standard, pool) {
  if (standard.mix.length > 1 || !mix.length) return copied(standard.mix);
  const next = copied(mix), [{ atoms, fraction }] = standard.mix;
  const alone = next.filter((part) => part.pool === pool).length < 2;
  next[selected] = { pool, atoms: [...atoms], fraction: alone ? fraction : next[selected].fraction };
  return next;
}

// The mix whose chosen labeling is of another nutrient, labeled as the first of its standard tracers.
function withPool(mix, selected, pool, standards) {
  const next = mix.length ? copied(mix) : [{ fraction: 1 }];
  const first = standards.find((each) => each.mix.length === 1 && each.mix[0].pool === pool);
  const fraction = first && first.mix[0].fraction < 1 ? first.mix[0].fraction : next[selected].fraction;
  next[selected] = { pool, atoms: first ? [...first.mix[0].atoms] : [], fraction };
  return next;
}

// A button for each standard tracer of a nutrient.
function standardTracers(parent, standards, onChoose) {
  const chips = make("div", { class: "td-chips", role: "group", "aria-label": "Standard tracers" }, parent);
  let shown = null;
  return {
    show(pool) {
      if (pool === shown) return;
      shown = pool;
      chips.replaceChildren();
      for (const each of standards.filter((one) => one.mix.some((part) => part.pool === pool))) {
        const chip = make("button", { type: "button", class: "td-chip", title: each.text, "data-name": each.name, "aria-label": `Standard tracer ${each.text}` }, chips, each.label);
        chip.addEventListener("click", () => onChoose(each));
      }
      if (!chips.children.length) make("span", { class: "fx-muted fx-small" }, chips, "No standard tracer of this nutrient.");
    },
  };
}

// The tracer as text, to read what is typed and to copy what is shown; returns the text area.
function tracerText(parent, { onRead, onCopied }) {
  const row = make("div", { class: "fx-row td-written" }, parent);
  const text = labeled(row, "Tracer text", make("textarea", { class: "td-text", spellcheck: "false", rows: 2 }));
  text.parentElement.classList.add("td-grow");
  const read = make("button", { type: "button", class: "td-read" }, row, "Read");
  const copy = make("button", { type: "button", class: "td-copy" }, row, "Copy");
  read.addEventListener("click", () => onRead(text.value));
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    onRead(text.value);
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      text.select();
      document.execCommand("copy");
    }
    onCopied();
  });
  return text;
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
