// Computes, away from the page, so that the page never waits. Calls are answered one after the other.
import init, { Engine, corners } from "./pkg/wgconv_web.js";

const engines = new Map();
let learner = null;
let last = Promise.resolve();

async function engine(family) {
  if (!engines.has(family)) engines.set(family, await Engine.open(family));
  return engines.get(family);
}

/** What the library does not hear of: the adapter's own words. */
async function adapterName() {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const info = adapter?.info;
  return [info?.description, info?.vendor, info?.architecture].filter(Boolean).join(" ") || "WebGPU adapter";
}

const calls = {
  async open() {
    if (!navigator.gpu) throw new Error("this browser offers no WebGPU adapter");
    const opened = await engine("auto");
    return { ...JSON.parse(opened.device()), adapter: await adapterName(), layers: JSON.parse(opened.layers()),
      problems: JSON.parse(opened.problems()) };
  },
  async explore(scene, image) {
    const view = await (await engine("auto")).explore(JSON.stringify(scene), image);
    const { output, plain, deformed, offset, arrows, aims, weight, algorithms } = view;
    view.free();
    return { output, plain, deformed, offset, arrows, aims, weight, algorithms };
  },
  async compare(scene, image) {
    return JSON.parse(await (await engine("auto")).compare(JSON.stringify(scene), image));
  },
  async learn(scene, image) {
    learner?.free();
    learner = null;
    learner = await (await engine("auto")).learn(JSON.stringify(scene), image);
  },
  async step() {
    if (!learner) throw new Error("nothing learns");
    const loss = await learner.step();
    return { loss, shared: learner.shared };
  },
  async check(family, index, every) {
    return JSON.parse(await (await engine(family)).check(index, every));
  },
  async bench(request, id) {
    const tell = (json) => postMessage({ id, progress: JSON.parse(json) });
    return (await engine("auto")).bench(JSON.stringify(request), tell);
  },
  corners: (y, x) => corners(y, x),
};

const ready = init();
// Whoever calls hears of it.
ready.catch(() => {});
onmessage = ({ data: { id, call, args } }) => {
  if (call === "stop") {
    engines.get("auto")?.stop();
    return;
  }
  last = last.then(async () => {
    try {
      await ready;
      const result = await calls[call](...args, id);
      postMessage({ id, result });
    } catch (error) {
      // A trap leaves the module unusable.
      const fatal = error instanceof WebAssembly.RuntimeError;
      postMessage({ id, error: String(error?.message ?? error), fatal });
    }
  });
};
