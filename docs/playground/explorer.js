// A plain and a deformable layer over one picture.
import { opened, picture } from "./pictures.js";

const $ = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const fixed = (value, places = 2) => (Object.is(Math.round(value * 10 ** places), -0) ? 0 : value).toFixed(places).replace("-", "−");
const point = ([y, x], places) => `(${fixed(y, places)}, ${fixed(x, places)})`;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const signed = ["sobel_x", "sobel_y", "laplacian", "random"];
const NAMES = { harbour: "harbour", flowers: "flowers", letters: "letters", rings: "rings", bricks: "bricks" };
const STEPS = 120;

/** The four pixels around a point, with their shares. */
export function corners([y, x]) {
  const [y0, x0] = [Math.floor(y), Math.floor(x)];
  const [fy, fx] = [y - y0, x - x0];
  return [[y0, x0, (1 - fy) * (1 - fx)], [y0, x0 + 1, (1 - fy) * fx], [y0 + 1, x0, fy * (1 - fx)], [y0 + 1, x0 + 1, fy * fx]];
}

/** Three planes as a canvas. Signed values are grey at zero. */
function drawn(values, width, height, isSigned) {
  const made = document.createElement("canvas");
  [made.width, made.height] = [width, height];
  const context = made.getContext("2d");
  const image = context.createImageData(width, height);
  const n = width * height;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 3; c++) {
      const value = values[c * n + i];
      image.data[4 * i + c] = 255 * clamp(isSigned ? 0.5 + 0.5 * value : value, 0, 1);
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return made;
}

export class Explorer {
  /** What the worker computed last. */
  view = null;
  image = null;
  at = [0, 0];
  tap = 0;
  shared = [];
  losses = [];
  #hovered = null;
  #drag = null;
  #flight = null;
  #again = false;
  #learning = 0;
  #input = null;

  constructor(engine) {
    this.engine = engine;
    $("picture").replaceChildren(...Object.entries(NAMES).map(([value, text]) => new Option(text, value)));
    this.seed = 1;
    this.#controls();
    this.#canvases();
    this.#files();
  }

  async start() {
    this.#take(picture($("picture").value));
    this.at = [0.62, 0.3].map((share, axis) => Math.round(share * [this.image.height, this.image.width][axis]));
    this.#reset();
    await this.compute();
  }

  // Settings ------------------------------------------------------------------------------------------------------------

  get kernel() {
    return Number(document.querySelector('input[name="kernel"]:checked').value);
  }

  scene() {
    const lower = $("lower").value;
    return {
      size: [this.image.height, this.image.width], kernel: this.kernel, dilation: $("dilation").valueAsNumber,
      stride: $("stride").valueAsNumber, groups: Number(document.querySelector('input[name="groups"]:checked').value),
      preset: $("preset").value, seed: this.seed, field: $("field").value, strength: $("strength").valueAsNumber / 100,
      shared: this.shared, at: this.at, lower: lower === "none" ? "darkness" : lower,
    };
  }

