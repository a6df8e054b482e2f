// Draws the dictionary that fluxkit.view.body_scene computes. It stands behind flux_map.js in one module and uses its
// svg, html, number, interval and draw; no imports, no network.
const FAMILY_ORDER = ["sugar", "lactate", "amino", "fat", "ketone", "glycerol", "co2", "nitrogen", "other"];
const SHARES = [0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

// Organs in a square of 64, drawn by hand: what is filled, then lines on it.
const ICONS = {
  brain: ["M20,51C12,51 8,45 10,39C4,35 5,25 11,22C11,14 19,9 26,12C30,6 40,6 44,12C52,10 58,17 56,24C61,29 60,38 54,41C54,48 47,53 41,50C37,55 26,56 20,51Z",
    "M32,10C29,18 36,20 32,28C29,34 35,38 32,52M13,27C19,25 22,30 19,35M51,25C45,24 42,30 46,35M22,17C26,19 27,23 25,27M42,16C39,19 39,23 41,27M22,43C25,39 28,41 28,45M43,43C40,39 37,41 37,45"],
  heart: ["M31,57C15,45 7,34 9,23C11,14 21,12 29,18C28,12 30,8 34,7L39,8C38,12 38,14 39,17C47,13 55,17 56,25C57,36 47,47 31,57Z",
    "M29,18C33,21 36,24 36,28M39,17C36,18 35,20 35,22M20,27C19,33 22,39 27,44"],
  liver: ["M5,28C7,17 20,12 34,13C47,13 58,16 60,22C61,28 52,33 43,36C38,44 26,53 15,51C7,49 4,38 5,28Z",
    "M38,13C36,21 38,29 43,36M14,24C18,20 24,18 30,18"],
  kidney: ["M38,7C53,8 59,24 55,38C51,51 40,59 31,56C23,53 25,45 30,41C35,37 35,30 30,26C24,20 25,7 38,7Z",
    "M30,34C22,36 18,45 17,58M38,15C46,17 50,27 47,36M30,34C34,33 38,34 40,38"],
  intestine: ["M10,19C10,9 54,8 54,19C54,24 44,25 32,24C50,25 56,29 54,35C52,40 40,38 30,37C46,39 54,42 52,48C50,55 36,56 27,55C22,55 20,59 15,58C10,56 13,49 19,46C10,45 8,37 14,33C8,30 9,24 10,19Z",
    "M14,33C20,36 42,30 48,34M19,46C26,47 40,44 46,48M18,19C26,15 40,15 46,19"],
  muscle: ["M6,58C5,44 16,30 27,18C33,12 44,8 58,6C57,20 53,32 46,39C34,50 20,58 6,58Z",
    "M12,53C20,42 34,26 50,13M20,51C28,44 42,30 52,18M12,45C18,34 28,24 40,14"],
  adipose: ["M20,8a13,13 0 1 0 0.1,0ZM45,13a12,12 0 1 0 0.1,0ZM14,34a10,10 0 1 0 0.1,0ZM34,33a13,13 0 1 0 0.1,0ZM53,38a9,9 0 1 0 0.1,0Z",
    "M14,14C16,12 19,11 22,12M39,18C41,16 44,15 47,16M28,39C30,37 33,36 36,37"],
  "red cells": ["M22,8a16,13 0 1 0 0.1,0ZM45,22a15,12 0 1 0 0.1,0ZM24,35a16,12 0 1 0 0.1,0Z",
    "M22,15a8,5.5 0 1 0 0.1,0ZM45,28.5a7.5,5 0 1 0 0.1,0ZM24,41.5a8,5 0 1 0 0.1,0Z"],
  tumour: ["M30,7C38,3 48,8 48,16C57,17 61,27 55,34C59,43 51,53 42,50C38,59 24,59 21,51C11,53 4,43 9,35C3,28 8,17 17,17C17,10 24,6 30,7Z",
    "M24,22a4,4 0 1 0 0.1,0ZM41,24a4.5,4.5 0 1 0 0.1,0ZM31,37a5,5 0 1 0 0.1,0Z"],
  cell: ["M32,7C48,6 59,18 58,33C57,48 46,58 31,57C16,57 6,46 6,32C6,18 17,8 32,7Z", "M35,22a11,11 0 1 0 0.1,0ZM16,26C19,29 15,32 18,35M24,48C28,45 31,50 35,47"],
};

function tissueIcon(name, size, parent) {
  const [body, lines] = ICONS[name] || ICONS.cell;
  const group = svg("g", { class: "fb-icon", transform: `scale(${size / 64})` }, parent);
  svg("path", { d: body, class: "fb-flesh" }, group);
  svg("path", { d: lines, class: "fb-fold" }, group);
  return group;
}

function bodyTone(flow, amount, data) {
  if (!amount.determined) return "open";
  if (data.compared) {
    const p = amount.change.probability_higher;
    return p >= data.clear ? "up" : p <= 1 - data.clear ? "down" : "same";
  }
  return flow.family;
}

function partnerName(flow, data) {
  if (flow.partner !== "circulation") return flow.partner;
  const pool = data.pools.find((each) => each.suffix === flow.pool);
  return pool ? pool.name : "circulation";
}

function magnitude(amount) {
  if (amount.lower === null) return number(Math.abs(amount.value));
  const ends = amount.value < 0 ? [-amount.upper, -amount.lower] : [amount.lower, amount.upper];
  return interval(Math.abs(amount.value), ends[0], ends[1]);
}

function describeFlow(flow, data) {
  const ways = [flow.name, partnerName(flow, data)];
  if (flow.carbon.value < 0 || flow.molecules.value < 0) ways.reverse();
  const lines = [`${ways[0]} → ${ways[1]}`];
  if (flow.carbon.value !== 0) lines.push(`${magnitude(flow.carbon)} ${data.units.carbon}`);
  lines.push(`${magnitude(flow.molecules)} ${data.units.molecules}`);
  return lines;
}

// Which fluxes are shown: one nutrient or all, above the share of the largest.
function chosenFlows(data, state) {
  const largest = data.largest[state.count][state.nutrient] || 0;
  const kept = data.flows.filter((each) => !state.nutrient || each.nutrient === state.nutrient);
  const present = kept.filter((each) => Math.abs(each[state.count].value) > 1e-9 * largest);
  const limit = state.threshold * largest;
  const shown = present.filter((each) => Math.abs(each[state.count].value) >= limit);
  shown.sort((a, b) => FAMILY_ORDER.indexOf(a.family) - FAMILY_ORDER.indexOf(b.family)
    || Math.abs(b[state.count].value) - Math.abs(a[state.count].value));
  return { shown, hidden: present.length - shown.length, limit };
}

// Height of a lane: the label, then the arrow.
function laneHeight(flow, state, font) {
  return font + 6 + laneWidth(flow, state);
}

function stackHeight(flows, state, font) {
  return flows.reduce((sum, each) => sum + laneHeight(each, state, font), 0);
}

function laneWidth(flow, state) {
  return flow[state.count][state.nutrient ? "width_own" : "width"];
}

// Where everything stands. Organs are stacked in two columns beside the circulation; the body grows around them.
function arrange(data, state, shown, available) {
  const wide = available >= 860;
  const W = Math.max(330, Math.min(available, 1080));
  const font = wide ? 12 : 11;
  const half = (data.pools.length > 1 ? 11 * data.pools.length : 14) * (wide ? 1.25 : 0.8);
  const card = wide ? 96 : Math.min(74, Math.max(58, W * 0.15));
  const outer = wide ? 124 : 0;
  const lane = Math.min(230, W / 2 - half - card - (wide ? outer + 58 : 9));
  const centre = W / 2;
  const heightOf = (flows) => stackHeight(flows, state, font);
  const below = (flows) => (wide ? 0 : heightOf(flows) + new Set(flows.map((each) => each.partner)).size * (font + 4));
  const block = (key, side, reach = lane) => {
    const mine = shown.filter((each) => each.organ === key);
    const inner = mine.filter((each) => each.partner === "circulation");
    const out = mine.filter((each) => each.partner !== "circulation");
    const partners = new Set(out.map((each) => each.partner)).size;
    const tall = Math.max(heightOf(inner), wide ? heightOf(out) + 6 * Math.max(0, partners - 1) : 0);
    return { key, side, inner, out, reach, core: tall, height: tall + below(out) };
  };
  const gap = wide ? 16 : 14;
  const organs = [...data.organs].sort((a, b) => a.rank - b.rank);
  const blocks = [];
  const body = data.outline === "body";
  const headOrgan = body ? organs.find((each) => each.head) : null;
  const breath = shown.some((each) => each.organ === "breath") ? "breath" : null;
  const small = (wide ? 92 : 74);
  const tallEnough = (organ) => small + (splitName(organ.name, wide ? 13 : 9).length - 1) * (font + 2);
  let y = data.pools.length > 2 ? 134 : 46; // names of many pools stand upright
  const top = y - 8;
  let headBottom = y;
  const put = (b, at, least) => {
    b.core = Math.max(b.core, least);
    b.height = Math.max(b.height, b.core + below(b.out));
    b.y = at;
    blocks.push(b);
    return at + b.height + gap;
  };
  const headLane = lane * (wide ? 0.82 : 0.9);
  if (body) {
    let low = y + small * 0.6;
    if (headOrgan) low = Math.max(low, put({ ...block(headOrgan.letter, "left", headLane), organ: headOrgan }, y, tallEnough(headOrgan)));
    if (breath) low = Math.max(low, put({ ...block("breath", "right", wide ? headLane + card + 44 : headLane), way: "breath" }, y, 40));
    headBottom = low - gap + (wide ? 34 : 28);
    y = headBottom + (wide ? 46 : 38);
  } else y += 14;
  const bottoms = { left: y, right: y };
  for (const organ of organs) {
    if (organ === headOrgan) continue;
    bottoms[organ.side] = put({ ...block(organ.letter, organ.side), organ }, bottoms[organ.side], tallEnough(organ));
  }
  const torsoBottom = Math.max(bottoms.left, bottoms.right) + 2;
  for (const side of ["left", "right"]) { // the shorter column has more air
    const column = blocks.filter((each) => each.side === side && each.organ && each.organ !== headOrgan);
    const air = Math.min(44, (torsoBottom - 2 - bottoms[side]) / (column.length + 1));
    column.forEach((each, i) => { each.y += air * (i + 1); });
  }
  const rest = data.ways.filter((each) => !(body && each === "breath"));
  const feet = { left: torsoBottom + (body ? 52 : 26), right: torsoBottom + (body ? 52 : 26) };
  for (const way of rest) {
    const b = block(way, feet.left <= feet.right ? "left" : "right");
    if (b.inner.length) feet[b.side] = put({ ...b, way }, feet[b.side], 34);
  }
  const bottom = Math.max(feet.left, feet.right, torsoBottom + (body ? 52 : 20));
  const vesselBottom = rest.some((each) => blocks.some((b) => b.way === each)) ? bottom - gap + 8 : torsoBottom - 10;
  return { W, H: bottom + 6, wide, font, half, card, outer, lane, headLane, centre, top, headBottom, torsoBottom, vesselBottom, blocks, body };
}

// The silhouette of nobody in particular: head, trunk and two feet, symmetric about the circulation.
function bodyOutline(s) {
  const c = s.centre;
  const torso = Math.min(s.half + s.lane + s.card + 18, c - 3);
  if (!s.body) {
    const t = s.top - 6, b = s.torsoBottom;
    return `M${c - torso + 26},${t}H${c + torso - 26}Q${c + torso},${t} ${c + torso},${t + 26}V${b - 26}Q${c + torso},${b} ${c + torso - 26},${b}`
      + `H${c - torso + 26}Q${c - torso},${b} ${c - torso},${b - 26}V${t + 26}Q${c - torso},${t} ${c - torso + 26},${t}Z`;
  }
  const head = Math.min(s.half + s.headLane + s.card + 16, torso - (s.wide ? 24 : 4));
  const h0 = s.top - 34, h1 = s.headBottom, H = h1 - h0, neck = head * 0.5, b = s.torsoBottom, foot = b + 46;
  const leg = Math.min(170, torso * 0.42);
  const side = (m) => `C${c + m * head * 0.8},${h0} ${c + m * head},${h0 + 0.05 * H} ${c + m * head},${h0 + 0.5 * H}`
    + `C${c + m * head},${h1} ${c + m * neck},${h1 - 6} ${c + m * neck},${h1 + 12}`
    + `C${c + m * neck},${h1 + 30} ${c + m * torso},${h1 + 4} ${c + m * torso},${h1 + 56}`
    + `V${b - 24}`
    + `C${c + m * torso},${b + 26} ${c + m * (torso - leg * 0.1)},${foot} ${c + m * (torso - leg * 0.5)},${foot}`
    + `C${c + m * (torso - leg)},${foot} ${c + m * (torso - leg)},${b + 10} ${c + m * Math.max(0, torso - leg - 60)},${b + 8}`
    + `L${c},${b + 8}`;
  return `M${c},${h0}${side(1)}Z M${c},${h0}${side(-1)}Z`;
}

function drawVessel(s, data, map) {
  const names = data.pools;
  const strip = (2 * s.half) / names.length;
  const y0 = s.top, y1 = s.vesselBottom;
  names.forEach((pool, i) => {
    const kind = /arter/.test(pool.name) ? "artery" : /venous|vein/.test(pool.name) ? "vein" : /portal/.test(pool.name) ? "portal"
      : /medium/.test(pool.name) ? "medium" : /inflow/.test(pool.name) ? "inflow" : "plasma";
    const x = s.centre - s.half + i * strip;
    svg("rect", { x: x + 0.8, y: y0, width: strip - 1.6, height: y1 - y0, rx: Math.min(9, strip / 2), class: `fb-vessel fb-${kind}` }, map);
    if (names.length > 2) {
      svg("text", { x: 0, y: 0, class: "fb-poolname", "text-anchor": "start", transform: `translate(${x + strip / 2 + 4},${y0 - 6}) rotate(-90)` }, map, pool.name);
    } else {
      const at = names.length === 1 ? ["middle", s.centre] : i === 0 ? ["end", s.centre - 4] : ["start", s.centre + 4];
      const text = names.length === 1 ? pool.name : pool.name.replace(/ plasma$/, "");
      svg("text", { x: at[1], y: y0 - 7, class: "fb-poolname", "text-anchor": at[0] }, map, text);
    }
  });
  return (suffix, side) => {
    const i = Math.max(0, names.findIndex((each) => each.suffix === suffix));
    return s.centre - s.half + (side === "left" ? i * strip : (i + 1) * strip);
  };
}

// A straight arrow from x0 (at the organ) to x1 (at its partner), with its label above.
function drawFlow(flow, state, data, place, layer) {
  const amount = flow[state.count];
  const w = laneWidth(flow, state);
  const group = svg("g", {
    class: `fb-flow fb-${bodyTone(flow, amount, data)}`, "data-organ": flow.organ, "data-partner": flow.partner,
    "data-nutrient": flow.nutrient, "data-value": amount.value, role: "img",
    "aria-label": `${flow.full}: ${describeFlow(flow, data).join(", ")}${amount.determined ? "" : ", not determined by the data"}`,
  }, layer);
  const back = amount.value < 0;
  const [tail, tip] = back ? [place.x1, place.x0] : [place.x0, place.x1];
  const dir = Math.sign(tip - tail);
  const size = 6 + 0.95 * w;
  const high = place.text + w + 4;
  svg("rect", { x: Math.min(tail, tip), y: place.y - place.text - 2, width: Math.abs(tip - tail), height: high, class: "fb-hit" }, group);
  svg("path", { d: `M${tail},${place.line}L${tip - dir * size * 0.85},${place.line}`, class: "fb-line", style: `stroke-width:${w}px` }, group);
  const wing = Math.max(3.6, w * 0.5 + 2.6);
  svg("path", { d: `M${tip},${place.line}L${tip - dir * size},${place.line - wing}L${tip - dir * size},${place.line + wing}Z`, class: "fb-head" }, group);
  const label = svg("text", { x: place.label, y: place.y, class: "fb-label", "text-anchor": place.anchor }, group);
  svg("tspan", { class: "fb-name" }, label, `${place.brief ? flow.brief : flow.label} `);
  svg("tspan", { class: "fb-value" }, label, amount.text);
  return group;
}

function stackFlows(flows, y, s, state, ends) {
  return flows.map((flow) => {
    const w = laneWidth(flow, state);
    const place = { ...ends(flow), brief: !s.wide, y: y + s.font, line: y + s.font + 3.8 + w / 2, text: s.font };
    y += laneHeight(flow, state, s.font);
    return [flow, place];
  });
}

function drawBlock(b, s, data, state, edge, map, layer) {
  const m = b.side === "left" ? -1 : 1;
  const inside = s.centre + m * (s.half + b.reach); // edge of the card that faces the circulation
  const far = inside + m * s.card;
  const total = (flows) => stackHeight(flows, state, s.font);
  const x = Math.min(inside, far);
  let group;
  if (b.organ) {
    const word = state.count === "carbon" ? data.units.carbon : data.units.molecules;
    const told = b.inner.map((f) => `${f[state.count].value < 0 ? "takes" : "gives"} ${f.full} ${f[state.count].text}`).join(", ");
    group = svg("g", {
      class: "fb-organ", tabindex: 0, role: "button", "data-organ": b.key,
      "aria-label": `${b.organ.name}: open its flux map. ${told ? `${told} ${word}` : ""}`,
    }, map);
    svg("rect", { x, y: b.y, width: s.card, height: b.core, rx: 12, class: "fb-card" }, group);
    const size = Math.min(s.card - 16, s.wide ? 58 : 42);
    const lines = splitName(b.organ.name, s.wide ? 13 : 9);
    const high = size + 4 + lines.length * (s.font + 1.5);
    const start = b.y + (b.core - high) / 2;
    const icon = svg("g", { transform: `translate(${x + (s.card - size) / 2},${start})` }, group);
    tissueIcon(b.organ.icon, size, icon);
    lines.forEach((line, i) => svg("text", {
      x: x + s.card / 2, y: start + size + s.font + 3 + i * (s.font + 1.5), class: "fb-organname", "text-anchor": "middle",
    }, group, line));
  } else {
    group = svg("g", { class: "fb-way", "data-way": b.way }, map);
    svg("rect", { x, y: b.y, width: s.card, height: b.core, rx: 12, class: "fb-outside" }, group);
    const lines = splitName(b.way, s.wide ? 13 : 9);
    lines.forEach((line, i) => svg("text", {
      x: x + s.card / 2, y: b.y + b.core / 2 + s.font * 0.35 + (i - (lines.length - 1) / 2) * (s.font + 2), class: "fb-wayname", "text-anchor": "middle",
    }, group, line));
  }
  const anchor = m < 0 ? "start" : "end";
  const inner = stackFlows(b.inner, b.y + (b.core - total(b.inner)) / 2, s, state, (flow) => ({
    x0: inside - m * 1.5, x1: edge(flow.pool, b.side), label: inside - m * 7, anchor,
  }));
  let outer = [];
  if (s.wide) {
    const partners = [...new Set(b.out.map((each) => each.partner))];
    let y = b.y + (b.core - total(b.out) - 6 * Math.max(0, partners.length - 1)) / 2;
    for (const partner of partners) {
      const mine = b.out.filter((each) => each.partner === partner);
      const end = far + m * s.outer;
      const tall = total(mine);
      outer = outer.concat(stackFlows(mine, y, s, state, () => ({ x0: far + m * 1.5, x1: end, label: far + m * 12, anchor: m < 0 ? "end" : "start" })));
      svg("path", { d: `M${end + m * 4},${y + 4}V${y + tall}`, class: "fb-brace" }, map);
      svg("text", { x: end + m * 9, y: y + tall / 2 + 5, class: "fb-partner", "text-anchor": m < 0 ? "end" : "start" }, map, partner);
      y += tall + 6;
    }
  } else {
    let y = b.y + b.core + 3;
    for (const partner of new Set(b.out.map((each) => each.partner))) {
      const mine = b.out.filter((each) => each.partner === partner);
      svg("text", { x: far, y: y + s.font, class: "fb-partner", "text-anchor": anchor }, map, partner);
      y += s.font + 4;
      outer = outer.concat(stackFlows(mine, y, s, state, () => ({
        x0: far - m * s.card * 0.55, x1: far + m * 5, label: far - m * (s.card * 0.55 + 6), anchor,
      })).map(([flow, place]) => [flow, { ...place, line: place.y - s.font * 0.36 }]));
      y += total(mine);
    }
  }
  for (const [flow, place] of [...inner, ...outer]) drawFlow(flow, state, data, place, layer);
}

function splitName(name, room) {
  if (name.length <= room || !name.includes(" ")) return [name];
  const words = name.split(" ");
  const lines = [words.shift()];
  for (const word of words) {
    if (`${lines[lines.length - 1]} ${word}`.length <= room) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
}

function drawBodyLegend(data, state, chosen, root) {
  const legend = html("div", "fb-legend", root);
  const item = (tone, text, width, paint) => {
    const box = html("span", "fb-item", legend);
    const icon = svg("svg", { viewBox: "0 0 34 14", class: "fb-key" }, box);
    const group = svg("g", { class: `fb-flow fb-${tone}` }, icon);
    svg("path", { d: "M1,7L27,7", class: "fb-line", style: `stroke-width:${width}px` }, group);
    if (paint) svg("path", { d: "M34,7L25,2L25,12Z", class: "fb-head" }, group);
    html("span", "", box, text);
  };
  for (const each of data.legends[state.count][state.nutrient] || []) item("same", String(Number(each.flux.toPrecision(1))), each.width);
  html("span", "fb-unit", legend, data.units[state.count]);
  html("span", "fb-break", legend);
  if (data.compared) {
    item("up", `higher (P ≥ ${data.clear})`, 4, true);
    item("down", `lower (P ≥ ${data.clear})`, 4, true);
    item("same", "no clear change", 4, true);
  } else {
    const there = new Set(chosen.shown.filter((each) => each[state.count].determined).map((each) => each.family));
    for (const family of FAMILY_ORDER) if (there.has(family)) item(family, data.families[family], 4, true);
  }
  if (chosen.shown.some((each) => !each[state.count].determined)) item("open", "not determined by the data", 3, true);
  if (data.note && state.count === "molecules" && chosen.shown.some((each) => each.family === "fat")) html("span", "fb-note", legend, data.note);
  if (chosen.hidden) {
    html("span", "fb-note", legend, `${chosen.hidden} fluxes below ${number(chosen.limit)} are not drawn; each organ's table has them`);
  }
}

function drawBody(data, state, root, tip, open) {
  const stage = html("div", "fb-stage", root);
  const chosen = chosenFlows(data, state);
  const map = svg("svg", { class: "fb-map", role: "group", "aria-label": data.title || `Body map of ${data.network}` }, stage);
  const paint = (available) => {
    map.replaceChildren();
    const s = arrange(data, state, chosen.shown, available);
    map.setAttribute("viewBox", `0 0 ${s.W} ${s.H}`);
    map.style.aspectRatio = `${s.W} / ${s.H}`;
    root.style.setProperty("--font", `${s.font}px`);
    root.style.setProperty("--k", map.getBoundingClientRect().width / s.W || 1); // widths of the legend are those of the map
    svg("path", { d: bodyOutline(s), class: "fb-body" }, map);
    const edge = drawVessel(s, data, map);
    const cards = svg("g", {}, map);
    const layer = svg("g", {}, map);
    for (const b of s.blocks) drawBlock(b, s, data, state, edge, cards, layer);
    for (const node of map.querySelectorAll(".fb-organ")) {
      const letter = node.dataset.organ;
      node.addEventListener("click", () => open(letter));
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        open(letter);
      });
    }
    for (const node of map.querySelectorAll(".fb-flow")) {
      const flow = chosen.shown.find((each) => each.organ === node.dataset.organ && each.partner === node.dataset.partner
        && each.nutrient === node.dataset.nutrient);
      const show = (event) => {
        tip.replaceChildren();
        html("strong", "", tip, flow.full);
        for (const line of describeFlow(flow, data)) html("div", "", tip, line);
        const amount = flow[state.count];
        if (amount.change) html("div", "", tip, `reference ${number(Math.sign(amount.value) * amount.change.reference)}, P(higher) ${amount.change.probability_higher.toFixed(2)}`);
        if (!amount.determined) html("em", "", tip, "not determined by the data");
        if (amount.lower !== null) html("small", "", tip, `[ ] ${data.interval} interval`);
        tip.hidden = false;
        const box = root.getBoundingClientRect();
        const left = Math.min(event.clientX - box.left + 14, box.width - tip.offsetWidth - 6);
        tip.style.left = `${Math.max(4, left)}px`;
        tip.style.top = `${event.clientY - box.top + 16}px`;
      };
      node.addEventListener("pointerenter", show);
      node.addEventListener("pointermove", show);
      node.addEventListener("pointerleave", () => { tip.hidden = true; });
    }
  };
  let last = 0;
  const fit = () => {
    const available = stage.clientWidth;
    if (available && Math.abs(available - last) > 1) { last = available; paint(available); }
  };
  fit();
  const observer = new ResizeObserver(fit);
  observer.observe(stage);
  drawBodyLegend(data, state, chosen, root);
  return () => observer.disconnect();
}

