// The playground in a browser, from outside. `node playground.mjs FOLDER CHROMIUM WGCONV [SCREENSHOTS]`
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finish, launch, serve, test } from "./support.mjs";

const [folder, chromium, wgconv, screenshots] = process.argv.slice(2);
const site = await serve(folder);
const browser = await launch(chromium);
const scratch = mkdtempSync(join(tmpdir(), "wgconv-playground-"));
const complaints = [];

async function open({ hash = "", width = 1280, height = 1000, scheme = "light", prepare, wait = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(`${message.text()} at ${message.location().url}`));
  page.on("pageerror", (error) => complaints.push(String(error)));
  if (prepare) await page.addInitScript(prepare);
  await page.goto(site.url + hash);
  if (wait) await page.waitForFunction(() => window.playground?.explorer.view && window.playground.explorer.idle, null, { timeout: 60_000 });
  return page;
}

/** When nothing is computed any more: what the page holds, without its planes of numbers. */
async function settled(page) {
  await page.waitForFunction(() => window.playground.explorer.idle, null, { timeout: 60_000 });
  const held = await page.evaluate(() => {
    const { view, at, tap, shared } = window.playground.explorer;
    const [weight, arrows, output] = [view.weight, view.arrows, view.output].map((values) => Array.from(values));
    return { view: { scene: view.scene, weight, arrows, output }, at, tap, shared };
  });
  // What is shown belongs to the controls.
  assert.deepEqual(held.view.scene.at, held.at);
  return held;
}

const oracle = readFileSync(new URL("./oracle.mjs", import.meta.url), "utf8");

/** Something of the oracle, with what the page holds: in the page, where the numbers are. */
async function judged(page, of, argument) {
  const code = `${oracle.replaceAll("export function", "function")}
    const { view, image } = window.playground.explorer;
    return (${of})(view, image.values, argument);`;
  return page.evaluate(([code, argument]) => new Function("argument", code)(argument), [code, argument]);
}

async function right(page) {
  const held = await settled(page);
  const worst = await judged(page, "worstOf");
  assert.ok(worst.plain <= 1, `plain errs by ${worst.plain} of what is allowed`);
  assert.ok(worst.deformed <= 1, `deformable errs by ${worst.deformed} of what is allowed`);
  return { ...held, moved: worst.moved };
}

/** A number of a plane that the page holds. */
const number = (page, name, i) => page.evaluate(([name, i]) => {
  const { view, image } = window.playground.explorer;
  return name === "image" ? image.values[i] : view[name][i];
}, [name, i]);

const slide = (page, id, value) => page.locator(`#${id}`).fill(String(value));
const close = (a, b, tolerance, what) => assert.ok(Math.abs(a - b) <= tolerance, `${what}: ${a}, not ${b}`);
const offsetAt = (page, tap, [y, x]) => page.evaluate(([tap, y, x]) => {
  const { offset, output: [rows, columns] } = window.playground.explorer.view;
  return [0, 1].map((axis) => offset[(2 * tap + axis) * rows * columns + y * columns + x]);
}, [tap, y, x]);

// ---------------------------------------------------------------------------------------------------------------------