  #controls() {
    $("controls").addEventListener("submit", (event) => event.preventDefault());
    const change = (id, event, act) => $(id).addEventListener(event, act);
    change("picture", "change", () => {
      this.#take(picture($("picture").value));
      this.#changed();
    });
    change("preset", "change", () => this.#changed());
    change("seed", "click", () => {
      this.seed++;
      this.#changed();
    });
    for (const radio of document.querySelectorAll('input[name="kernel"]')) {
      radio.addEventListener("change", () => {
        this.#reset();
        this.#changed();
      });
    }
    for (const radio of document.querySelectorAll('input[name="groups"]')) radio.addEventListener("change", () => this.#changed());
    change("dilation", "input", () => this.#changed());
    let stride = 1;
    change("stride", "input", () => {
      const now = $("stride").valueAsNumber;
      this.at = this.at.map((v) => Math.round((v * stride) / now));
      stride = now;
      this.#changed();
    });
    change("field", "change", () => {
      this.#reset();
      this.#changed();
    });
    change("strength", "input", () => this.#changed());
    change("lower", "change", () => this.#changed(false));
    change("learn", "click", () => this.#changed());
    change("reset", "click", () => {
      this.#reset();
      this.#changed(false);
    });
    change("compare", "click", () => this.#compare());
    $("weights").addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      this.tap = Number(button.dataset.tap);
      this.draw();
    });
  }

  /** Taps where the field puts them. */
  #reset() {
    this.#learning++;
    this.losses = [];
    this.shared = Array.from({ length: this.kernel ** 2 }, () => [0, 0]);
    this.tap = Math.min(this.tap, this.shared.length - 1);
  }

  /** `restarts`: what learns must learn anew. */
  #changed(restarts = true) {
    $("dilation-value").textContent = $("dilation").value;
    $("stride-value").textContent = $("stride").value;
    $("strength-value").textContent = `${$("strength").value} %`;
    $("seed").hidden = $("preset").value !== "random";
    const learns = $("field").value === "learned";
    for (const id of ["learn", "learning"]) $(id).hidden = !learns;
    $("compared").textContent = "computed here on the GPU, judged here in f64";
    this.#clampPosition();
    if (learns && restarts) {
      this.#reset();
      this.#learn();
    }
    this.compute();
  }

  #clampPosition() {
    const [rows, columns] = this.extents();
    this.at = [clamp(this.at[0], 0, rows - 1), clamp(this.at[1], 0, columns - 1)];
  }

  /** Rows and columns of the output. */
  extents() {
    const stride = $("stride").valueAsNumber;
    return [this.image.height, this.image.width].map((extent) => Math.floor((extent - 1) / stride) + 1);
  }

  // Pictures ------------------------------------------------------------------------------------------------------------

  #take(image) {
    const before = this.image;
    this.image = image;
    this.#input = drawn(image.values, image.width, image.height, false);
    this.view = null;
    if (before) {
      const scale = [image.height / before.height, image.width / before.width];
      this.at = this.at.map((v, axis) => Math.floor(v * scale[axis]));
    }
    for (const canvas of document.querySelectorAll(".panels canvas")) canvas.style.aspectRatio = `${image.width} / ${image.height}`;
    $("closeup").style.aspectRatio = `${image.width} / ${image.height}`;
    this.resize();
  }

