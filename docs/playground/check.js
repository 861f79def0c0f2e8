// Conformance in this browser, as a table.

const $ = (id) => document.getElementById(id);

/** Three digits that matter. */
const digits = (value) => (value === 0 ? "0" : value < 0.001 || value >= 1e5 ? value.toExponential(1) : value.toPrecision(3));

export class Check {
  /** Every row so far, for tests. */
  results = [];
  #running = false;

  constructor(engine, device) {
    this.engine = engine;
    this.count = device.problems.length;
    $("verdict").textContent = `Nothing has been checked yet. There are ${this.count} problems.`;
    $("check-controls").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#running) this.#running = false;
      else this.run();
    });
    for (const id of ["show", "filter"]) $(id).addEventListener("input", () => this.#filter());
  }

  async run() {
    this.#running = true;
    this.results = [];
    const body = $("results").tBodies[0];
    body.replaceChildren();
    $("check-start").textContent = "Stop";
    const [family, every] = [$("family").value, $("algorithms").value === "every"];
    const started = performance.now();
    let trouble = null;
    let done = 0;
    while (done < this.count && this.#running && !trouble) {
      this.#say(`${done} of ${this.count} problems…`);
      try {
        const rows = await this.engine.call("check", family, done, every);
        this.results.push(...rows);
        body.append(...rows.map((row) => this.#row(row)));
        done++;
      } catch (error) {
        trouble = error;
      }
      $("check-progress").value = done / this.count;
    }
    const stopped = !trouble && done < this.count;
    this.#running = false;
    $("check-start").textContent = "Check everything";
    const wrong = this.results.filter((row) => !row.right).length;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const worst = Math.max(0, ...this.results.map((row) => row.error_over_bound ?? 0));
    if (trouble) this.#say(`It ended at problem ${done + 1}: ${trouble.message}`, "bad");
    else {
      const until = stopped ? `stopped after ${done} of ${this.count} problems: ` : "";
      this.#say(`${until}${this.results.length - wrong} of ${this.results.length} tensors right, ${wrong} wrong, in ${seconds} s; `
        + `the largest error is ${digits(worst)} of its bound`, wrong ? "bad" : "good");
    }
  }

  #say(text, state = "") {
    $("verdict").textContent = text;
    $("verdict").className = `verdict ${state}`;
  }

  #row(row) {
    const tr = document.createElement("tr");
    const cell = (text, className = "") => {
      const td = document.createElement("td");
      td.className = className;
      td.textContent = text;
      tr.append(td);
      return td;
    };
    tr.className = row.right ? "" : "wrong";
    tr.dataset.text = `${row.operation} ${row.name} ${row.tensor} ${row.algorithm}`.toLowerCase();
    for (const text of [row.operation, row.name, row.tensor, row.algorithm]) cell(text);
    if (row.message) {
      cell(row.message, "message").colSpan = 3;
    } else {
      cell(row.shape.join(" × "));
      cell(digits(row.ulp), "number");
      const ratio = cell("", "ratio");
      const bar = document.createElement("i");
      bar.style.setProperty("--share", Math.min(1, row.error_over_bound ?? 1));
      ratio.append(bar, row.error_over_bound === null ? "∞" : digits(row.error_over_bound));
    }
    const mark = document.createElement("span");
    mark.className = "mark";
    mark.textContent = row.right ? (row.message ? "not here" : "✓") : "✗ wrong";
    cell("").append(mark);
    tr.hidden = !this.#shown(tr);
    return tr;
  }

  #shown(tr) {
    const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    return words.every((word) => tr.dataset.text.includes(word)) && ($("show").value === "all" || tr.classList.contains("wrong"));
  }

  #filter() {
    for (const tr of $("results").tBodies[0].rows) tr.hidden = !this.#shown(tr);
  }
}