await test("the minimal page computes a mean of 3 x 3", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${site.url}minimal/`);
  await page.waitForFunction(() => document.getElementById("out").textContent !== "…", null, { timeout: 30_000 });
  const mean = (y, x) => {
    let sum = 0;
    for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) {
      const [row, column] = [y + dy, x + dx];
      if (row >= 0 && row < 3 && column >= 0 && column < 4) sum += (row * 4 + column) / 9;
    }
    return sum;
  };
  const got = (await page.textContent("#out")).split(" ").map(Number);
  assert.equal(got.length, 12);
  got.forEach((value, i) => close(value, mean(Math.floor(i / 4), i % 4), 6e-4, `element ${i}`));
  await context.close();
});

const page = await open();

await test("it opens with a device and a right result", async () => {
  assert.match(await page.textContent("#device"), /swiftshader/i);
  const { view, moved } = await right(page);
  assert.equal(view.scene.field, "edge");
  assert.ok(moved > 0.02, "deformable differs from plain");
});

await test("the canvases show what was computed", async () => {
  const { view } = await settled(page);
  const [rows, columns] = view.output;
  for (const id of ["plain", "deformed"]) {
    const at = [rows >> 2, columns >> 2];
    const shown = await page.evaluate(([id, y, x]) => {
      const canvas = document.getElementById(id);
      return [...canvas.getContext("2d").getImageData(Math.floor(x * canvas.width), Math.floor(y * canvas.height), 1, 1).data];
    }, [id, (at[0] + 0.5) / rows, (at[1] + 0.5) / columns]);
    for (let c = 0; c < 3; c++) close(shown[c], 255 * await number(page, id, (c * rows + at[0]) * columns + at[1]), 1.5, `${id} channel ${c}`);
  }
});

await test("every picture is another one", async () => {
  const seen = new Set();
  for (const name of await page.$$eval("#picture option", (options) => options.map((option) => option.value))) {
    await page.selectOption("#picture", name);
    await right(page);
    const some = await page.evaluate(() => Array.from(window.playground.explorer.image.values).filter((_, i) => i % 97 === 0));
    seen.add(some.join());
    assert.ok(new Set(some).size > 3, `${name} is empty`);
  }
  assert.equal(seen.size, 5);
  await page.selectOption("#picture", "harbour");
});

await test("kernels are what they are called", async () => {
  const known = {
    identity: [0, 0, 0, 0, 1, 0, 0, 0, 0],
    blur: [1, 2, 1, 2, 4, 2, 1, 2, 1].map((w) => w / 16),
    sharpen: [-1, -2, -1, -2, 28, -2, -1, -2, -1].map((w) => w / 16),
    sobel_x: [-1, 0, 1, -2, 0, 2, -1, 0, 1].map((w) => w / 4),
    sobel_y: [-1, -2, -1, 0, 0, 0, 1, 2, 1].map((w) => w / 4),
    laplacian: [0, 1, 0, 1, -4, 1, 0, 1, 0].map((w) => w / 4),
  };
  for (const [name, weights] of Object.entries(known)) {
    await page.selectOption("#preset", name);
    const { view } = await right(page);
    for (let channel = 0; channel < 3; channel++) {
      weights.forEach((weight, tap) => close(view.weight[channel * 9 + tap], weight, 1e-6, `${name} tap ${tap}`));
    }
    const labels = await page.$$eval("#weights button", (buttons) => buttons.map((button) => button.getAttribute("aria-label")));
    assert.match(labels[4], new RegExp(`tap 1, 1: ${weights[4].toFixed(3).replace("-", "−").replace(".", "\\.")}`));
  }
  assert.ok(await page.isHidden("#seed"));
  await page.selectOption("#preset", "random");
  const first = (await right(page)).view.weight;
  await page.click("#seed");
  assert.notDeepEqual((await right(page)).view.weight, first);
  await page.selectOption("#preset", "blur");
});

await test("size, dilation, stride and groups do what they say", async () => {
  for (const size of [5, 7, 3]) {
    await page.check(`input[name="kernel"][value="${size}"]`, { force: true });
    const { view } = await right(page);
    assert.equal(view.weight.length, 3 * size * size);
    assert.equal(await page.$$eval("#weights button", (buttons) => buttons.length), size * size);
  }
  for (const dilation of [5, 1, 2]) {
    await slide(page, "dilation", dilation);
    const held = await right(page);
    assert.equal(held.view.scene.dilation, dilation);
    assert.equal(await page.textContent("#dilation-value"), String(dilation));
  }
  for (const [stride, extent] of [[3, 54], [4, 40], [1, 160]]) {
    await slide(page, "stride", stride);
    assert.deepEqual((await right(page)).view.output, [extent, extent]);
  }
  await page.check('input[name="groups"][value="1"]', { force: true });
  assert.equal((await right(page)).view.weight.length, 81);
  const differ = async (i) => Math.abs((await number(page, "plain", i)) - (await number(page, "plain", 160 * 160 + i)));
  for (const i of [0, 777, 9999]) assert.ok((await differ(i)) < 1e-6, "summed colours are grey");
  await page.check('input[name="groups"][value="3"]', { force: true });
  await right(page);
  assert.ok((await differ(777)) > 0.01, "colours apart are colours");
});

await test("fields of offsets are what they are called", async () => {
  const middle = 159 / 2;
  await page.selectOption("#field", "none");
  const none = await right(page);
  assert.ok(await page.evaluate(() => window.playground.explorer.view.offset.every((v) => v === 0)));
  assert.ok(none.moved < 1e-5, "without offsets deformable is plain");
  const at = [30, 120];
  await slide(page, "strength", 50);
  await page.selectOption("#field", "zoom");
  await right(page);
  (await offsetAt(page, 4, at)).forEach((v, axis) => close(v, (at[axis] - middle) * (1 / 1.5 - 1), 1e-3, "zoom"));
  await page.selectOption("#field", "rotate");
  const [y, x] = [at[0] - middle, at[1] - middle];
  const [sin, cos] = [Math.sin(Math.PI / 4), Math.cos(Math.PI / 4)];
  await right(page);
  const turned = await offsetAt(page, 4, at);
  close(turned[0], sin * x + cos * y - y, 1e-3, "rotate y");
  close(turned[1], cos * x - sin * y - x, 1e-3, "rotate x");
  await page.selectOption("#field", "wave");
  await right(page);
  const wave = await offsetAt(page, 4, at);
  close(wave[0], Math.sin((at[1] / 160) * 6 * Math.PI) * 0.5 * 0.08 * 160, 1e-3, "wave y");
  assert.equal(wave[1], 0);
  await slide(page, "strength", 100);
  assert.equal(await page.textContent("#strength-value"), "100 %");
  await right(page);
  close((await offsetAt(page, 4, at))[0], 2 * wave[0], 1e-3, "twice as strong");
  // The upright edge between the sails: taps go far along it.
  await page.selectOption("#field", "edge");
  const edge = await right(page);
  for (const tap of [1, 7]) {
    const [y, x] = await offsetAt(page, tap, [74, 48]);
    assert.ok(Math.abs(y) > 3 && Math.abs(y) > 2 * Math.abs(x), `tap ${tap} goes by ${y}, ${x}`);
  }
  assert.ok(edge.moved > 0.02);
});

await test("arrows are minus the gradient", async () => {
  await page.selectOption("#preset", "sobel_x");
  await page.selectOption("#field", "wave");
  await slide(page, "strength", 37);
  // Where the sails meet.
  await page.evaluate(() => window.playground.explorer.move(70, 45));
  // Off the kinks of the interpolation: no tap lies on a row or a column of pixels.
  for (const [key, count] of [["ArrowRight", 2], ["ArrowDown", 3]]) {
    await page.focus("#image");
    for (let i = 0; i < count; i++) await page.keyboard.press(key);
  }
  await page.focus("#closeup");
  for (let tap = 0; tap < 9; tap++) {
    await page.keyboard.press("Shift+ArrowRight");
    await page.keyboard.press("]");
  }
  for (const [lower, sign] of [["darkness", -1], ["brightness", 1]]) {
    await page.selectOption("#lower", lower);
    const held = await right(page);
    assert.equal(held.view.scene.lower, lower);
    let largest = 0;
    for (let tap = 0; tap < 9; tap++) {
      const want = await judged(page, "descent", { tap, sign });
      want.forEach((v, axis) => close(held.view.arrows[2 * tap + axis], v, 2e-3, `${lower}: tap ${tap}, axis ${axis}`));
      largest = Math.max(largest, ...want.map(Math.abs));
    }
    assert.ok(largest > 0.01, "there is a gradient");
  }
  const ink = () => page.evaluate(() => document.getElementById("closeup").toDataURL());
  await page.selectOption("#lower", "darkness");
  await settled(page);
  const withArrows = await ink();
  await page.selectOption("#lower", "none");
  await settled(page);
  assert.notEqual(await ink(), withArrows);
  await page.selectOption("#lower", "distance");
  assert.equal((await settled(page)).view.scene.lower, "distance");
  assert.notEqual(await ink(), withArrows);
  await page.selectOption("#lower", "darkness");
  await page.click("#reset");
  await page.selectOption("#preset", "blur");
  await settled(page);
});

await test("the reference in the browser agrees", async () => {
  await page.click("#compare");
  await page.waitForFunction(() => /Right|Wrong/.test(document.getElementById("compared").textContent), null, { timeout: 60_000 });
  assert.match(await page.textContent("#compared"), /^Right: of [\d,]+ numbers/);
  const found = await page.evaluate(() => window.playground.explorer.compared);
  assert.equal(found.elements, 160 * 160 * (3 + 3) + 18);
  for (const name of ["plain", "deformable", "grad_offset"]) assert.ok(found[name] <= 1 && found[name] >= 0, `${name}: ${found[name]}`);
  assert.ok(found.plain > 0 && found.deformable > 0, "not everything is exact");
});

await test("a tap is dragged by the pointer, and back", async () => {
  await page.selectOption("#field", "none");
  await settled(page);
  assert.ok(await page.isDisabled("#reset"));
  const place = await page.evaluate(() => {
    const { closeup, explorer } = { closeup: document.getElementById("closeup"), explorer: window.playground.explorer };
    const { px, py, scale, unit } = explorer.closeup;
    closeup.scrollIntoView({ block: "center" });
    const box = closeup.getBoundingClientRect();
    return { x: box.left + px(explorer.point(2)) / unit, y: box.top + py(explorer.point(2)) / unit, pixel: scale / unit };
  });
  await page.mouse.move(place.x, place.y);
  await page.mouse.down();
  await page.mouse.move(place.x + place.pixel, place.y, { steps: 3 });
  await page.mouse.move(place.x + 2 * place.pixel, place.y - place.pixel, { steps: 3 });
  await page.mouse.up();
  const held = await right(page);
  assert.equal(held.tap, 2);
  close(held.shared[2][0], -1, 0.06, "rows");
  close(held.shared[2][1], 2, 0.06, "columns");
  close((await offsetAt(page, 2, [10, 10]))[1], held.shared[2][1], 1e-5, "at every position");
  assert.ok(held.shared.every((v, tap) => tap === 2 || (v[0] === 0 && v[1] === 0)));
  assert.ok(held.moved > 0.01);
  await page.click("#reset");
  assert.ok((await right(page)).moved < 1e-5);
});

await test("hovering shows the four pixels of a sample", async () => {
  await page.selectOption("#field", "rotate");
  await settled(page);
  const place = await page.evaluate(() => {
    const { explorer } = window.playground;
    const box = document.getElementById("closeup").getBoundingClientRect();
    const { px, py, unit } = explorer.closeup;
    return { x: box.left + px(explorer.point(5)) / unit, y: box.top + py(explorer.point(5)) / unit, point: explorer.point(5) };
  });
  await page.mouse.move(place.x, place.y);
  const lines = await page.$$eval("#numbers dt", (names) => Object.fromEntries(names.map((dt) => [dt.textContent, dt.nextElementSibling.textContent])));
  assert.match(lines.tap, /^\(1, 2\)/);
  const library = await page.evaluate((point) => window.playground.engine.call("corners", ...point).then((c) => [...c]), place.point);
  const told = [...lines.corners.matchAll(/\((-?\d+), (-?\d+)\) ([\d.]+)/g)].map((match) => match.slice(1).map(Number));
  assert.equal(told.length, 4);
  told.forEach(([y, x, share], i) => {
    assert.deepEqual([y, x], [library[3 * i], library[3 * i + 1]]);
    close(share, library[3 * i + 2], 0.006, "share");
  });
  await page.mouse.move(5, 5);
});

await test("clicks and keys move the position", async () => {
  const box = await page.locator("#deformed").boundingBox();
  await page.locator("#deformed").click({ position: { x: (box.width * 40.5) / 160, y: (box.height * 20.5) / 160 } });
  assert.deepEqual((await settled(page)).at, [20, 40]);
  await page.locator("#image").click({ position: { x: (box.width * 100.5) / 160, y: (box.height * 90.5) / 160 } });
  assert.deepEqual((await settled(page)).at, [90, 100]);
  for (const id of ["image", "closeup", "plain", "deformed"]) {
    await page.focus(`#${id}`);
    const before = (await settled(page)).at;
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowLeft");
    assert.deepEqual((await settled(page)).at, [before[0] + 1, before[1] - 1], id);
  }
  const { tap, shared } = await settled(page);
  await page.keyboard.press("]");
  assert.equal((await settled(page)).tap, (tap + 1) % 9);
  await page.keyboard.press("[");
  await page.keyboard.press("Shift+ArrowUp");
  const held = await right(page);
  close(held.shared[tap][0], shared[tap][0] - 0.25, 1e-6, "dragged by keys");
  await page.locator("#weights button").nth(6).click();
  assert.equal((await settled(page)).tap, 6);
  assert.equal(await page.locator('#weights button[aria-pressed="true"]').getAttribute("data-tap"), "6");
  await page.click("#reset");
  await settled(page);
});

