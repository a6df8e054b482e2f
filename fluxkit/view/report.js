// Draws the figures of a report when they come into view, for the width and the colours of the reader's screen.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colours = JSON.parse(document.getElementById("dark-colours").textContent);
  const figures = [...document.querySelectorAll(".figure")];

  function read(element) {
    let text = document.getElementById(element.dataset.source).textContent;
    if (dark.matches) text = text.replace(/#[0-9a-f]{6}/gi, (colour) => colours[colour.toLowerCase()] ?? colour);
    return JSON.parse(text);
  }

  // the same arithmetic as fluxkit/view/panels.py, for as many columns as the width allows
  function arrange(layout, width) {
    const panels = layout.meta && layout.meta.panels;
    if (!panels) return;
    const { l, r, t, b } = layout.margin;
    const inner = Math.max(width - l - r, 60);
    const fit = Math.floor((inner + panels.gap_x) / (panels.min_width - l + panels.gap_x));
    const columns = Math.max(1, Math.min(panels.count, panels.most, fit));
    const rows = Math.ceil(panels.count / columns);
    const panel = (inner - (columns - 1) * panels.gap_x) / columns;
    const high = rows * panels.row_height + (rows - 1) * panels.gap_y;
    for (let i = 0; i < panels.count; i++) {
      const x = (i % columns) * (panel + panels.gap_x) / inner;
      const y = 1 - Math.floor(i / columns) * (panels.row_height + panels.gap_y) / high;
      const suffix = i ? String(i + 1) : "";
      layout[`xaxis${suffix}`].domain = [x, Math.min(x + panel / inner, 1)];
      layout[`yaxis${suffix}`].domain = [Math.max(y - panels.row_height / high, 0), y];
      Object.assign(layout.annotations[i], { x, y });
    }
    layout.height = high + t + b;
  }

  function draw(element) {
    const width = element.clientWidth;
    if (!width || typeof Plotly === "undefined") return;
    element.dataset.width = width;
    const { data, layout } = read(element);
    delete layout.title; // the page has its own headings
    const titled = (layout.annotations || []).some((each) => each.yref === "paper" && each.text);
    layout.margin.t = (width < 560 ? 54 : 34) + (titled ? 20 : 0); // a legend of one or two lines
    arrange(layout, width);
    layout.width = width;
    Object.assign(layout.legend, { x: 0, y: 1 });
    Plotly.react(element, data, layout, { displayModeBar: false, responsive: false });
  }

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && !target.dataset.width) draw(target);
  }, { rootMargin: "500px" });
  const sized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.dataset.width && target.clientWidth && target.clientWidth !== Number(target.dataset.width)) draw(target);
    }
  });
  for (const each of figures) { seen.observe(each); sized.observe(each); }
  const again = () => figures.filter((each) => each.dataset.width).forEach(draw);
  dark.addEventListener("change", again);
  addEventListener("beforeprint", () => figures.forEach(draw));

  for (const tabs of document.querySelectorAll("[role=tablist]")) {
    const buttons = [...tabs.querySelectorAll("button")];
    const choose = (button) => {
      for (const each of buttons) {
        each.setAttribute("aria-selected", each === button);
        each.tabIndex = each === button ? 0 : -1;
        document.getElementById(each.getAttribute("aria-controls")).hidden = each !== button;
      }
    };
    buttons.forEach((button, i) => {
      button.addEventListener("click", () => choose(button));
      button.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = buttons[(i + step + buttons.length) % buttons.length];
        choose(next);
        next.focus();
      });
    });
    tabs.hidden = false;
    choose(buttons[0]);
  }

  for (const button of document.querySelectorAll("button.copy")) {
    const source = document.getElementById(button.dataset.copy);
    const words = button.textContent;
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(source);
      try {
        await navigator.clipboard.writeText(source.innerText.trim());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected: copy it with the keyboard"; // a page of a file may not write to the clipboard
      }
      setTimeout(() => { button.textContent = words; }, 3000);
    });
    button.hidden = false;
  }

  for (const filter of document.querySelectorAll(".filter")) {
    const rows = [...document.getElementById(filter.dataset.table).tBodies[0].rows];
    const [search, only] = [filter.querySelector("[type=search]"), filter.querySelector("[type=checkbox]")];
    const apply = () => {
      const wanted = search.value.trim().toLowerCase();
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted) || (only.checked && row.classList.contains("open"));
      }
    };
    filter.addEventListener("input", apply);
    filter.hidden = false;
  }
})();