function choice(label, parent) {
  const box = html("label", "fb-choice", parent);
  html("span", "", box, label);
  return html("select", "", box);
}

function drawControls(data, state, change, root) {
  const bar = html("div", "fb-controls", root);
  const nutrient = choice("nutrient", bar);
  nutrient.className = "fb-nutrient";
  for (const each of [{ key: "", name: "all" }, ...data.nutrients]) {
    const option = html("option", "", nutrient, each.name);
    option.value = each.key;
  }
  nutrient.value = state.nutrient;
  nutrient.addEventListener("change", () => change({ nutrient: nutrient.value }, ".fb-nutrient"));
  const count = choice("count", bar);
  count.className = "fb-count";
  for (const each of ["carbon", "molecules"]) html("option", "", count, each).value = each;
  count.value = state.count;
  count.addEventListener("change", () => change({ count: count.value }, ".fb-count"));
  const threshold = choice("hide below", bar);
  threshold.className = "fb-threshold";
  for (const each of [...new Set([...SHARES, state.threshold])].sort((a, b) => a - b)) {
    html("option", "", threshold, each ? `${Number((100 * each).toPrecision(3))} % of the largest` : "nothing").value = String(each);
  }
  threshold.value = String(state.threshold);
  threshold.addEventListener("change", () => change({ threshold: Number(threshold.value) }, ".fb-threshold"));
  html("span", "fb-note", bar, "Choose an organ for its own flux map.");
}