await test("everything is reached and seen by keyboard", async () => {
  await page.focus(".skip");
  assert.ok((await page.locator(".skip").boundingBox()).x >= 0, "the link is seen when it is reached");
  const seen = new Set();
  for (let i = 0; i < 45; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const e = document.activeElement;
      const shown = e.matches('.segments input, .hidden-file') ? (e.nextElementSibling ?? e.previousElementSibling) : e;
      const style = getComputedStyle(shown);
      return { id: e.id || e.name || e.className, outline: parseFloat(style.outlineWidth) > 0 && style.outlineStyle !== "none", named: !!(e.getAttribute("aria-label") || e.labels?.length || e.textContent.trim()) };
    });
    if (at.id && at.id !== "main") {
      seen.add(at.id);
      assert.ok(at.outline, `${at.id} shows no focus`);
      assert.ok(at.named, `${at.id} has no name`);
    }
  }
  for (const id of ["tab-explorer", "theme", "picture", "file", "preset", "kernel", "dilation", "stride", "groups", "field", "strength", "lower", "compare", "image", "closeup", "plain", "deformed"]) {
    assert.ok(seen.has(id), `${id} is not reached`);
  }
  await page.focus("#tab-explorer");
  await page.keyboard.press("ArrowRight");
  assert.ok(await page.isVisible("#check"));
  assert.equal(await page.evaluate(() => location.hash), "#check");
  await page.keyboard.press("End");
  assert.ok(await page.isVisible("#bench"));
  await page.keyboard.press("Home");
  assert.ok(await page.isVisible("#explorer"));
});

