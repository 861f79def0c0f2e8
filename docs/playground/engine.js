// The page's end of the worker.

export class Engine {
  #worker = null;
  #waiting = new Map();
  #next = 1;
  /** Called with a sentence when nothing works any more. */
  onfatal = () => {};
  /** Called with true while something is computed. */
  onbusy = () => {};

  constructor() {
    this.start();
  }

  start() {
    this.#worker?.terminate();
    this.#fail("it was started anew");
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker.onmessage = ({ data }) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      const reason = event.message || "its files cannot be loaded";
      this.#fail(reason);
      this.onfatal(reason);
    };
  }

  #fail(reason) {
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
    this.onbusy(false);
  }

  #hear({ id, result, error, fatal, progress }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    if (progress !== undefined) {
      waiting.progress?.(progress);
      return;
    }
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.onbusy(false);
    if (error === undefined) {
      waiting.resolve(result);
      return;
    }
    waiting.reject(new Error(error));
    if (fatal) {
      this.#fail(error);
      this.onfatal(error);
    }
  }

  call(call, ...args) {
    return this.watch(null, call, ...args);
  }

  /** A call that tells what it does meanwhile. */
  watch(progress, call, ...args) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress });
      this.onbusy(true);
      this.#worker.postMessage({ id, call, args });
    });
  }

  stop() {
    this.#worker.postMessage({ call: "stop" });
  }
}