function drawTissue(data, letter, root, theme, close) {
  const organ = data.organs.find((each) => each.letter === letter);
  const panel = html("section", "fb-tissue", root);
  panel.dataset.organ = letter;
  panel.setAttribute("aria-label", organ.name);
  const bar = html("div", "fb-tissuebar", panel);
  const back = html("button", "fb-back", bar, "← body");
  back.type = "button";
  back.addEventListener("click", close);
  const icon = svg("svg", { viewBox: "0 0 64 64", class: "fb-tissueicon", "aria-hidden": "true" }, bar);
  tissueIcon(organ.icon, 64, icon);
  html("strong", "fb-tissuename", bar, organ.name);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  const flux = html("div", "fluxkit-map", panel);
  flux.dataset.theme = theme;
  const drawn = draw(data.tissues[letter], flux, () => {});
  html("h3", "", panel, "Net exchange");
  const table = html("table", "fb-table", panel);
  const head = html("tr", "", html("thead", "", table));
  for (const text of ["nutrient", "from → to", data.units.carbon, data.units.molecules]) html("th", "", head, text).scope = "col";
  const rows = html("tbody", "", table);
  const mine = data.flows.filter((each) => each.organ === letter);
  mine.sort((a, b) => (a.partner !== "circulation") - (b.partner !== "circulation")
    || Math.abs(b.carbon.value) - Math.abs(a.carbon.value) || Math.abs(b.molecules.value) - Math.abs(a.molecules.value));
  for (const flow of mine) {
    const row = html("tr", "", rows);
    row.dataset.nutrient = flow.nutrient;
    row.dataset.partner = flow.partner;
    const ways = [organ.name, partnerName(flow, data)];
    if (flow.molecules.value < 0) ways.reverse();
    html("th", `fb-dot fb-${bodyTone(flow, flow.molecules, data)}`, row, flow.full).scope = "row";
    html("td", "fb-ways", row, `${ways[0]} → ${ways[1]}`);
    for (const amount of [flow.carbon, flow.molecules]) {
      const cell = html("td", "fb-number", row);
      cell.dataset.value = amount.value;
      const [value, ...range] = (amount === flow.carbon && amount.value === 0 ? "–" : magnitude(amount)).split(" [");
      html("span", "", cell, value);
      if (range.length) html("span", "fb-range", cell, ` [${range[0]}`);
    }
  }
  const open = mine.some((each) => !each.molecules.determined);
  const known = mine.some((each) => each.molecules.lower !== null);
  const notes = [known ? `[ ] ${data.interval} interval` : "", open ? "grey: not determined by the data" : "", data.note].filter(Boolean);
  if (notes.length) html("p", "fb-note", panel, `${notes.join("; ")}.`);
  return { stop: drawn.stop, back };
}