await test("offsets learn", async () => {
  await slide(page, "strength", 30);
  await page.selectOption("#field", "learned");
  await page.waitForFunction(() => window.playground.explorer.losses.length >= 120, null, { timeout: 120_000 });
  const held = await settled(page);
  const losses = await page.evaluate(() => window.playground.explorer.losses);
  assert.ok(losses.at(-1) < 0.2 * losses[0], `from ${losses[0]} to ${losses.at(-1)}`);
  assert.ok(held.shared.some(([y, x]) => Math.hypot(y, x) > 0.5), "taps have moved");
  assert.match(await page.textContent("#loss-text"), /step 120 of 120/);
  await page.click("#learn");
  await page.waitForFunction(() => { const n = window.playground.explorer.losses.length; return n > 2 && n < 60; });
  await page.selectOption("#field", "none");
  const after = await right(page);
  assert.ok(after.shared.flat().every((v) => v === 0));
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.playground.explorer.losses.length), 0, "it learns no more");
});

await test("pictures are opened and dropped", async () => {
  const png = await page.evaluate(() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [60, 40];
    const context = canvas.getContext("2d");
    context.fillStyle = "rgb(255, 51, 0)";
    context.fillRect(0, 0, 30, 40);
    context.fillStyle = "rgb(0, 102, 255)";
    context.fillRect(30, 0, 30, 40);
    return canvas.toDataURL().split(",")[1];
  });
  const file = { name: "two.png", mimeType: "image/png", buffer: Buffer.from(png, "base64") };
  await page.setInputFiles("#file", file);
  await page.waitForFunction(() => document.getElementById("picture").value === "own");
  let held = await right(page);
  assert.deepEqual(held.view.scene.size, [40, 60]);
  close(await number(page, "image", 0), 1, 1e-6, "red left");
  close(await number(page, "image", 2400 + 59), 0.4, 1e-6, "green right");
  await page.selectOption("#picture", "rings");
  assert.deepEqual((await right(page)).view.scene.size, [160, 160]);
  await page.selectOption("#picture", "own");
  assert.deepEqual((await right(page)).view.scene.size, [40, 60]);
  await page.selectOption("#picture", "harbour");
  await page.evaluate((base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "dropped.png", { type: "image/png" }));
    dispatchEvent(new DragEvent("dragenter", { dataTransfer }));
    window.zoneShown = !document.getElementById("dropzone").hidden;
    dispatchEvent(new DragEvent("drop", { dataTransfer, cancelable: true }));
  }, png);
  await page.waitForFunction(() => window.playground.explorer.image.width === 60);
  assert.ok(await page.evaluate(() => window.zoneShown && document.getElementById("dropzone").hidden));
  held = await right(page);
  assert.equal(await page.$eval("#picture option:checked", (option) => option.textContent), "dropped.png");
  await page.setInputFiles("#file", { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
  await page.waitForFunction(() => document.getElementById("picture-hint").textContent.includes("broken.png is no picture"));
  await page.selectOption("#picture", "harbour");
  await right(page);
});

