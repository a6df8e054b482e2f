// The tracer designer: what is chosen goes to the kernel, which answers with predictions; nothing is computed here.
function render({ model, el }) {
  const { root, stop } = frame(el, model);
  root.classList.add("td-designer");
  root.setAttribute("aria-label", "Tracer designer");
  const data = model.get("data"), locked = Boolean(model.get("offline"));
  const pools = new Map(data.pools.map((each) => [each.pool, each]));
  let mix = [], labels = [], selected = 0, count = model.get("count") || 0, good = null, kept = null, speaking = 0;
  const clone = () => mix.map((each) => ({ ...each, atoms: [...each.atoms] }));
  const send = (name, value) => {
    if (JSON.stringify(model.get(name)) === JSON.stringify(value)) return; // no answer would come
    count += 1;
    model.set("count", count);
    model.set(name, value);
    model.save_changes();
    root.classList.add("td-waiting");
  };
  const sendMix = (next, pick = selected) => {
    mix = next;
    selected = Math.max(0, Math.min(mix.length - 1, pick));
    showMix();
    send("mix", clone());
  };

  make("h2", {}, root, data.title);
  const columns = make("div", { class: "td-columns" }, root);
  const left = make("fieldset", { class: "td-left" }, columns);
  make("legend", { class: "td-unseen" }, left, "The tracer");
  left.disabled = locked;
  if (locked) make("p", { class: "fx-muted" }, left, "This page shows one design. In a notebook, fluxkit.tracer_designer lets you change it.");
  const top = make("div", { class: "fx-row" }, left);
  const nutrient = labeled(top, "Nutrient", make("select", { class: "td-pool" }));
  for (const each of data.pools) make("option", { value: each.pool }, nutrient, each.title === each.pool ? each.pool : `${each.title} (${each.pool})`);
  const chips = make("div", { class: "td-chips", role: "group", "aria-label": "Standard tracers" }, left);
  const atoms = moleculeEditor(left, { locked, onChange: (keys) => {
    const next = clone();
    if (!next.length) next.push({ pool: nutrient.value, atoms: [], fraction: 1 });
    next[selected].atoms = keys;
    labels[selected] = "";
    sendMix(next);
  } });
  make("h3", {}, left, "Mix");
  const parts = mixEditor(left, {
    onShare: (i, fraction) => { const next = clone(); next[i].fraction = fraction; sendMix(next); },
    onPick: (i) => { selected = i; showMix(); },
    onRemove: (i) => { labels.splice(i, 1); sendMix(clone().filter((_, k) => k !== i), i < selected ? selected - 1 : selected); },
  });
  const alarm = make("div", { class: "td-alarm", role: "alert" }, left);
  const tools = make("div", { class: "fx-row" }, left);
  const button = (className, text, action) => {
    const node = make("button", { type: "button", class: className }, tools, text);
    node.addEventListener("click", action);
    return node;
  };
  button("td-add", "Add a labeling", () => {
    const pool = nutrient.value, rest = Math.max(0, 1 - (poolSums(mix).get(pool) || 0));
    sendMix([...clone(), { pool, atoms: [], fraction: Number(rest.toFixed(6)) }], mix.length);
  });
  button("td-best", "Optimise the shares", () => { say("Optimising …"); send("request", { do: "optimise", number: count }); });
  const purity = labeled(tools, "Isotopic purity, %", make("input", { class: "td-purity", inputmode: "decimal", size: 5 }));
  purity.addEventListener("change", () => {
    const value = readPercent(purity.value);
    if (value === null) purity.value = percent(model.get("purity")); else send("purity", value);
  });
  const written = make("div", { class: "fx-row td-written" }, left);
  const text = labeled(written, "Tracer text", make("textarea", { class: "td-text", spellcheck: "false", rows: 2 }));
  text.parentElement.classList.add("td-grow");
  const read = make("button", { type: "button", class: "td-read" }, written, "Read");
  const copy = make("button", { type: "button", class: "td-copy" }, written, "Copy");
  const ask = () => send("request", { do: "read", text: text.value, number: count });
  read.addEventListener("click", ask);
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    ask();
  });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.value);
    } catch {
      text.select();
      document.execCommand("copy");
    }
    say("Copied.");
  });
  const cost = make("p", { class: "td-cost" }, left);
  const notice = make("p", { class: "td-notice", role: "status" }, left);
  const say = (words) => { notice.textContent = words; };

  const right = make("div", { class: "td-right" }, columns);
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
  const fluxes = chooser(right, "Fluxes of interest", locked, (names) => send("fluxes", names));
  make("h3", {}, right, "Predicted labeling");
  const bars = make("div", { class: "fx-key fx-small" }, right);
  entry(bars, "fx-now", "mean");
  entry(bars, "td-key-range", "10 to 90 % of flux states");
  make("span", { class: "fx-muted" }, bars, "fraction of molecules by mass shift");
  const panels = make("div", { class: "fx-grid" }, right);
  const measured = chooser(right, "Measurements", locked, (names) => {
    const { measurable } = model.get("answer"); // a refusal names them, too
    const lost = model.get("left_out").filter((each) => !measurable.includes(each));
    send("left_out", [...lost, ...measurable.filter((each) => !names.includes(each))]);
  });
  const spoken = make("p", { class: "td-unseen", "aria-live": "polite" }, right);

  const standards = () => {
    chips.replaceChildren();
    const pool = nutrient.value;
    for (const each of data.standards.filter((one) => one.mix.some((part) => part.pool === pool))) {
      const chip = make("button", { type: "button", class: "td-chip", title: each.text, "data-name": each.name, "aria-label": `Standard tracer ${each.text}` }, chips, each.label);
      chip.addEventListener("click", () => {
        const whole = each.mix.length > 1 || !mix.length;
        const next = whole ? each.mix.map((part) => ({ ...part })) : clone();
        if (!whole) {
          const alone = next.filter((part) => part.pool === pool).length < 2;
          next[selected] = { pool, atoms: [...each.mix[0].atoms], fraction: alone ? each.mix[0].fraction : next[selected].fraction };
        }
        labels = whole ? [] : labels;
        labels[selected] = "";
        sendMix(next, whole ? 0 : selected);
      });
    }
    if (!chips.children.length) make("span", { class: "fx-muted fx-small" }, chips, "No standard tracer of this nutrient.");
  };
  const showMix = () => {
    const part = mix[selected] || { pool: nutrient.value, atoms: [] };
    if (nutrient.value !== part.pool || !chips.children.length) { nutrient.value = part.pool; standards(); }
    atoms.show(pools.get(part.pool), part.atoms);
    parts.show(mix, labels, selected);
    const many = mix.length > 1;
    root.querySelector(".td-best").disabled = !many || locked;
  };
  nutrient.addEventListener("change", () => {
    standards();
    const next = clone();
    if (!next.length) next.push({ fraction: 1 });
    labels[selected] = "";
    const first = data.standards.find((each) => each.mix.length === 1 && each.mix[0].pool === nutrient.value);
    next[selected] = { pool: nutrient.value, atoms: first ? [...first.mix[0].atoms] : [], fraction: first && first.mix[0].fraction < 1 ? first.mix[0].fraction : next[selected].fraction };
    sendMix(next);
  });

  const showAlarm = (refusal) => {
    alarm.replaceChildren();
    if (!refusal) return;
    make("p", {}, alarm, refusal[0].toUpperCase() + refusal.slice(1));
    const sums = poolSums(mix);
    if ([...sums.values()].some((each) => each > 1 + 1e-9) && mix.every((part) => part.fraction >= 0)) {
      const cure = make("button", { type: "button", class: "td-scale" }, alarm, "Scale to 100 %");
      cure.addEventListener("click", () => sendMix(scaled(clone(), sums)));
    }
  };
  const showResults = () => {
    if (!good) return;
    drawIntervals(intervals, good, kept);
    drawPanels(panels, good);
    gain.textContent = `information ${good.gain.toFixed(2)} nats${kept ? `, kept ${kept.gain.toFixed(2)}` : ""}`;
    gain.dataset.value = good.gain;
    keep.textContent = kept ? "Forget the kept design" : "Keep to compare";
    keptKey.replaceChildren();
    if (kept) {
      make("span", { class: "fx-swatch td-key-kept" }, keptKey);
      make("span", {}, keptKey, `kept: ${kept.text}`);
    }
    cost.textContent = costText(good.cost);
  };
  keep.addEventListener("click", () => {
    kept = kept || !good ? null : { text: good.text, gain: good.gain, halves: Object.fromEntries(good.intervals.map((each) => [each.flux, each.half])) };
    showResults();
  });
  const speak = () => {
    clearTimeout(speaking);
    speaking = setTimeout(() => {
      const rows = good.intervals.slice(0, 4).map((row) => `${row.flux} ${amount(row, row.half)}, before ${amount(row, row.prior)}`);
      spoken.textContent = `Information ${good.gain.toFixed(1)} nats. ${rows.join("; ")}.`;
    }, 900);
  };
  const showAnswer = () => {
    const answer = model.get("answer");
    if (!answer.labels) return;
    const late = answer.count < count; // a newer choice is under way
    if (!late) root.classList.remove("td-waiting");
    if (!late) ({ labels } = answer);
    labels = [...labels];
    if (!answer.refusal) good = answer;
    root.classList.toggle("td-stale", Boolean(answer.refusal));
    if (!late) showAlarm(answer.refusal);
    if (!answer.refusal && document.activeElement !== text) text.value = answer.text;
    root.dataset.count = answer.count;
    parts.show(mix, labels, selected);
    fluxes.show(data.fluxes, model.get("fluxes"));
    measured.show(answer.measurable, answer.measurable.filter((each) => !model.get("left_out").includes(each)));
    showResults();
    if (good && !answer.refusal) speak();
  };
  const follow = () => { // the notebook, or a button, has set the mix
    const next = model.get("mix");
    if (JSON.stringify(next) === JSON.stringify(mix)) return;
    mix = next.map((each) => ({ ...each }));
    labels = [];
    selected = Math.min(selected, Math.max(0, mix.length - 1));
    text.blur();
    showMix();
  };
  const followPurity = () => { purity.value = percent(model.get("purity")); };
  const followNotice = () => say(model.get("notice"));
  const all = [["mix", follow], ["answer", showAnswer], ["purity", followPurity], ["notice", followNotice], ["notices", followNotice]];
  followPurity();
  follow();
  showAnswer();
  for (const [name, action] of all) model.on(`change:${name}`, action);
  return () => { stop(); clearTimeout(speaking); for (const [name, action] of all) model.off(`change:${name}`, action); };
}

export default { render };
