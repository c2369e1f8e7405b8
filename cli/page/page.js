// The view of instances: draws one instance's patterns and tells the numbers behind what is pointed at.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const ROW = 26, TOP = 14, BARS = 120, PITCH = 74, RADIUS = 5, THIN = 1, THICK = 8, BULGE = 11, CHARACTER = 7.6;
  const SHARES = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.2, 0.8, 0.14, 0.86]; // where a number may be on its edge
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const state = { shown: [], at: 0, level: "", threshold: data.threshold, toggled: new Map(), started: false };

  // ---- elements: text only ever enters as text
  function make(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
  }
  function draw(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
  }
  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // ---- numbers
  const signed = (x) => (x < 0 ? "−" : "+") + Math.abs(x).toPrecision(3);
  const percent = (x) => (Number.isFinite(x) ? (100 * x).toFixed(1).replace("-", "−") + "%" : "–");
  const sign = (x) => (x < 0 ? "negative" : "positive");
  const through = (head) => (head === undefined ? "" : head === 0 ? "skip" : `head ${head}`);

  // ---- which instances, words and level are shown
  const instance = () => state.shown[state.at];
  const levels = () => ["embedding", "attention"].filter((l) => data.instances.some((i) => i.words.some((w) => w[l])));
  const patterns = () => instance().words.filter((word) => word[state.level]);

  function isDrawn(word) {
    if (state.toggled.has(word.at)) return state.toggled.get(word.at);
    const total = patterns().reduce((sum, w) => sum + Math.abs(w.g), 0);
    return Math.abs(word.g) >= state.threshold * total;
  }

  function filter() {
    const [condition, verdict, text] = [$("condition").value, $("verdict").value, $("search").value.toLowerCase()];
    state.shown = data.instances.filter((i) =>
      (!condition || JSON.stringify([i.subtask, i.condition]) === condition) &&
      (!verdict || i.right === (verdict === "right")) && i.text.toLowerCase().includes(text));
    $("instance").replaceChildren(...state.shown.map((i, at) => make("option", { value: at }, i.text)));
    go(0);
  }

  function go(at) {
    state.at = Math.max(0, Math.min(at, state.shown.length - 1));
    state.toggled.clear();
    $("instance").selectedIndex = state.at;
    $("count").textContent = state.shown.length ? `${state.at + 1} of ${state.shown.length}` : "none";
    if (state.started && instance()) history.replaceState(null, "", "#instance=" + encodeURIComponent(instance().id));
    show();
  }

  // ---- edges: hops of the drawn words, those alike joined
  function hops(word) {
    const { at, heads, influences, margins, seconds } = word[state.level];
    return influences.map((influence, n) => ({
      word, layer: n + 1, source: at[n], target: at[n + 1], head: heads[n], influence, margin: margins[n], second: seconds[n],
    }));
  }

  function edges(drawn) {
    const joined = new Map();
    for (const hop of drawn.flatMap(hops)) {
      const key = [hop.layer, hop.source, hop.target, hop.head, hop.word.sign].join();
      joined.set(key, [...(joined.get(key) || []), hop]);
    }
    const found = [...joined.values()].map((list) => ({ ...list[0], hops: list,
      weight: list.reduce((sum, hop) => sum + Math.abs(hop.influence), 0) }));
    const beside = new Map();
    for (const edge of found) {
      const key = [edge.layer, edge.source, edge.target].join();
      beside.set(key, [...(beside.get(key) || []), edge]);
    }
    for (const list of beside.values()) list.forEach((edge, n) => { edge.aside = n - (list.length - 1) / 2; });
    return found;
  }

  // ---- the picture
  const y = (row) => TOP + (row + 0.5) * ROW;
  const left = () => 16 + CHARACTER * Math.max(...instance().tokens.map((token) => token.length));
  const x = (layer) => left() + BARS + 30 + layer * PITCH;

  function show() {
    const svg = $("diagram");
    svg.replaceChildren();
    svg.classList.remove("some");
    $("sentence").textContent = instance() ? instance().text : "No instance fits.";
    $("numbers").replaceChildren();
    $("least").textContent = percent(state.threshold);
    if (!instance()) return;
    const rows = instance().tokens.length;
    const [width, height] = [x(data.layers) + 50, y(rows) + 24];
    fill(svg, { width, height, viewBox: `0 0 ${width} ${height}` }, []);
    const drawn = patterns().filter(isDrawn);
    const found = edges(drawn);
    const greatest = Math.max(...found.map((edge) => edge.weight), 1e-12);
    instance().tokens.forEach((token, row) => svg.append(wordRow(token, row, drawn)));
    const [met, others] = nodes(found, drawn);
const thickness = (edge) => THIN + (THICK - THIN) * edge.weight / greatest;
    placeNumbers(found, thickness);
    svg.append(...others, ...found.map((edge) => edgeLine(edge, thickness(edge))));
    svg.append(...met, ...axis(rows));
    describe();
  }

  function wordRow(token, row, drawn) {
    const word = instance().words.find((w) => w.at === row);
    const label = draw("text", { x: left() - 8, y: y(row) + 4 }, token);
    const group = draw("g", { "data-word": row, class: "word" + (drawn.includes(word) ? "" : " off") }, label);
    if (!word) return group;
    group.append(draw("rect", { x: 0, y: y(row) - ROW / 2, width: left() + BARS, height: ROW, fill: "transparent" }));
    group.append(...bars(word, row));
    fill(group, { tabindex: 0, role: "button", "aria-pressed": drawn.includes(word) }, []);
    points(group, (edge) => edge.hops.some((hop) => hop.word === word), () => tellWord(word));
    const toggle = () => { state.toggled.set(row, !isDrawn(word)); show(); };
    group.addEventListener("click", toggle);
    group.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); focusOn(`[data-word="${row}"]`); }
    });
    return group;
  }

  function bars(word, row) {
    const values = instance().words.flatMap((w) => [w.g, ...levels().map((l) => w[l] ? w[l].i : 0)]);
    const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
    const scale = BARS / (high - low || 1), zero = left() - low * scale;
    const bar = (value, n, kind) => draw("rect", { x: zero + Math.min(0, value) * scale, width: Math.abs(value) * scale,
      y: y(row) - 9 + 6 * n, height: 6, class: `bar ${kind} ${sign(value)}` });
    return [bar(word.g, 0, "total"), ...levels().filter((l) => word[l]).map((l, n) => bar(word[l].i, n + 1, l)),
      draw("line", { x1: zero, x2: zero, y1: y(row) - ROW / 2, y2: y(row) + ROW / 2, class: "axis" })];
  }

  // An edge is a curve from its source to its target; the point between pulls it aside.
  function bend(edge) {
    const [x1, y1, x2, y2] = [x(edge.layer - 1), y(edge.source), x(edge.layer), y(edge.target)];
    const length = Math.hypot(x2 - x1, y2 - y1), away = 2 * edge.aside * BULGE;
    return [[x1, y1], [(x1 + x2) / 2 - away * (y2 - y1) / length, (y1 + y2) / 2 + away * (x2 - x1) / length], [x2, y2]];
  }

  function along(edge, t) {
    const [a, b, c] = bend(edge);
    return [0, 1].map((n) => (1 - t) ** 2 * a[n] + 2 * t * (1 - t) * b[n] + t ** 2 * c[n]);
  }

  // A head's number covers no other edge, node or number: it stands on its edge, else at the nearest free place
  // beside it, with a line to the edge. Where there is none it is left out; pointing at the edge tells it.
  function placeNumbers(found, width) {
    const samples = (edge) => Math.ceil((PITCH + ROW * Math.abs(edge.target - edge.source)) / 4);
    const taken = found.flatMap((edge) => Array.from({ length: samples(edge) + 1 }, (_, n) =>
      ({ at: along(edge, n / samples(edge)), wide: width(edge) / 2, high: width(edge) / 2, edge })));
    for (const edge of found) for (const [layer, row] of [[edge.layer - 1, edge.source], [edge.layer, edge.target]]) {
      taken.push({ at: [x(layer), y(row)], wide: RADIUS, high: RADIUS });
    }
    const isFree = ([px, py], wide, own) => px >= x(0) && py >= 5 && py < y(instance().tokens.length) &&
      taken.every(({ at, wide: w, high, edge }) =>
        (edge && edge === own) || Math.abs(at[0] - px) > wide + w + 1 || Math.abs(at[1] - py) > 6 + high);
    for (const edge of found.filter((e) => e.head)) {
      const wide = 3.6 * String(edge.head).length;
      const on = SHARES.map((t) => along(edge, t)), middle = on[0];
      let at = on.find((p) => isFree(p, wide, edge)), anchor;
      for (let ring = 2; !at && ring < 60; ring++) {
        at = Array.from({ length: 24 }, (_, n) => [middle[0] + 5 * ring * Math.cos(n * Math.PI / 12),
          middle[1] + 5 * ring * Math.sin(n * Math.PI / 12)]).find((p) => isFree(p, wide));
        if (at) anchor = on.reduce((a, b) => (Math.hypot(a[0] - at[0], a[1] - at[1]) <= Math.hypot(b[0] - at[0], b[1] - at[1]) ? a : b));
      }
      edge.number = at && { at, anchor };
      if (at) taken.push({ at, wide, high: 6 });
    }
  }

  function edgeLine(edge, width) {
    const [[x1, y1], [cx, cy], [x2, y2]] = bend(edge);
    const d = `M${x1} ${y1} Q${cx} ${cy} ${x2} ${y2}`;
    const kind = edge.head === 0 ? "skip" : "head";
    const group = draw("g", { class: `edge ${kind} ${sign(edge.word.sign)}`, tabindex: 0,
      "data-edge": [edge.layer, edge.source, edge.target, edge.head ?? "hop"].join("-") },
    draw("path", { d, class: "line", "stroke-width": width.toFixed(2) }), draw("path", { d, class: "reach" }));
    if (kind === "skip") group.firstChild.setAttribute("stroke-dasharray", `${4 + width} ${2 + 0.8 * width}`);
    if (edge.number) {
      const { at, anchor } = edge.number;
      if (anchor) group.append(draw("path", { d: `M${at} L${anchor}`, class: "leader" }));
      group.append(draw("text", { x: at[0], y: at[1] + 4 }, String(edge.head)));
    }
    points(group, (other) => other === edge, () => tellHops(`into layer ${edge.layer}`, edge.hops));
    group.edge = edge;
    return group;
  }

  function nodes(found, drawn) {
    const signs = new Map(drawn.map((word) => [word.at, sign(word.sign)]));
    const met = new Set(found.flatMap((e) => [`${e.layer - 1}-${e.source}`, `${e.layer}-${e.target}`]));
    const every = instance().tokens.flatMap((_, row) => Array.from({ length: data.layers + 1 }, (_, layer) => {
      const name = `${layer}-${row}`, is = met.has(name);
      const target = layer === data.layers && row === instance().target;
      const r = is ? RADIUS : RADIUS / 2, [cx, cy] = [x(layer), y(row)];
      const start = layer === 0 && signs.get(row);
      const classes = ["node", is && "met", target && is && "target", start].filter(Boolean).join(" ");
      const node = layer ? draw("circle", { cx, cy, r, class: classes, "data-node": name })
        : draw("rect", { x: cx - r, y: cy - r, width: 2 * r, height: 2 * r, class: classes, "data-node": name });
      if (is) {
        node.setAttribute("tabindex", 0);
        points(node, (e) => touches(e, layer, row), () => tellNode(layer, row, found));
      }
      return node;
    }));
    return [every.filter((node) => node.matches(".met")), every.filter((node) => !node.matches(".met"))];
  }

  const touches = (e, layer, row) => (e.layer === layer && e.target === row) || (e.layer === layer + 1 && e.source === row);

  function axis(rows) {
    const end = draw("text", { x: x(data.layers) + 14, y: y(instance().target) + 4, class: "output" }, "q");
    return [end, ...Array.from({ length: data.layers + 1 }, (_, layer) =>
      draw("text", { x: x(layer), y: y(rows) + 4, class: "layer" }, layer ? String(layer) : "input"))];
  }

  // ---- what is pointed at: its edges stand out, its numbers are told
  function points(element, belongs, tell) {
    const on = () => {
      $("diagram").classList.add("some");
      for (const group of document.querySelectorAll("#diagram .edge")) group.classList.toggle("lit", belongs(group.edge));
      tell();
    };
    const off = () => { $("diagram").classList.remove("some"); describe(); };
    for (const [event, action] of [["mouseenter", on], ["focus", on], ["mouseleave", off], ["blur", off]]) {
      element.addEventListener(event, action);
    }
  }

  function focusOn(selector) {
    const element = document.querySelector("#diagram " + selector);
    if (element) element.focus();
  }

  const place = (row) => `${instance().tokens[row]} (${row}, ${instance().roles[row]})`;

  function tell(title, rows, numeric) {
    const cells = (tag, row) => row.map((cell, n) => make(tag, n < numeric ? {} : { class: "number" }, String(cell)));
    const [head, ...body] = rows.map((row, n) => make("tr", {}, ...cells(n ? "td" : "th", row)));
    $("numbers").replaceChildren(make("h3", {}, title), make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
  }

  function tellHops(title, list) {
    const rows = list.map((hop) => [place(hop.word.at), through(hop.head), instead(hop), signed(hop.influence),
      percent(hop.influence / hop.word.g), hop.margin === null ? "–" : hop.margin.toPrecision(2)]);
    tell(title, [["pattern of", "through", "instead of", "influence", "of g", "margin"], ...rows], 3);
  }

  // What came second: a head or the skip, at the embedding level another position.
  function instead({ head, second }) {
    if (second === null) return "–";
    return head === undefined ? place(second) : through(second);
  }

  function tellNode(layer, row, found) {
    if (layer) {
      const into = found.filter((edge) => edge.layer === layer && edge.target === row).flatMap((edge) => edge.hops);
      tellHops(`layer ${layer}, ${place(row)}`, into);
    } else {
      tellWord(instance().words.find((word) => word.at === row));
    }
  }

  function tellWord(word) {
    const rows = levels().filter((l) => word[l]).map((l) => [`${l} pattern`, signed(word[l].i), percent(word[l].i / word.g)]);
    tell(place(word.at), [["", "influence", "of g"], ["total g", signed(word.g), ""], ...rows], 1);
    const path = hops(word).map((hop) => `${through(hop.head) || "hop"} to ${hop.target}`).join(", ");
    $("numbers").append(make("p", { class: "note" }, `${state.level} pattern: ${path}`));
  }

  function describe() {
    const i = instance();
    const judged = i.right === null ? "no label to judge by" : i.right ? "right" : "wrong";
    const rows = [["id", i.id], ["name", i.name], ["subtask", i.subtask], ["condition", i.condition], ["expected", i.expected],
      ["model", judged], [`q: ${i.qoi}`, signed(i.q)], ["completeness error", i.error === null ? "" : signed(i.error)]];
    const body = rows.filter(([, value]) => value).map(([what, value]) => make("tr", {}, make("th", { scope: "row" }, what), make("td", {}, value)));
    $("numbers").replaceChildren(make("table", {}, make("tbody", {}, ...body)));
  }

  // ---- controls
  function addressed() {
    const given = location.hash.replace(/^#instance=/, "");
    try {
      return decodeURIComponent(given);
    } catch {
      return given; // a % that encodes nothing
    }
  }

  function start() {
    const groups = new Map(data.instances.map((i) => [JSON.stringify([i.subtask, i.condition]), [i.subtask, i.condition]]));
    const options = [...groups].sort().map(([value, names]) => make("option", { value }, names.filter(Boolean).join(", ")));
    $("condition").append(make("option", { value: "" }, "all conditions"), ...options);
    for (const level of levels()) {
      const input = make("input", { type: "radio", name: "level", value: level });
      input.addEventListener("change", () => { state.level = level; show(); });
      input.checked = true;
      state.level = level;
      $("levels").append(make("label", {}, input, ` ${level}`));
    }
    $("threshold").value = state.threshold;
    $("threshold").addEventListener("input", (event) => { state.threshold = Number(event.target.value); state.toggled.clear(); show(); });
    const every = (on) => { for (const word of patterns()) state.toggled.set(word.at, on); show(); };
    $("all").addEventListener("click", () => every(true));
    $("none").addEventListener("click", () => every(false));
    $("previous").addEventListener("click", () => go(state.at - 1));
    $("next").addEventListener("click", () => go(state.at + 1));
    $("instance").addEventListener("change", (event) => go(event.target.selectedIndex));
    for (const [id, event] of [["condition", "change"], ["verdict", "change"], ["search", "input"]]) $(id).addEventListener(event, filter);
    $("controls").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, select")) return;
      if (event.key === "ArrowLeft") go(state.at - 1);
      if (event.key === "ArrowRight") go(state.at + 1);
    });
    const wanted = addressed();
    filter();
    const at = state.shown.findIndex((i) => i.id === wanted);
    if (at > 0) go(at);
    state.started = true;
  }

  start();
})();