await test("bad requests are refused in words, and nothing breaks", async () => {
  const refuse = (change, image) => page.evaluate(async ([change, image]) => {
    const { engine, explorer } = window.playground;
    try {
      await engine.call("explore", { ...explorer.scene(), ...change }, image ? new Float32Array(image) : explorer.image.values);
      return "accepted";
    } catch (error) {
      return error.message;
    }
  }, [change, image]);
  assert.match(await refuse({ kernel: 4 }), /kernel = 4: 3, 5 or 7/);
  assert.match(await refuse({ at: [999, 0] }), /at = /);
  assert.match(await refuse({ stride: 0 }), /dilation, stride/);
  assert.match(await refuse({ groups: 2 }), /groups = 2/);
  assert.match(await refuse({ strength: -1 }), /strength = -1/);
  assert.match(await refuse({ preset: "none" }), /scene: unknown variant/);
  assert.match(await refuse({}, 5), /image = 5 numbers/);
  assert.match(await page.evaluate(() => window.playground.engine.call("check", "auto", 9999, false).catch((e) => e.message)), /index = 9999/);
  assert.match(await page.evaluate(() => window.playground.engine.call("check", "none", 0, false).catch((e) => e.message)), /family = none/);
  assert.equal(await refuse({}), "accepted");
});

