// Tabs, colours, the device, and what to say where it does not work.
import { Engine } from "./engine.js";
import { Explorer } from "./explorer.js";
import { Check } from "./check.js";
import { Bench } from "./bench.js";

const $ = (id) => document.getElementById(id);

// Tabs ------------------------------------------------------------------------------------------------------------------

const names = ["explorer", "check", "bench"];

function show(name, focus) {
  for (const other of names) {
    const tab = $(`tab-${other}`);
    const chosen = other === name;
    $(other).hidden = !chosen;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  if (name === "explorer") window.playground?.explorer.resize();
}

function fromAddress() {
  const name = location.hash.slice(1);
  show(names.includes(name) ? name : "explorer");
}

for (const name of names) {
  $(`tab-${name}`).addEventListener("click", () => {
    history.replaceState(null, "", `#${name}`);
    show(name);
  });
}
document.querySelector(".tabs").addEventListener("keydown", (event) => {
  const at = names.findIndex((name) => $(`tab-${name}`) === document.activeElement);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const name = names[(to + names.length) % names.length];
  history.replaceState(null, "", `#${name}`);
  show(name, true);
});
addEventListener("hashchange", fromAddress);

// Colours ---------------------------------------------------------------------------------------------------------------

const themes = ["system", "light", "dark"];
const icons = {
  system: '<svg viewBox="0 0 24 24"><rect x="3" y="4" width="18" height="12" rx="2"/><path d="M8 20h8"/></svg>',
  light: '<svg viewBox="0 0 24 24"><circle cx="12" cy="12" r="4"/><path d="M12 2v2m0 16v2M2 12h2m16 0h2M5 5l1.4 1.4m11.2 11.2L19 19M5 19l1.4-1.4M17.6 6.4 19 5"/></svg>',
  dark: '<svg viewBox="0 0 24 24"><path d="M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z"/></svg>',
};

function stored() {
  try {
    const theme = localStorage.getItem("theme");
    return themes.includes(theme) ? theme : "system";
  } catch {
    return "system";
  }
}

function paint(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  $("theme").innerHTML = icons[theme];
  $("theme").setAttribute("aria-label", `Colours: ${theme === "system" ? "as the system" : theme}`);
  window.playground?.repaint();
}

$("theme").addEventListener("click", () => {
  const theme = themes[(themes.indexOf(stored()) + 1) % themes.length];
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Without storage the choice lasts until the page closes.
  }
  paint(theme);
});
paint(stored());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => window.playground?.repaint());

// What is missing -------------------------------------------------------------------------------------------------------

function notice(html, restart) {
  $("notice").innerHTML = html;
  $("notice").hidden = false;
  if (!restart) return;
  const button = document.createElement("button");
  button.textContent = "Start it again";
  button.addEventListener("click", restart);
  $("notice").append(button);
}

function chip(state, text) {
  $("device").className = `chip ${state}`;
  if (text !== undefined) $("device").textContent = text;
}

function disable() {
  for (const control of document.querySelectorAll("main :is(button, select, input)")) control.disabled = true;
}

const escape = (text) => text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);

const missing = `<h1>This browser offers no WebGPU</h1>
<p>Everything here is computed by WebGPU. To see it:</p>
<ul>
<li><b>Chrome, Edge, Opera</b> 113 or later on Windows, macOS, ChromeOS; 121 on Android. On Linux:
  <code>chrome://flags/#enable-unsafe-webgpu</code>, or start with <code>--enable-unsafe-webgpu --enable-features=Vulkan</code>.</li>
<li><b>Safari</b> 26 or later.</li>
<li><b>Firefox</b> 141 or later on Windows, 145 on macOS; elsewhere <code>dom.webgpu.enabled</code> in <code>about:config</code>.</li>
<li>The page must come through <code>https://</code> or from <code>localhost</code>. ${isSecureContext ? "It does." : "<b>It does not.</b>"}</li>
<li>Hardware acceleration must be on in the browser's settings, and the GPU not on its list of blocked drivers
  (<code>chrome://gpu</code>).</li>
</ul>`;

// All of it -------------------------------------------------------------------------------------------------------------

async function start() {
  if (location.protocol === "file:") {
    notice(`<h1>This page needs a server</h1><p>Browsers load modules and WebAssembly from servers alone. Any static one does:
      <code>python3 -m http.server</code> in this folder.</p>`);
    chip("dead", "no server");
    disable();
    return;
  }
  if (!navigator.gpu) {
    notice(missing);
    chip("dead", "no WebGPU");
    disable();
    return;
  }
  const engine = new Engine();
  let broken = false;
  engine.onbusy = (busy) => !broken && chip(busy ? "busy" : "ready");
  engine.onfatal = (reason) => {
    broken = true;
    chip("dead");
    notice(`<h1>The computing part stopped</h1><p>${escape(reason)}</p>`, () => location.reload());
  };
  let device;
  try {
    device = await engine.call("open");
  } catch (error) {
    if (!broken) {
      broken = true;
      notice(`${missing}<p class="hint">${escape(error.message)}</p>`);
    }
    chip("dead", "no device");
    disable();
    return;
  }
  chip("ready", device.adapter);
  $("device").title = `kernels of the ${device.kernel_class} family, ${device.max_workgroup_bytes >> 10} KiB of workgroup memory, `
    + `bindings of ${device.max_binding_bytes >> 20} MiB, ${device.max_storage_buffers} storage buffers`;
  const explorer = new Explorer(engine);
  const check = new Check(engine, device);
  const bench = new Bench(engine, device);
  // For the console, and for tests.
  window.playground = { engine, device, explorer, check, bench, repaint: () => (explorer.draw(), bench.draw()) };
  await explorer.start();
}

fromAddress();
start();
