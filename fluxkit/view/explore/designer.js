// The tracer designer: what is chosen goes to the kernel, which answers with predictions; nothing is computed here.
function render({ model, el }) {
  const { root, stop } = frame(el, model);
  root.classList.add("td-designer");
  root.setAttribute("aria-label", "Tracer designer");
  const data = model.get("data"), locked = Boolean(model.get("offline"));
  const pools = new Map(data.pools.map((each) => [each.pool, each]));
  let mix = [], labels = [], selected = 0, count = model.get("count") || 0;
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
    send("mix", copied(mix));
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
  const standards = standardTracers(left, data.standards, (each) => {
    const whole = each.mix.length > 1 || !mix.length;
    if (whole) labels = [];
    labels[whole ? 0 : selected] = "";
    sendMix(withStandard(mix, selected, each, nutrient.value), whole ? 0 : selected);
  });
  const atoms = moleculeEditor(left, { locked, onChange: (keys) => {
    const next = copied(mix);
    if (!next.length) next.push({ pool: nutrient.value, atoms: [], fraction: 1 });
    next[selected].atoms = keys;
    labels[selected] = "";
    sendMix(next);
  } });
  make("h3", {}, left, "Mix");
  const parts = mixEditor(left, {
    onShare: (i, fraction) => { const next = copied(mix); next[i].fraction = fraction; sendMix(next); },
    onPick: (i) => { selected = i; showMix(); },
    onRemove: (i) => { labels.splice(i, 1); sendMix(copied(mix).filter((_, k) => k !== i), i < selected ? selected - 1 : selected); },
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
    sendMix([...copied(mix), { pool, atoms: [], fraction: Number(rest.toFixed(6)) }], mix.length);
  });
  button("td-best", "Optimise the shares", () => { say("Optimising …"); send("request", { do: "optimise", number: count }); });
  const purity = labeled(tools, "Isotopic purity, %", make("input", { class: "td-purity", inputmode: "decimal", size: 5 }));
  purity.addEventListener("change", () => {
    const value = readPercent(purity.value);
    if (value === null) purity.value = percent(model.get("purity")); else send("purity", value);
  });
  const text = tracerText(left, {
    onRead: (words) => send("request", { do: "read", text: words, number: count }),
    onCopied: () => say("Copied."),
  });
  const cost = make("p", { class: "td-cost" }, left);
  const notice = make("p", { class: "td-notice", role: "status" }, left);
  const say = (words) => { notice.textContent = words; };

  const results = designResults(columns, data, locked, {
    onFluxes: (names) => send("fluxes", names),
    onMeasured: (names) => {
      const { measurable } = model.get("answer"); // a refusal names them, too
      const lost = model.get("left_out").filter((each) => !measurable.includes(each));
      send("left_out", [...lost, ...measurable.filter((each) => !names.includes(each))]);
    },
  });

  const showMix = () => {
    const part = mix[selected] || { pool: nutrient.value, atoms: [] };
    nutrient.value = part.pool;
    standards.show(part.pool);
    atoms.show(pools.get(part.pool), part.atoms);
    parts.show(mix, labels, selected);
    root.querySelector(".td-best").disabled = mix.length < 2 || locked;
  };
  nutrient.addEventListener("change", () => {
    labels[selected] = "";
    sendMix(withPool(mix, selected, nutrient.value, data.standards));
  });

  const showAlarm = (refusal) => {
    alarm.replaceChildren();
    if (!refusal) return;
    make("p", {}, alarm, refusal[0].toUpperCase() + refusal.slice(1));
    const sums = poolSums(mix);
    if ([...sums.values()].some((each) => each > 1 + 1e-9) && mix.every((part) => part.fraction >= 0)) {
      const cure = make("button", { type: "button", class: "td-scale" }, alarm, "Scale to 100 %");
      cure.addEventListener("click", () => sendMix(scaled(copied(mix), sums)));
    }
  };
  const showAnswer = () => {
    const answer = model.get("answer");
    if (!answer.labels) return;
    const late = answer.count < count; // a newer choice is under way
    if (!late) root.classList.remove("td-waiting");
    if (!late) ({ labels } = answer);
    labels = [...labels];
    root.classList.toggle("td-stale", Boolean(answer.refusal));
    if (!late) showAlarm(answer.refusal);
    if (!answer.refusal && document.activeElement !== text) text.value = answer.text;
    root.dataset.count = answer.count;
    parts.show(mix, labels, selected);
    results.fluxes.show(data.fluxes, model.get("fluxes"));
    results.measured.show(answer.measurable, answer.measurable.filter((each) => !model.get("left_out").includes(each)));
    if (answer.refusal) return;
    cost.textContent = costText(answer.cost);
    results.show(answer);
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
  return () => { stop(); results.stop(); for (const [name, action] of all) model.off(`change:${name}`, action); };
}

export default { render };