await test("the check passes, whole with the kernels for software", async () => {
  await page.click("#tab-check");
  {
    await page.selectOption("#family", "cpu");
    await page.click("#check-start");
    await page.waitForFunction(() => document.getElementById("check-start").textContent !== "Stop", null, { timeout: 600_000 });
    const verdict = await page.textContent("#verdict");
    const results = await page.evaluate(() => window.playground.check.results);
    const wrong = results.filter((row) => !row.right);
    assert.deepEqual(wrong, [], verdict);
    assert.match(verdict, new RegExp(`^${results.length} of ${results.length} tensors right, 0 wrong`));
    assert.deepEqual(results.filter((row) => row.message), [], "everything runs in a browser");
    assert.ok(results.length > 300);
    const of = (key) => new Set(results.map((row) => row[key]));
    assert.equal(of("operation").size, 25, [...of("operation")].join());
    for (const tensor of ["output", "grad_input", "grad_weight", "grad_bias", "grad_residual", "grad_offset", "grad_mask", "grad_weight_v", "grad_weight_h", "grad_weight_dw", "grad_weight_pw"]) {
      assert.ok(of("tensor").has(tensor), tensor);
    }
    assert.ok(results.every((row) => row.ulp >= 0 && row.error_over_bound <= 1));
    assert.ok(results.some((row) => row.ulp > 0.5), "not everything is exact");
    assert.equal(await page.$$eval("#results tbody tr", (rows) => rows.length), results.length);
  }
});

await test("the table is filtered, the check stops", async () => {
  const shown = () => page.$$eval("#results tbody tr", (rows) => rows.filter((row) => !row.hidden).map((row) => row.dataset.text));
  const all = (await shown()).length;
  await page.fill("#filter", "deform grad_offset");
  const some = await shown();
  assert.ok(some.length > 3 && some.length < all && some.every((text) => text.includes("deform") && text.includes("grad_offset")));
  await page.fill("#filter", "");
  await page.selectOption("#show", "wrong");
  assert.equal((await shown()).length, 0);
  await page.selectOption("#show", "all");
  assert.equal((await shown()).length, all);
  await page.selectOption("#family", "auto");
  await page.selectOption("#algorithms", "every");
  await page.click("#check-start");
  await page.waitForFunction(() => window.playground.check.results.length > 40, null, { timeout: 120_000 });
  await page.click("#check-start");
  await page.waitForFunction(() => document.getElementById("check-start").textContent !== "Stop", null, { timeout: 60_000 });
  assert.match(await page.textContent("#verdict"), /^stopped after \d+ of \d+ problems/);
  const results = await page.evaluate(() => window.playground.check.results);
  assert.ok(results.every((row) => row.right));
  const first = results.filter((row) => row.name === results[0].name && row.tensor === "output");
  assert.ok(first.length > 1 && new Set(first.map((row) => row.algorithm)).size === first.length, "every algorithm has a row");
});

