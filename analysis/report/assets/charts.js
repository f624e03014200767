// Charts: a choice of setting, one legend whose buttons show and hide lines in all charts, and
// switches between logarithmic and linear axes. Figures come as data in #chart-data.
"use strict";
(() => {
  const PANEL_WIDTH = 225; // px; narrower panels stand below each other
  const MARGIN = { l: 64, r: 12, t: 34, b: 52 };
  const PRINTED_WIDTH = 1030; // of A4 across
  const MOST_TICKS = 7;
  const TICK_FACTORS = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 2, 5], [1]];
  const TITLE_GAP = 64; // px between rows of panels, for ticks and title
  const TICKS_GAP = 56; // px between columns
  const INK = "#1b1f24";
  const GRID = "#d5dae0";
  const CONFIG = {
    displaylogo: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  };

  const dataOf = (id) => JSON.parse(document.getElementById(id).textContent);
  const paper = window.matchMedia("print");

  const add = (parent, tag, properties = {}) => {
    const element = Object.assign(document.createElement(tag), properties);
    parent.append(element);
    return element;
  };

  // Plain numbers instead of powers of ten.
  const plain = (value) => {
    const [factor, unit] =
      [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([size]) => value >= size) ?? [1, ""];
    return `${Number((value / factor).toPrecision(3))}${unit}`;
  };

  // The most of such numbers as 1, 2, 5, 10, ... that are few enough to be read.
  const logTicks = (values) => {
    const known = values.filter((value) => value > 0);
    if (!known.length) return {};
    const low = known.reduce((a, b) => Math.min(a, b));
    const high = known.reduce((a, b) => Math.max(a, b));
    const powers = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high * 2; power++) powers.push(power);
    const at = (factors) =>
      powers.flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)));
    const isSeen = (value) => value >= low && value <= high;
    const isFew = (factors) => at(factors).filter(isSeen).length <= MOST_TICKS;
    const tickvals = at(TICK_FACTORS.find(isFew) ?? [1]);
    return { tickvals, ticktext: tickvals.map(plain) };
  };

  const ticksOf = (type, values) => {
    if (type === "log") return logTicks(values);
    return type === "category" ? { tickmode: "linear", dtick: 1 } : { nticks: MOST_TICKS };
  };

  const axisOf = (kind, type, values, anchor, isOuter) => ({
    type,
    anchor,
    title: { text: isOuter ? kind.title : "", standoff: 6, font: { size: 12 } },
    gridcolor: GRID,
    linecolor: INK,
    ticks: "outside",
    zeroline: false,
    automargin: true,
    rangemode: type === "linear" ? "tozero" : "normal",
    ...ticksOf(type, values),
  });

  // Panels in as many columns as there is room for.
  const layoutOf = ({ chart, types }, width) => {
    const count = chart.panels.length;
    const columns = Math.max(1, Math.min(count, chart.columns, Math.floor(width / PANEL_WIDTH)));
    const rows = Math.ceil(count / columns);
    const layout = {
      width,
      height: rows * chart.panel_height + MARGIN.b,
      margin: MARGIN,
      grid: {
        rows,
        columns,
        pattern: "independent",
        xgap: (TICKS_GAP * columns) / width,
        ygap: TITLE_GAP / chart.panel_height,
      },
      showlegend: false,
      barmode: "stack",
      hovermode: "closest",
      dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
      font: { family: "system-ui, sans-serif", size: 11, color: INK },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      annotations: chart.panels.map((text, panel) => ({
        text: `<b>${text}</b>`,
        showarrow: false,
        xref: `x${panel ? panel + 1 : ""} domain`,
        yref: `y${panel ? panel + 1 : ""} domain`,
        x: 0,
        y: 1.01,
        xanchor: "left",
        yanchor: "bottom",
        font: { size: 12 },
      })),
    };
    for (let panel = 0; panel < count; panel++) {
      const suffix = panel ? String(panel + 1) : "";
      const own = chart.traces.filter((trace) => trace.xaxis === `x${suffix}`);
      const isBottom = panel + columns >= count;
      const isLeft = panel % columns === 0;
      const [x, y] = ["x", "y"].map((name) => own.flatMap((trace) => trace[name]));
      layout[`xaxis${suffix}`] = axisOf(chart.x, types.x, x, `y${suffix}`, isBottom);
      if (panel && types.x !== "category") layout[`xaxis${suffix}`].matches = "x";
      layout[`yaxis${suffix}`] = axisOf(chart.y, types.y, y, `x${suffix}`, isLeft);
    }
    return layout;
  };

  // A line's look, drawn by Plotly's own names of markers and dashes.
  const swatch = ({ colour, outline, symbol, dash }) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const put = (tag, attributes) => {
      const element = document.createElementNS(space, tag);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      svg.append(element);
    };
    for (const [key, value] of Object.entries({ width: 34, height: 14, "aria-hidden": "true" })) {
      svg.setAttribute(key, value);
    }
    const stroke = { stroke: colour, "stroke-width": 2 };
    const dashes = dash === "solid" ? "none" : dash;
    put("line", { x1: 0, y1: 7, x2: 34, y2: 7, "stroke-dasharray": dashes, ...stroke });
    put("path", {
      d: outline,
      transform: "translate(17 7)",
      fill: symbol.includes("open") ? "#fff" : colour,
      ...stroke,
      "stroke-width": 1,
    });
    return svg;
  };

  // A place for charts with one legend, drawn anew for each setting and width.
  const boardIn = (root) => {
    let drawn = []; // {plot, chart, types}
    let hidden = new Set(); // the lines that are not shown
    let width = root.clientWidth;

    const draw = (item) => {
      const traces = item.chart.traces.map((trace) => ({
        ...trace,
        visible: !hidden.has(trace.meta.line),
      }));
      // On paper a board is as wide a part of the page as it is on the screen.
      const now = paper.matches ? PRINTED_WIDTH * Math.min(1, width / root.parentElement.clientWidth) : width;
      Plotly.react(item.plot, traces, layoutOf(item, now), CONFIG);
    };
    const drawAll = () => drawn.forEach(draw);

    const addSwitch = (parent, item, name, title) => {
      const { types } = item.chart[name];
      if (types.length < 2) return;
      const label = add(parent, "label");
      const box = add(label, "input", { type: "checkbox", checked: types[0] === "log" });
      label.append(` logarithmic ${title}`);
      box.addEventListener("change", () => {
        item.types[name] = box.checked ? "log" : "linear";
        draw(item);
      });
    };

    const addChart = (chart) => {
      const figure = add(root, "figure", { id: `chart-${chart.name}` });
      const caption = add(figure, "figcaption");
      add(caption, "h3", { textContent: chart.title, id: `chart-${chart.name}-title` });
      add(caption, "p", { textContent: chart.note, className: "note" });
      figure.setAttribute("aria-labelledby", `chart-${chart.name}-title`);
      const switches = add(figure, "div", { className: "switches", role: "group" });
      switches.ariaLabel = `Axes of ${chart.title}`;
      const plot = add(figure, "div", { className: "plot" });
      const item = { plot, chart, types: { x: chart.x.types[0], y: chart.y.types[0] } };
      addSwitch(switches, item, "x", "horizontal axis");
      addSwitch(switches, item, "y", "vertical axis");
      drawn.push(item);
      draw(item);
    };

    const addLegend = (lines) => {
      const legend = add(root, "div", { className: "legend", role: "group" });
      legend.ariaLabel = `Detectors in ${root.id === "first-root" ? "this chart" : "the charts"}`;
      lines.forEach((line, place) => {
        const button = add(legend, "button", { type: "button", ariaPressed: "true" });
        button.append(swatch(line), line.name);
        button.addEventListener("click", () => {
          if (!hidden.delete(place)) hidden.add(place);
          button.ariaPressed = String(!hidden.has(place));
          drawAll();
        });
      });
    };

    new ResizeObserver(() => {
      if (root.clientWidth === width) return;
      width = root.clientWidth;
      drawAll();
    }).observe(root);
    paper.addEventListener("change", drawAll);

    return ({ lines, charts }, ...above) => {
      drawn.forEach(({ plot }) => Plotly.purge(plot));
      drawn = [];
      hidden = new Set();
      root.replaceChildren(...above);
      addLegend(lines);
      charts.forEach(addChart);
    };
  };

  const settings = dataOf("chart-data");
  const root = document.getElementById("chart-root");
  const board = boardIn(root);
  const show = (setting) => {
    const label = document.createElement("p");
    label.textContent = setting.label;
    label.className = settings.length > 1 ? "printed" : "";
    board(setting, label);
  };

  const addChoice = () => {
    const choice = document.createElement("p");
    const label = add(choice, "label", { textContent: "Setting: " });
    const select = add(label, "select");
    choice.className = "setting";
    settings.forEach(({ label: text }, place) =>
      add(select, "option", { textContent: text, value: String(place) }),
    );
    select.addEventListener("change", () => show(settings[Number(select.value)]));
    root.before(choice);
  };

  const first = dataOf("first-chart-data");
  if (first) boardIn(document.getElementById("first-root"))(first);
  if (!settings.length) {
    add(root, "p", { textContent: "No cell of a detector was measured, so there is nothing to draw." });
    return;
  }
  if (settings.length > 1) addChoice();
  show(settings[0]);
})();
