"use strict";
// Raster, pickers and time buttons of a page. The figures are Bokeh's; what they show is computed here.
const corticalAttention = (() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const found = new Map();
  let view = null, waiting = false;

  // A Bokeh model by its name.
  const model = name => {
    if (!found.has(name)) found.set(name, Bokeh.documents[0].get_model_by_name(name));
    return found.get(name);
  };

  // A plain typed array over the memory of one of Bokeh's, which is slower to index.
  const plain = array => {
    const kinds = {1: Uint8Array, 2: Uint16Array, 4: Uint32Array};
    return new kinds[array.BYTES_PER_ELEMENT](array.buffer, array.byteOffset, array.length);
  };

  // Spikes of each lane: rows in the order of time, and where each step begins.
  let spikes = null;
  const spiking = page.lanes.filter(lane => lane.spiking);
  const unpack = () => spiking.map(lane => {
    const rows = plain(model(`spikes ${lane.of}`).data.row);
    const count = plain(model(`spikes ${lane.of} a step`).data.count);
    const first = new Uint32Array(count.length + 1);
    for (let k = 0; k < count.length; k++) first[k + 1] = first[k] + count[k];
    return {...lane, rows, first, n_step: count.length};
  });

  // Red, green and blue as the low bytes of a pixel.
  const pixel = hex => {
    const [r, g, b] = [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
    return (b << 16) | (g << 8) | r;
  };

  // Whole steps a column and where they begin, so that no column holds more steps than another.
  const columnsOf = (range, most) => {
    const start = Math.max(0, range.start), end = Math.min(page.t_stop, range.end);
    const span = Math.max(1, Math.ceil((end - start) / page.dt / most - 1e-9));
    const from = Math.floor(start / page.dt / span + 1e-9) * span;
    return {start, end, span, from, n: Math.ceil((end / page.dt - from) / span - 1e-9)};
  };

  // Count the spikes of a lane in bins of whole cells and whole steps.
  const counted = (lane, time, depth, rowHeight) => {
    const cellHeight = lane.height / lane.n;
    const cells = Math.max(1, Math.ceil(rowHeight / cellHeight - 1e-9));
    const low = Math.max(0, Math.floor((depth.top - lane.top) / cellHeight / cells));
    const high = Math.min(Math.ceil(lane.n / cells), Math.ceil((depth.bottom - lane.top) / cellHeight / cells));
    if (high <= low) return null;
    const bins = new Uint32Array((high - low) * time.n);
    const last = Math.min(time.from + time.n * time.span, lane.n_step);
    const [begin, end] = [time.start, time.end].map(t => Math.ceil(t / page.dt - 1e-9));
    let most = 0, inside = 0;
    for (let step = time.from; step < last; step++) {
      const column = Math.floor((step - time.from) / time.span), shown = step >= begin && step < end;
      for (let k = lane.first[step]; k < lane.first[step + 1]; k++) {
        const bin = Math.floor(lane.rows[k] / cells) - low;
        if (bin < 0 || bin >= high - low) continue;
        const value = ++bins[bin * time.n + column];
        if (value > most) most = value;
        if (shown) inside++;
      }
    }
    return {bins, cells, low, high, most, inside, cellHeight};
  };

  // Paint the bins of a lane into the rows of the image that it covers.
  const paint = (pixels, width, lane, found, time, depth, rowHeight, rows) => {
    const shade = new Uint32Array(found.most + 1), colour = pixel(lane.colour);
    for (let v = 1; v <= found.most; v++) shade[v] = ((40 + 215 * (v / found.most) ** 0.7) << 24) | colour;
    for (let row = 0; row < rows; row++) {
      const cell = (depth.top + (row + 0.5) * rowHeight - lane.top) / found.cellHeight;
      const bin = Math.floor(cell / found.cells);
      if (cell < 0 || cell >= lane.n || bin < found.low || bin >= found.high) continue;
      const from = (bin - found.low) * time.n, to = row * width;
      for (let k = 0; k < time.n; k++) pixels[to + k] = shade[found.bins[from + k]];
    }
  };

  // Draw all spikes in view.
  const shade = () => {
    waiting = false;
    if (!spiking.length) return said();
    const began = performance.now(), raster = model("raster"), source = model("raster image");
    spikes ??= unpack();
    const data = source.data, [height, width] = data.image[0].shape, pixels = plain(data.image[0]);
    const ratio = window.devicePixelRatio || 1;
    const time = columnsOf(raster.x_range, Math.min(width - 2, Math.max(50, Math.floor(raster.inner_width * ratio))));
    const rows = Math.min(height, Math.max(50, Math.floor(raster.inner_height * ratio)));
    const depth = {top: -raster.y_range.end, bottom: -raster.y_range.start};
    const rowHeight = (depth.bottom - depth.top) / rows;
    pixels.fill(0);
    view = {spikes: 0, column_s: time.span * page.dt, lanes: {}};
    for (const lane of spikes) {
      const found = counted(lane, time, depth, rowHeight);
      if (!found) continue;
      view.spikes += found.inside;
      view.lanes[lane.name] = found.inside;
      paint(pixels, width, lane, found, time, depth, rowHeight, rows);
    }
    data.x[0] = time.from * page.dt;
    data.dw[0] = width * time.span * page.dt;
    data.dh[0] = height * rowHeight;
    data.y[0] = -depth.top - data.dh[0];
    source.change.emit();
    view.shade_ms = performance.now() - began;
    said();
  };

  // Draw once before the next frame, however many changes come.
  const shadeSoon = () => {
    if (!waiting && document.body.dataset.ready) {
      waiting = true;
      requestAnimationFrame(shade);
    }
  };

  const seconds = t => `${+t.toPrecision(4)} s`;

  // Say in words what is in view.
  const said = () => {
    const range = model("raster").x_range, counted = spiking.length && view;
    const many = counted ? `: ${view.spikes.toLocaleString("en")} spikes` : "";
    document.getElementById("view").textContent = `From ${seconds(range.start)} to ${seconds(range.end)}${many}`;
  };

  // Say which cell, and when, a place of the raster is.
  const point = (time, y) => {
    const lane = page.lanes.find(each => -y >= each.top && -y < each.top + each.height);
    if (!lane || time < 0 || time > page.t_stop) return;
    const cell = lane.cells[Math.floor((-y - lane.top) / lane.height * lane.n)];
    let rest = cell;
    const places = lane.axes.toReversed().map(([kind, size]) => {
      const place = rest % size;
      rest = Math.floor(rest / size);
      return kind === "sign" ? ["on", "off"][place] : `${kind} ${place}`;
    });
    const where = places.length ? ` (${places.reverse().join(", ")})` : "";
    document.getElementById("pointed").textContent = `${lane.name}, cell ${cell}${where}, at ${seconds(time)}`;
  };

  // Move the axis of time.
  const move = word => {
    const range = model("raster").x_range, [start, end] = [range.start, range.end], long = end - start;
    const middle = (start + end) / 2;
    const moves = {
      whole: [0, page.t_stop], measured: page.measured,
      in: [middle - long / 4, middle + long / 4], out: [middle - long, middle + long],
      earlier: [start - long / 2, end - long / 2], later: [start + long / 2, end + long / 2],
    };
    let [from, to] = moves[word];
    const length = Math.min(page.t_stop, Math.max(page.dt, to - from));
    from = Math.min(Math.max(0, from), page.t_stop - length);
    range.setv({start: from, end: from + length});
    if (word === "whole") {
      const y = model("raster").y_range;
      y.setv({start: y.reset_start ?? y.start, end: y.reset_end ?? y.end});
    }
    shadeSoon();
  };

  // Show the attention of a head, and where a token looks.
  const attend = () => {
    const {n_token, n_context} = page.attention, head = +document.getElementById("head").value;
    const token = +document.getElementById("token").value, size = n_token * n_context, full = model("attention").data;
    const [circuit, algebra] = ["circuit", "algebra"].map(name => full[name].slice(head * size, (head + 1) * size));
    const weights = {circuit, algebra, difference: circuit.map((value, k) => value - algebra[k])};
    for (const [name, weight] of Object.entries(weights)) {
      const source = model(`map of ${name}`), row = model(`row of ${name}`);
      source.data = {...source.data, weight};
      row.setv({top: token - 0.5, bottom: token + 0.5});
    }
    const looking = model("looking"), row = [token * n_context, (token + 1) * n_context];
    looking.data = {...looking.data, circuit: circuit.slice(...row), algebra: algebra.slice(...row)};
    document.getElementById("token-said").textContent = page.attention.names.tokens?.[token] ?? token;
    document.getElementById("looks").textContent = sentence(head, token, circuit.slice(...row), algebra.slice(...row));
  };

  // Name of a head, a token or an item of the context.
  const called = (kind, k, word) => page.attention.names[kind]?.[k] ?? `${word} ${k}`;

  const sentence = (head, token, circuit, algebra) => {
    const [where, name] = [called("heads", head, "head"), called("tokens", token, "token")];
    const here = name[0].toUpperCase() + name.slice(1);
    const context = k => called("context", k, "context token");
    const [most, right] = [circuit, algebra].map(row => row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity)));
    const same = most === right ? "so does the algebra" : `the algebra at ${context(right)} (${algebra[right].toPrecision(3)})`;
    const value = most === right ? ` (${algebra[right].toPrecision(3)})` : "";
    return `${here} of ${where} looks most at ${context(most)} (${circuit[most].toPrecision(3)}), ${same}${value}.`;
  };

  // Pick the token of a place on a map.
  const pick = place => {
    const slider = document.getElementById("token"), token = Math.round(place);
    if (token < 0 || token >= page.attention.n_token) return;
    slider.value = token;
    attend();
  };

  // Where the window is narrow, names beside the panels give way to the list of colours below them.
  const fit = () => {
    if (window.innerWidth > 760) return;
    for (const panel of Bokeh.documents[0].roots().filter(each => each.tags.includes("time"))) {
      panel.min_border_left = 60;
      if (panel.name === "raster") panel.left[0].visible = false;
    }
  };

  const start = () => {
    if (page.figures) fit();
    document.body.dataset.ready = "yes";
    if (page.attention) {
      for (const name of ["head", "token"]) document.getElementById(name).addEventListener("input", attend);
      attend();
    }
    if (!document.getElementById("view")) return;
    for (const button of document.querySelectorAll("[data-move]")) button.addEventListener("click", () => move(button.dataset.move));
    shade();
  };

  const wait = () => {
    const ready = !page.figures || window.Bokeh && Bokeh.documents.length && Bokeh.documents[0].is_idle;
    ready ? start() : setTimeout(wait, 20);
  };
  document.addEventListener("DOMContentLoaded", wait);
  return {shadeSoon, pick, point, view: () => view, model};
})();
