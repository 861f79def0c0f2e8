// Verified timings, under a roofline.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const colours = { conv: "#4c7df0", deform: "#e8590c", transpose: "#12a594", pool: "#b44ed0", other: "#8d99ae" };

function family(operation) {
  if (operation.startsWith("deform")) return "deform";
  if (operation.startsWith("conv_transpose")) return "transpose";
  if (operation.includes("pool")) return "pool";
  return operation.startsWith("conv") ? "conv" : "other";
}

const digits = (value) => (value >= 1000 ? Math.round(value).toLocaleString("en") : value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const percent = (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;

function svg(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

export class Bench {
  /** The record of the last run, as text. */
  record = null;
  #running = false;
  #rows = [];
  #peaks = [];

  constructor(engine, device) {
    this.engine = engine;
    this.device = device;
    const suites = [...new Set(device.layers.map((layer) => layer.suite))];
    const options = [["*", "one of each network"], ...suites.map((suite) => [suite, suite])];
    $("suite").replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    $("bench-controls").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.engine.stop();
      else this.run();
    });
    $("export").addEventListener("click", () => this.#save());
    this.draw();
  }

  /** `SUITE/LAYER` of what is chosen. */
  chosen() {
    const suite = $("suite").value;
    const fits = this.device.layers.filter((layer) => $("large").checked || !layer.large);
    const seen = new Set();
    const first = (layer) => layer.flops > 0 && !seen.has(layer.suite) && seen.add(layer.suite);
    return fits.filter((layer) => (suite === "*" ? first(layer) : layer.suite === suite)).map(({ suite, layer }) => `${suite}/${layer}`);
  }

  async run() {
    const passes = ["forward", "backward"].filter((pass) => $(pass).checked);
    const layers = this.chosen();
    if (passes.length === 0 || layers.length === 0) {
      this.#say(passes.length ? "Every layer of this network is large: choose large ones, too." : "Choose forward, backward or both.", "bad");
      return;
    }
    this.#running = true;
    this.#rows = [];
    this.#peaks = [];
    this.record = null;
    $("export").disabled = true;
    $("bench-start").textContent = "Stop";
    $("rows").tBodies[0].replaceChildren();
    this.draw();
    const request = {
      layers, passes, rounds: $("rounds").valueAsNumber, samples: 3, sample_ms: $("sample-ms").valueAsNumber, label: null,
      created: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
      host: { os: navigator.userAgent, arch: "wasm32", processor: null, processors: navigator.hardwareConcurrency ?? null },
      device_name: this.device.adapter, commit: null,
    };
    try {
      this.record = await this.engine.watch((progress) => this.#hear(progress), "bench", request);
      const { rows, interrupted } = JSON.parse(this.record);
      const right = rows.filter((row) => row.status === "right").length;
      this.#say(`${interrupted ? "Stopped: " : ""}${right} of ${rows.length} rows right and timed`, right === rows.length && !interrupted ? "good" : "bad");
      $("export").disabled = rows.length === 0;
      $("bench-progress").value = 1;
    } catch (error) {
      this.#say(error.message, "bad");
    }
    this.#running = false;
    $("bench-start").textContent = "Measure";
  }

  #say(text, state = "") {
    $("bench-status").textContent = text;
    $("bench-status").className = `verdict ${state}`;
  }

  #hear(progress) {
    if (progress.kind === "doing") {
      this.#say(`${progress.what}…`);
      $("bench-progress").value = progress.done / progress.of;
    } else if (progress.kind === "peaks") {
      this.#peaks = progress.peaks;
      this.draw();
    } else {
      this.#rows[progress.index] = progress.row;
      this.#list();
      this.draw();
    }
  }

  #list() {
    const line = (row) => {
      const tr = document.createElement("tr");
      const cell = (text, className = "") => {
        const td = document.createElement("td");
        [td.textContent, td.className] = [text, className];
        tr.append(td);
        return td;
      };
      cell(`${row.suite}/${row.layer}`);
      cell(row.pass);
      cell(row.algorithm);
      if (row.status !== "right") {
        tr.className = row.status === "unsupported" ? "" : "wrong";
        cell(`${row.status}: ${row.message ?? ""}`, "message").colSpan = 5;
        return tr;
      }
      const ms = row.summary_ms.median;
      cell(digits(ms), "number");
      cell(row.flops ? digits((row.flops * 1e-6) / ms) : "–", "number");
      cell(digits((row.min_bytes * 1e-6) / ms), "number");
      cell(row.bound ? percent(row.bound.fraction) : "–", "number").title = row.bound ? `bound by ${row.bound.side}` : "";
      cell(row.error_over_tolerance.toPrecision(2), "number");
      return tr;
    };
    $("rows").tBodies[0].replaceChildren(...this.#rows.filter(Boolean).map(line));
  }

  /** The roofline (S. Williams, A. Waterman, D. Patterson 2009) on logarithmic axes. */
  draw() {
    const chart = $("roofline");
    const [left, right, top, bottom] = [58, 622, 18, 372];
    const peak = (kind) => this.#peaks.find((peak) => peak.kind === kind)?.per_second;
    const compute = peak("f32_fma") * 1e-9;
    const bandwidth = Math.max(peak("read") ?? 0, peak("copy") ?? 0) * 1e-9;
    const dots = this.#rows.filter((row) => row?.status === "right" && row.flops > 0).map((row) => ({
      row, x: row.flops / row.min_bytes, y: (row.flops * 1e-6) / row.summary_ms.median,
    }));
    const known = this.#peaks.length > 0;
    const xs = [0.5, 256, ...dots.map((dot) => dot.x), ...(known ? [compute / bandwidth] : [])];
    const ys = [...dots.map((dot) => dot.y), ...(known ? [compute * 1.6, bandwidth] : [1, 1000])];
    const [x0, x1] = [Math.log10(Math.min(...xs)) - 0.05, Math.log10(Math.max(...xs)) + 0.1];
    const [y0, y1] = [Math.log10(Math.min(...ys)) - 0.15, Math.log10(Math.max(...ys)) + 0.1];
    const px = (x) => left + ((Math.log10(x) - x0) / (x1 - x0)) * (right - left);
    const py = (y) => bottom - ((Math.log10(y) - y0) / (y1 - y0)) * (bottom - top);
    const parts = [];
    for (let e = Math.ceil(x0); e <= x1; e++) {
      parts.push(svg("path", { class: "axis", d: `M${px(10 ** e)} ${top}V${bottom}` }));
      parts.push(svg("text", { x: px(10 ** e), y: bottom + 17, "text-anchor": "middle" }, String(10 ** e)));
    }
    for (let e = Math.ceil(y0); e <= y1; e++) {
      parts.push(svg("path", { class: "axis", d: `M${left} ${py(10 ** e)}H${right}` }));
      parts.push(svg("text", { x: left - 7, y: py(10 ** e) + 4, "text-anchor": "end" }, String(Number((10 ** e).toPrecision(1)))));
    }
    parts.push(svg("text", { x: (left + right) / 2, y: bottom + 36, "text-anchor": "middle" }, "operations per byte"));
    parts.push(svg("text", { x: left, y: 11, "text-anchor": "start" }, "GFLOP/s"));
    $("roof-caption").textContent = known ? `${digits(compute)} GFLOP/s, ${digits(bandwidth)} GB/s measured` : "";
    if (known) {
      const [from, ridge] = [10 ** x0, compute / bandwidth];
      const low = Math.max(from, (10 ** y0) / bandwidth);
      parts.push(svg("path", { class: "roof", d: `M${px(low)} ${py(low * bandwidth)}L${px(ridge)} ${py(compute)}H${right}` }));
      parts.push(svg("text", { class: "roof-label", x: right, y: py(compute) - 7, "text-anchor": "end" }, `${digits(compute)} GFLOP/s`));
    } else if (!this.#running) {
      parts.push(svg("text", { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" }, "measure to see the roof"));
    }
    for (const { row, x, y } of dots) {
      const words = `${row.suite}/${row.layer} ${row.pass}: ${digits(row.summary_ms.median)} ms, ${digits(y)} GFLOP/s`
        + (row.bound ? `, ${percent(row.bound.fraction)} of what ${row.bound.side} allows` : "");
      const colour = colours[family(row.operation)];
      const attributes = { class: `dot ${row.pass === "forward" ? "" : "backward"}`, cx: px(x), cy: py(y), r: 7, fill: colour, tabindex: 0, role: "img", "aria-label": words };
      if (row.pass !== "forward") attributes.style = `stroke: ${colour}`;
      const dot = svg("circle", attributes);
      for (const event of ["pointerenter", "focus"]) dot.addEventListener(event, () => ($("roof-text").textContent = words));
      parts.push(dot);
    }
    const shown = [...new Set(dots.map(({ row }) => family(row.operation)))];
    const names = { conv: "convolution", deform: "deformable", transpose: "transposed", pool: "pooling", other: "other" };
    shown.forEach((name, i) => {
      parts.push(svg("circle", { cx: right - 110, cy: bottom - 14 - 18 * i, r: 5, fill: colours[name] }));
      parts.push(svg("text", { x: right - 98, y: bottom - 10 - 18 * i }, names[name]));
    });
    chart.replaceChildren(...parts);
  }

  #save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.record], { type: "application/json" }));
    link.download = `wgconv-${JSON.parse(this.record).created.replace(/[:]/g, "-")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}