  #files() {
    const take = async (file) => {
      if (!file) return;
      $("picture-hint").textContent = "or drop one anywhere; it stays in this browser";
      try {
        const image = await opened(file);
        if (![...$("picture").options].some((option) => option.value === "own")) $("picture").add(new Option("", "own"));
        [...$("picture").options].find((option) => option.value === "own").textContent = file.name;
        this.own = image;
        $("picture").value = "own";
        this.#take(image);
        this.#changed();
      } catch {
        $("picture-hint").textContent = `${file.name} is no picture that this browser reads`;
      }
    };
    $("file").addEventListener("change", () => {
      take($("file").files[0]);
      $("file").value = "";
    });
    $("picture").addEventListener("change", (event) => {
      if ($("picture").value !== "own") return;
      event.stopImmediatePropagation();
      this.#take(this.own);
      this.#changed();
    }, { capture: true });
    let depth = 0;
    const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragenter", (event) => has(event) && ($("dropzone").hidden = ++depth === 0));
    addEventListener("dragleave", (event) => has(event) && ($("dropzone").hidden = --depth === 0));
    addEventListener("dragover", (event) => has(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!has(event)) return;
      event.preventDefault();
      depth = 0;
      $("dropzone").hidden = true;
      take(event.dataTransfer.files[0]);
    });
  }

  // Computing -----------------------------------------------------------------------------------------------------------

  /** Asks the worker; what changes meanwhile is asked once more. */
  async compute() {
    this.draw();
    this.#again = true;
    if (this.#flight) return this.#flight;
    this.#flight = (async () => {
      while (this.#again) {
        this.#again = false;
        const [scene, image] = [structuredClone(this.scene()), this.image];
        document.querySelector(".stage").classList.add("stale");
        const started = performance.now();
        try {
          const view = await this.engine.call("explore", scene, image.values);
          if (image !== this.image) continue;
          this.view = { ...view, scene, ms: performance.now() - started };
          const [rows, columns] = view.output;
          const isSigned = signed.includes(scene.preset);
          this.view.pictures = { plain: drawn(view.plain, columns, rows, isSigned), deformed: drawn(view.deformed, columns, rows, isSigned) };
          this.draw();
        } catch (error) {
          $("plain-caption").textContent = error.message;
        }
      }
      document.querySelector(".stage").classList.remove("stale");
    })();
    await this.#flight;
    this.#flight = null;
  }

  /** Whether nothing is being computed. */
  get idle() {
    return !this.#flight;
  }

  async #learn() {
    const mine = this.#learning;
    const scene = { ...this.scene(), shared: [] };
    try {
      await this.engine.call("learn", scene, this.image.values);
      for (let step = 0; step < STEPS && mine === this.#learning; step++) {
        const { loss, shared } = await this.engine.call("step");
        if (mine !== this.#learning) return;
        this.losses.push(loss);
        this.shared = this.shared.map((_, tap) => [shared[2 * tap], shared[2 * tap + 1]]);
        this.#plotLoss();
        if (step % 4 === 3 || step === STEPS - 1) this.compute();
        else this.draw();
      }
    } catch (error) {
      if (mine === this.#learning) $("loss-text").textContent = error.message;
    }
  }

  #plotLoss() {
    const most = Math.max(...this.losses, 1e-12);
    const points = this.losses.map((loss, i) => `${(238 * i) / (STEPS - 1) + 1},${57 - (54 * loss) / most}`);
    $("loss").innerHTML = `<polyline points="${points.join(" ")}"/>`;
    const [first, last] = [this.losses[0], this.losses.at(-1)];
    $("loss-text").textContent = `step ${this.losses.length} of ${STEPS}: mean squared distance ${last.toExponential(2)}, `
      + `${first > 0 ? fixed((100 * last) / first, 0) : 100} % of the first`;
  }

  async #compare() {
    $("compare").disabled = true;
    $("compared").textContent = "the reference computes…";
    try {
      const found = await this.engine.call("compare", this.scene(), this.image.values);
      const { plain, deformable, grad_offset, elements } = found;
      const right = [plain, deformable, grad_offset].every((ratio) => ratio <= 1);
      $("compared").textContent = `${right ? "Right" : "Wrong"}: of ${elements.toLocaleString("en")} numbers the largest errors are `
        + `${fixed(plain, 3)} (plain), ${fixed(deformable, 3)} (deformable), ${fixed(grad_offset, 3)} (grad_offset) of their bounds`;
      this.compared = found;
    } catch (error) {
      $("compared").textContent = error.message;
    }
    $("compare").disabled = false;
  }

  // Geometry ------------------------------------------------------------------------------------------------------------

  /** Where a tap would sample without an offset. */
  grid(tap) {
    const [stride, dilation] = [$("stride").valueAsNumber, $("dilation").valueAsNumber];
    const reach = (dilation * (this.kernel - 1)) / 2;
    return [Math.floor(tap / this.kernel), tap % this.kernel].map((t, axis) => this.at[axis] * stride + t * dilation - reach);
  }

  /** Its offset, dragging that the worker has not seen included. */
  offset(tap) {
    const now = this.shared[tap] ?? [0, 0];
    const { view } = this;
    if (!view || view.scene.kernel !== this.kernel) return now;
    const [rows, columns] = view.output;
    const [y, x] = [clamp(this.at[0], 0, rows - 1), clamp(this.at[1], 0, columns - 1)];
    const before = view.scene.shared[tap] ?? [0, 0];
    return [0, 1].map((axis) => view.offset[(2 * tap + axis) * rows * columns + y * columns + x] - before[axis] + now[axis]);
  }

  point(tap) {
    const [grid, offset] = [this.grid(tap), this.offset(tap)];
    return [grid[0] + offset[0], grid[1] + offset[1]];
  }

  /** −grad_offset of a tap, where it belongs to this position. */
  arrow(tap) {
    const { view } = this;
    const here = view && view.scene.kernel === this.kernel && view.scene.at.every((v, axis) => v === this.at[axis]);
    return here ? [view.arrows[2 * tap], view.arrows[2 * tap + 1]] : null;
  }

  aim(tap) {
    const { view } = this;
    if (!view || view.scene.kernel !== this.kernel) return null;
    const grid = this.grid(tap);
    return [grid[0] + view.aims[2 * tap], grid[1] + view.aims[2 * tap + 1]];
  }

  /** What a point samples of a channel. */
  sample(at, channel) {
    const { width, height, values } = this.image;
    const value = ([y, x, share]) => (y >= 0 && x >= 0 && y < height && x < width ? share * values[(channel * height + y) * width + x] : 0);
    return corners(at).reduce((sum, corner) => sum + value(corner), 0);
  }

  /** Rows and columns that the close-up shows: first row, first column, pixels per side along the width. */
  #window() {
    if (this.#drag) return this.#drag.window;
    let [y0, y1, x0, x1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let tap = 0; tap < this.shared.length; tap++) {
      for (const [y, x] of [this.grid(tap), this.point(tap)]) [y0, y1, x0, x1] = [Math.min(y0, y), Math.max(y1, y), Math.min(x0, x), Math.max(x1, x)];
    }
    const aspect = this.image.height / this.image.width;
    const span = clamp(Math.max(x1 - x0 + 6, (y1 - y0 + 6) / aspect), 16, 1.6 * this.image.width);
    return { top: (y0 + y1) / 2 - (span * aspect) / 2, left: (x0 + x1) / 2 - span / 2, span };
  }

  // Drawing -------------------------------------------------------------------------------------------------------------

  resize() {
    for (const id of ["image", "closeup", "plain", "deformed"]) {
      const canvas = $(id);
      const ratio = Math.min(3, devicePixelRatio || 1);
      const width = Math.round(canvas.clientWidth * ratio);
      if (width > 0) [canvas.width, canvas.height] = [width, Math.round((width * this.image.height) / this.image.width)];
    }
    this.draw();
  }

  draw() {
    if (!this.image) return;
    this.#drawPicture();
    this.#drawCloseup();
    this.#drawOutput("plain");
    this.#drawOutput("deformed");
    this.#tell();
  }

  #context(id) {
    const canvas = $(id);
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    // Of a pixel of the page.
    const unit = canvas.width / Math.max(1, canvas.clientWidth);
    return { canvas, context, unit };
  }

  #ring(context, x, y, radius, fill, stroke, width) {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    if (stroke) {
      [context.strokeStyle, context.lineWidth] = [stroke, width];
      context.stroke();
    }
  }

  #drawPicture() {
    const { canvas, context, unit } = this.#context("image");
    context.drawImage(this.#input, 0, 0, canvas.width, canvas.height);
    const scale = canvas.width / this.image.width;
    const [px, py] = [([, x]) => (x + 0.5) * scale, ([y]) => (y + 0.5) * scale];
    const { top, left, span } = this.#window();
    context.strokeStyle = "#ffffffaa";
    context.lineWidth = 1.5 * unit;
    context.setLineDash([5 * unit, 4 * unit]);
    context.strokeRect((left + 0.5) * scale, (top + 0.5) * scale, span * scale, span * scale * (this.image.height / this.image.width));
    context.setLineDash([]);
    for (let tap = 0; tap < this.shared.length; tap++) {
      const [grid, at] = [this.grid(tap), this.point(tap)];
      this.#ring(context, px(grid), py(grid), 2.2 * unit, null, "#ffffffcc", 1.2 * unit);
      this.#ring(context, px(at), py(at), 3.4 * unit, tap === this.tap ? "#f3b53a" : "#4c7df0", "#fff", 1.2 * unit);
    }
  }

  #drawCloseup() {
    const { canvas, context, unit } = this.#context("closeup");
    const window = this.#window();
    const scale = canvas.width / window.span;
    const [px, py] = [([, x]) => (x + 0.5 - window.left) * scale, ([y]) => (y + 0.5 - window.top) * scale];
    this.closeup = { px, py, scale, unit };
    context.drawImage(this.#input, -window.left * scale, -window.top * scale, this.image.width * scale, this.image.height * scale);
    context.fillStyle = "#0b0d1238";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (scale > 12 * unit) {
      context.strokeStyle = "#00000026";
      context.lineWidth = unit;
      context.beginPath();
      for (let i = Math.ceil(window.left); (i - window.left) * scale < canvas.width; i++) {
        context.moveTo((i - window.left) * scale, 0);
        context.lineTo((i - window.left) * scale, canvas.height);
      }
      for (let i = Math.ceil(window.top); (i - window.top) * scale < canvas.height; i++) {
        context.moveTo(0, (i - window.top) * scale);
        context.lineTo(canvas.width, (i - window.top) * scale);
      }
      context.stroke();
    }
    const looked = this.#hovered ?? this.tap;
    for (const [y, x, share] of corners(this.point(looked))) {
      const inside = y >= 0 && x >= 0 && y < this.image.height && x < this.image.width;
      const [left, top] = [(x - window.left) * scale, (y - window.top) * scale];
      context.fillStyle = `rgb(243 181 58 / ${0.1 + 0.5 * share})`;
      context.fillRect(left, top, scale, scale);
      context.strokeStyle = "#f3b53a";
      context.lineWidth = 1.5 * unit;
      if (!inside) context.setLineDash([3 * unit, 3 * unit]);
      context.strokeRect(left, top, scale, scale);
      context.setLineDash([]);
      if (scale >= 21 * unit) {
        context.font = `600 ${Math.min(12, scale / unit / 2.4) * unit}px system-ui, "DejaVu Sans", sans-serif`;
        const text = share.toFixed(2).replace(/^0/, "");
        context.lineWidth = 3 * unit;
        context.strokeStyle = "#000c";
        context.strokeText(text, left + 3 * unit, top + 12 * unit);
        context.fillStyle = "#fff";
        context.fillText(text, left + 3 * unit, top + 12 * unit);
      }
    }
    const arrows = this.#arrows();
    const longest = Math.max(...arrows.map((arrow) => (arrow ? Math.hypot(...arrow) : 0)), 0);
    const weights = this.view?.weight.slice(0, this.shared.length) ?? [];
    const heaviest = Math.max(...weights.map(Math.abs), 1e-9);
    for (let tap = 0; tap < this.shared.length; tap++) {
      const [grid, at] = [this.grid(tap), this.point(tap)];
      context.strokeStyle = "#ffffff8c";
      context.lineWidth = 1.4 * unit;
      context.beginPath();
      context.moveTo(px(grid), py(grid));
      context.lineTo(px(at), py(at));
      context.stroke();
      this.#ring(context, px(grid), py(grid), 3.4 * unit, null, "#ffffffd8", 1.6 * unit);
    }
    if ($("field").value === "learned" || $("lower").value === "distance") {
      context.strokeStyle = "#2fe08a";
      context.lineWidth = 2 * unit;
      for (let tap = 0; tap < this.shared.length; tap++) {
        const aim = this.aim(tap);
        if (!aim) continue;
        const [x, y, r] = [px(aim), py(aim), 4.5 * unit];
        context.beginPath();
        context.moveTo(x - r, y - r);
        context.lineTo(x + r, y + r);
        context.moveTo(x + r, y - r);
        context.lineTo(x - r, y + r);
        context.stroke();
      }
    }
    for (let tap = 0; tap < this.shared.length; tap++) {
      const at = this.point(tap);
      const size = (4 + 4 * Math.sqrt(Math.abs(weights[tap] ?? 0) / heaviest)) * unit;
      const isLooked = tap === looked;
      this.#ring(context, px(at), py(at), size, (weights[tap] ?? 0) < 0 ? "#b44ed0" : "#4c7df0", isLooked ? "#f3b53a" : "#fff", (isLooked ? 3 : 1.5) * unit);
    }
    for (let tap = 0; tap < this.shared.length; tap++) {
      const arrow = arrows[tap];
      if (!arrow || longest === 0) continue;
      const length = (Math.hypot(...arrow) / longest) * 46 * unit;
      if (length < 2 * unit) continue;
      const angle = Math.atan2(arrow[0], arrow[1]);
      this.#drawArrow(context, px(this.point(tap)), py(this.point(tap)), angle, length, unit);
    }
    const last = [window.top + window.span * (this.image.height / this.image.width), window.left + window.span];
    $("closeup-caption").textContent = `rows ${Math.ceil(window.top)} to ${Math.floor(last[0])}, columns ${Math.ceil(window.left)} to ${Math.floor(last[1])}`;
  }

  /** Of every tap, where they are wanted. */
  #arrows() {
    return this.shared.map((_, tap) => ($("lower").value === "none" ? null : this.arrow(tap)));
  }

  #drawArrow(context, x, y, angle, length, unit) {
    const head = Math.min(8 * unit, 0.6 * length);
    context.save();
    context.translate(x, y);
    context.rotate(angle);
    for (const [colour, width] of [["#000a", 5], ["#ff7a45", 2.6]]) {
      [context.strokeStyle, context.lineWidth, context.lineCap] = [colour, width * unit, "round"];
      context.beginPath();
      context.moveTo(0, 0);
      context.lineTo(length, 0);
      context.moveTo(length - head, -0.6 * head);
      context.lineTo(length, 0);
      context.lineTo(length - head, 0.6 * head);
      context.stroke();
    }
    context.restore();
  }

  #drawOutput(id) {
    const { canvas, context, unit } = this.#context(id);
    const picture = this.view?.pictures[id];
    if (!picture) return;
    context.drawImage(picture, 0, 0, canvas.width, canvas.height);
    const [rows, columns] = this.view.output;
    const [x, y] = [((this.at[1] + 0.5) / columns) * canvas.width, ((this.at[0] + 0.5) / rows) * canvas.height];
    this.#ring(context, x, y, 7 * unit, null, "#000a", 4 * unit);
    this.#ring(context, x, y, 7 * unit, null, "#fff", 2 * unit);
  }

  /** Everything that is said in words. */
  #tell() {
    const { view } = this;
    const dragged = $("field").value !== "learned" && this.shared.some(([y, x]) => y !== 0 || x !== 0);
    $("reset").disabled = !dragged;
    $("reset").hidden = $("field").value === "learned";
    const stride = $("stride").valueAsNumber;
    $("picture-caption").textContent = `${this.image.height} × ${this.image.width}`;
    if (view) {
      const [rows, columns] = view.output;
      const note = signed.includes(view.scene.preset) ? ", grey is 0" : "";
      $("plain-caption").textContent = `${rows} × ${columns}, ${view.algorithms[0]}${note}`;
      $("deformed-caption").textContent = `${rows} × ${columns}, ${view.algorithms[1]}${note}`;
    }
    const looked = this.#hovered ?? this.tap;
    const [grid, offset, at, arrow] = [this.grid(looked), this.offset(looked), this.point(looked), this.arrow(looked)];
    const rgb = (values) => values.map((v) => fixed(v, 3)).join(", ");
    const here = (values) => {
      if (!view) return "–";
      const [rows, columns] = view.output;
      if (this.at[0] >= rows || this.at[1] >= columns) return "–";
      return rgb([0, 1, 2].map((c) => values[(c * rows + this.at[0]) * columns + this.at[1]]));
    };
    const shares = corners(at).map(([y, x, share]) => `(${y}, ${x}) ${share.toFixed(2)}`).join("  ");
    const lines = [
      ["position", `(${this.at.join(", ")}), around pixel (${this.at.map((v) => v * stride).join(", ")})`],
      ["tap", `(${Math.floor(looked / this.kernel)}, ${looked % this.kernel}), weight ${view ? fixed(view.weight[looked] ?? 0, 3) : "–"}`],
      ["grid", `${point(grid, 0)} + offset ${point(offset)} = ${point(at)}`],
      ["corners", shares],
      ["sample", rgb([0, 1, 2].map((c) => this.sample(at, c)))],
      ["−grad_offset", arrow && $("lower").value !== "none" ? `(${arrow.map((v) => v.toExponential(1).replace("-", "−")).join(", ")})` : "–"],
      ["plain", here(view?.plain)],
      ["deformable", here(view?.deformed)],
      ["computed in", view ? `${Math.round(view.ms)} ms, gradient included (${view.algorithms[2]})` : "–"],
    ];
    $("numbers").replaceChildren(...lines.flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [name, value];
      return [dt, dd];
    }));
    this.#tellWeights(looked);
  }

  #tellWeights(looked) {
    const box = $("weights");
    const weights = this.view && this.view.scene.kernel === this.kernel ? this.view.weight.slice(0, this.kernel ** 2) : null;
    if (box.children.length !== this.kernel ** 2) {
      box.style.gridTemplateColumns = `repeat(${this.kernel}, 1fr)`;
      box.replaceChildren(...Array.from({ length: this.kernel ** 2 }, (_, tap) => {
        const button = document.createElement("button");
        button.type = "button";
        button.dataset.tap = tap;
        return button;
      }));
    }
    const heaviest = weights ? Math.max(...weights.map(Math.abs), 1e-9) : 1;
    [...box.children].forEach((button, tap) => {
      const weight = weights?.[tap] ?? 0;
      const share = 25 + 75 * (Math.abs(weight) / heaviest);
      button.style.background = weight === 0 ? "#7a8494" : `color-mix(in srgb, ${weight < 0 ? "#8d2bab" : "#2b55c4"} ${share}%, #7a8494)`;
      button.textContent = this.kernel === 7 ? "" : fixed(weight, 2).replace(/^(−?)0\./, "$1.");
      button.setAttribute("aria-pressed", tap === looked);
      button.setAttribute("aria-label", `tap ${Math.floor(tap / this.kernel)}, ${tap % this.kernel}: ${fixed(weight, 3)}`);
    });
  }

  // Pointer and keys ----------------------------------------------------------------------------------------------------

  move(y, x) {
    this.at = [Math.round(y), Math.round(x)];
    this.#clampPosition();
    this.compute();
  }

  /** Moves a tap by so many pixels, at every position alike. */
  drag(tap, dy, dx) {
    if ($("field").value === "learned") this.#learning++;
    this.shared = this.shared.map((offset, i) => (i === tap ? [offset[0] + dy, offset[1] + dx] : offset));
    this.compute();
  }

  #canvases() {
    const place = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      return [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    };
    for (const id of ["image", "plain", "deformed"]) {
      const go = (event) => {
        const [y, x] = place(event);
        const stride = $("stride").valueAsNumber;
        const [rows, columns] = this.extents();
        if (id === "image") this.move((y * this.image.height - 0.5) / stride, (x * this.image.width - 0.5) / stride);
        else this.move(y * rows - 0.5, x * columns - 0.5);
      };
      $(id).addEventListener("pointerdown", (event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        go(event);
      });
      $(id).addEventListener("pointermove", (event) => event.currentTarget.hasPointerCapture(event.pointerId) && go(event));
    }
    const closeup = $("closeup");
    /** The tap under the pointer. */
    const near = (event) => {
      const [y, x] = place(event).map((share, axis) => share * (axis === 0 ? closeup.height : closeup.width));
      const { px, py, unit } = this.closeup;
      let [best, found] = [(event.pointerType === "touch" ? 28 : 16) * unit, null];
      for (let tap = 0; tap < this.shared.length; tap++) {
        const distance = Math.hypot(px(this.point(tap)) - x, py(this.point(tap)) - y);
        if (distance < best) [best, found] = [distance, tap];
      }
      return found;
    };
    const pixels = (event) => {
      const { top, left, span } = this.#drag?.window ?? this.#window();
      const [y, x] = place(event);
      return [top + y * span * (this.image.height / this.image.width), left + x * span];
    };
    closeup.addEventListener("pointerdown", (event) => {
      const tap = near(event);
      if (tap === null) return;
      closeup.setPointerCapture(event.pointerId);
      this.tap = tap;
      this.#drag = { window: this.#window(), last: pixels(event) };
      closeup.classList.add("grabbing");
      this.draw();
    });
    closeup.addEventListener("pointermove", (event) => {
      if (this.#drag) {
        const now = pixels(event);
        const [dy, dx] = [now[0] - this.#drag.last[0], now[1] - this.#drag.last[1]];
        this.#drag.last = now;
        this.drag(this.tap, dy, dx);
        return;
      }
      const tap = near(event);
      closeup.classList.toggle("grab", tap !== null);
      if (tap !== this.#hovered) {
        this.#hovered = tap;
        this.draw();
      }
    });
    const release = () => {
      this.#drag = null;
      closeup.classList.remove("grabbing");
      this.draw();
    };
    for (const event of ["pointerup", "pointercancel"]) closeup.addEventListener(event, release);
    closeup.addEventListener("pointerleave", () => {
      this.#hovered = null;
      this.draw();
    });
    const arrows = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    for (const id of ["image", "closeup", "plain", "deformed"]) {
      $(id).addEventListener("keydown", (event) => {
        const step = arrows[event.key];
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (step && event.shiftKey) this.drag(this.tap, 0.25 * step[0], 0.25 * step[1]);
        else if (step) this.move(this.at[0] + step[0], this.at[1] + step[1]);
        else if (event.key === "[" || event.key === "]") {
          const count = this.shared.length;
          this.tap = (this.tap + (event.key === "]" ? 1 : count - 1)) % count;
          this.draw();
        } else return;
        event.preventDefault();
      });
    }
    new ResizeObserver(() => this.image && this.resize()).observe(document.querySelector(".panels"));
  }
}