// SwiftShader takes many seconds to compile each kernel for GPUs: the first problems have to do.
await test("the check passes with the kernels for GPUs as far as it goes", async () => {
  await page.selectOption("#family", "gpu");
  await page.click("#check-start");
  await page.waitForFunction(() => window.playground.check.results.length >= 6, null, { timeout: 200_000 });
  await page.click("#check-start");
  await page.waitForFunction(() => document.getElementById("check-start").textContent !== "Stop", null, { timeout: 200_000 });
  const results = await page.evaluate(() => window.playground.check.results);
  assert.deepEqual(results.filter((row) => !row.right), []);
  assert.ok(results.some((row) => row.algorithm === "implicit-gemm"), "a kernel of that family ran");
});

await test("a record is measured, drawn, saved and read by wgconv report", async () => {
  await page.click("#tab-bench");
  await page.selectOption("#suite", "text_cnn");
  await page.check("#backward");
  await page.fill("#rounds", "2");
  await page.fill("#sample-ms", "5");
  await page.click("#bench-start");
  await page.waitForFunction(() => document.getElementById("bench-start").textContent !== "Stop", null, { timeout: 600_000 });
  assert.match(await page.textContent("#bench-status"), /^6 of 6 rows right and timed/);
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
  assert.match(download.suggestedFilename(), /^wgconv-.*\.json$/);
  const file = join(scratch, "browser.json");
  await download.saveAs(file);
  const record = JSON.parse(readFileSync(file, "utf8"));
  assert.equal(record.schema, "wgconv-bench/1");
  assert.equal(record.devices[0].backend, "webgpu");
  assert.deepEqual(record.devices[0].peaks.map((peak) => peak.kind).filter((kind) => kind !== "f16_fma"), ["f32_fma", "read", "copy"]);
  for (const row of record.rows) {
    assert.equal(row.status, "right");
    assert.ok(row.error_over_tolerance <= 1 && row.rounds_ms.length === 2 && row.summary_ms.median > 0 && row.bound.fraction > 0);
  }
  assert.equal(await page.$$eval("#roofline .dot", (dots) => dots.length), 6);
  assert.equal(await page.$$eval("#rows tbody tr", (rows) => rows.length), 6);
  await page.locator("#roofline .dot").first().focus();
  assert.match(await page.textContent("#roof-text"), /text_cnn\/kim_w\d (forward|backward): .* ms/);
  const reported = JSON.parse(execFileSync(wgconv, ["report", file, "--json"], { encoding: "utf8" }));
  assert.ok(JSON.stringify(reported).includes("webgpu"));
  const html = join(scratch, "report.html");
  const run = spawnSync(wgconv, ["report", file, "--html", html], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  assert.ok(readFileSync(html, "utf8").includes("kim_w3"));
});

await test("a measurement stops and says so; nothing chosen is said, too", async () => {
  await page.selectOption("#suite", "resnet50");
  await page.click("#bench-start");
  await page.waitForFunction(() => /limits/.test(document.getElementById("bench-status").textContent), null, { timeout: 200_000 });
  await page.click("#bench-start");
  await page.waitForFunction(() => document.getElementById("bench-start").textContent !== "Stop", null, { timeout: 100_000 });
  assert.match(await page.textContent("#bench-status"), /^Stopped: \d+ of \d+ rows/);
  assert.equal(await page.evaluate(() => JSON.parse(window.playground.bench.record).interrupted), true);
  assert.ok(await page.isDisabled("#export"), "there is nothing to save");
  for (const id of ["forward", "backward"]) await page.uncheck(`#${id}`);
  await page.click("#bench-start");
  assert.match(await page.textContent("#bench-status"), /Choose forward, backward or both/);
  await page.selectOption("#suite", "unet");
  const few = await page.evaluate(() => window.playground.bench.chosen().length);
  await page.check("#large");
  assert.ok((await page.evaluate(() => window.playground.bench.chosen().length)) > few);
});

await test("its layers are those of wgconv bench", async () => {
  const listed = JSON.parse(execFileSync(wgconv, ["bench", "--list", "--json"], { encoding: "utf8" }));
  const want = listed.flatMap((suite) => suite.layers.map((layer) => [suite.name, layer.name, layer.operation, layer.large, 2 * layer.macs]));
  const got = await page.evaluate(() => window.playground.device.layers.map((l) => [l.suite, l.layer, l.operation, l.large, l.flops]));
  assert.deepEqual(got, want);
});

await test("colours follow the system, or the button", async () => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await paper();
  assert.notEqual(dark, light);
  await page.click("#theme");
  assert.equal(await paper(), light);
  assert.equal(await page.getAttribute("#theme", "aria-label"), "Colours: light");
  await page.emulateMedia({ colorScheme: "light" });
  await page.click("#theme");
  assert.equal(await paper(), dark);
  await page.click("#theme");
  assert.equal(await paper(), light);
});