function renderBody({ model, el }) {
  const root = html("div", "fluxkit-body", el);
  const keys = ["nutrient", "count", "threshold", "organ"];
  let stop = null;
  const redraw = (focus = "") => {
    if (stop) stop();
    root.replaceChildren();
    const data = model.get("data"), theme = model.get("theme");
    root.dataset.theme = theme;
    const state = Object.fromEntries(keys.map((key) => [key, model.get(key)]));
    if (data.title) html("div", "fb-heading", root, data.title);
    const change = (values, where) => {
      quiet = true;
      for (const [key, value] of Object.entries(values)) model.set(key, value);
      model.save_changes();
      quiet = false;
      redraw(where);
    };
    if (state.organ) {
      const drawn = drawTissue(data, state.organ, root, theme, () => change({ organ: "" }, `.fb-organ[data-organ="${state.organ}"]`));
      stop = drawn.stop;
    } else {
      drawControls(data, state, change, root);
      const tip = html("div", "fb-tip", root);
      tip.hidden = true;
      stop = drawBody(data, state, root, tip, (letter) => change({ organ: letter }, ".fb-back"));
    }
    const target = focus ? root.querySelector(focus) : null;
    if (target) target.focus();
  };
  let quiet = false; // a change made here is drawn once, not again when the model reports it
  const follow = () => { if (!quiet) redraw(); };
  redraw();
  for (const key of ["data", "theme", ...keys]) model.on(`change:${key}`, follow);
  return () => {
    stop();
    for (const key of ["data", "theme", ...keys]) model.off(`change:${key}`, follow);
  };
}

export default { render: renderBody };