await page.context().close();

await test("phones have no horizontal scroll", async () => {
  const phone = await open({ width: 390, height: 844 });
  for (const tab of ["explorer", "check", "bench"]) {
    await phone.click(`#tab-${tab}`);
    assert.ok(await phone.isVisible(`#${tab}`));
    const width = await phone.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${tab} is ${width} wide`);
  }
  await phone.click("#tab-explorer");
  await right(phone);
  const narrow = await phone.$$eval("#explorer :is(button, select, input[type=range])", (all) =>
    all.filter((e) => e.offsetParent && e.getBoundingClientRect().right > 390.5).map((e) => e.id));
  assert.deepEqual(narrow, []);
  await phone.context().close();
});

const withoutGpu = () => Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined });
await test("without WebGPU it says what to do", async () => {
  const bare = await open({ prepare: withoutGpu, wait: false });
  await bare.waitForSelector("#notice:not([hidden])");
  const words = await bare.textContent("#notice");
  for (const word of ["no WebGPU", "Chrome", "Safari", "Firefox", "https://"]) assert.ok(words.includes(word), word);
  assert.equal(await bare.textContent("#device"), "no WebGPU");
  assert.ok(await bare.isDisabled("#preset"));
  await bare.context().close();
});

await test("without an adapter it says so, too, and so does the minimal page", async () => {
  const other = await launch(chromium, false);
  try {
    const bare = await other.newPage();
    await bare.goto(site.url);
    await bare.waitForSelector("#notice:not([hidden])", { timeout: 30_000 });
    assert.match(await bare.textContent("#notice"), /no WebGPU/);
    await bare.goto(`${site.url}minimal/`);
    await bare.waitForFunction(() => document.getElementById("out").textContent !== "…", null, { timeout: 30_000 });
    assert.match(await bare.textContent("#out"), /^This page needs WebGPU: .*adapter/);
  } finally {
    await other.close();
  }
});

await test("files that do not load are noticed, and it starts again", async () => {
  const context = await browser.newContext();
  const broken = await context.newPage();
  await broken.route("**/worker.js", (route) => route.abort());
  await broken.goto(site.url);
  await broken.waitForSelector("#notice:not([hidden])", { timeout: 30_000 });
  assert.match(await broken.textContent("#notice"), /The computing part stopped.*cannot be loaded/s);
  assert.ok(await broken.isDisabled("#preset"));
  await broken.unroute("**/worker.js");
  await broken.route("**/*.wasm", (route) => route.abort());
  await broken.click("#notice button");
  await broken.waitForFunction(() => /WebGPU/.test(document.getElementById("notice").textContent), null, { timeout: 30_000 });
  await broken.unroute("**/*.wasm");
  await broken.reload();
  await broken.waitForFunction(() => window.playground?.explorer.view, null, { timeout: 60_000 });
  await right(broken);
  await context.close();
});

if (screenshots) {
  for (const [name, width, height, scheme] of [["explorer-light", 1440, 900, "light"], ["explorer-dark", 1440, 900, "dark"], ["phone", 390, 844, "dark"]]) {
    const shot = await open({ width, height, scheme });
    // The first time compiles.
    await shot.focus("#image");
    await shot.keyboard.press("ArrowUp");
    await settled(shot);
    await shot.screenshot({ path: join(screenshots, `${name}.png`) });
    await shot.context().close();
  }
}

await test("no complaint in the console, nothing missing on the server", async () => {
  assert.deepEqual(complaints, []);
  assert.deepEqual(site.missed.filter((path) => !path.endsWith("favicon.ico")), []);
});

await browser.close();
site.close();
rmSync(scratch, { recursive: true });
finish();
