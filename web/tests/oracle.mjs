// The layers once more, in plain JavaScript: nothing here is shared with the library or the page.

/** Output of one position and channel: the sum, and the sum of magnitudes that its rounding errors scale with. */
export function convolved({ size, kernel, dilation, stride, groups }, image, weight, offsetAt, channel, [y, x]) {
  const [height, width] = size;
  const per = 3 / groups;
  const reach = (dilation * (kernel - 1)) / 2;
  let [sum, magnitude] = [0, 0];
  for (let c = 0; c < per; c++) {
    const from = groups === 3 ? channel : c;
    const pixel = (row, column) => (row < 0 || column < 0 || row >= height || column >= width ? 0 : image[(from * height + row) * width + column]);
    for (let i = 0; i < kernel; i++) {
      for (let j = 0; j < kernel; j++) {
        const tap = i * kernel + j;
        const [dy, dx] = offsetAt(tap);
        const [py, px] = [y * stride - reach + i * dilation + dy, x * stride - reach + j * dilation + dx];
        const [y0, x0] = [Math.floor(py), Math.floor(px)];
        const [fy, fx] = [py - y0, px - x0];
        const sample = (1 - fy) * ((1 - fx) * pixel(y0, x0) + fx * pixel(y0, x0 + 1)) + fy * ((1 - fx) * pixel(y0 + 1, x0) + fx * pixel(y0 + 1, x0 + 1));
        const w = weight[(channel * per + c) * kernel * kernel + tap];
        sum += w * sample;
        magnitude += Math.abs(w) * sample;
      }
    }
  }
  return { sum, magnitude };
}

/** Every channel at some positions, plain and deformable, against what the page holds. The largest error over its bound. */
export function worstOf(view, image) {
  const { scene } = view;
  const [rows, columns] = view.output;
  const plane = rows * columns;
  let worst = { plain: 0, deformed: 0, moved: 0 };
  for (let n = 0; n < 60; n++) {
    const at = [(n * 37 + 5) % rows, (n * 53 + 11) % columns];
    if (n === 59) at.splice(0, 2, ...scene.at);
    for (let channel = 0; channel < 3; channel++) {
      const i = channel * plane + at[0] * columns + at[1];
      const offsetAt = (tap) => [0, 1].map((axis) => view.offset[(2 * tap + axis) * plane + at[0] * columns + at[1]]);
      for (const [name, offsets] of [["plain", () => [0, 0]], ["deformed", offsetAt]]) {
        const { sum, magnitude } = convolved(scene, image, view.weight, offsets, channel, at);
        // Coordinates of up to 200 err by 2^-17 in f32, and a pixel's slope is at most 1.
        const bound = 2 ** -22 * (scene.kernel ** 2 + 4) * (magnitude + 1e-3) + (name === "plain" ? 0 : 2 ** -15 * Math.max(1, magnitude));
        worst[name] = Math.max(worst[name], Math.abs(view[name][i] - sum) / bound);
        if (Number.isNaN(view[name][i])) worst[name] = Infinity;
      }
      worst.moved = Math.max(worst.moved, Math.abs(view.plain[i] - view.deformed[i]));
    }
  }
  return worst;
}

/** Central differences of the sum of the outputs at the position that is looked at, times a sign, for one tap: −grad (y, x). */
export function descent(view, image, { tap, sign }) {
  const { scene } = view;
  const [rows, columns] = view.output;
  const plane = rows * columns;
  const at = scene.at;
  const base = (t) => [0, 1].map((axis) => view.offset[(2 * t + axis) * plane + at[0] * columns + at[1]]);
  const of = (delta) => {
    const offsets = (t) => (t === tap ? base(t).map((v, axis) => v + delta[axis]) : base(t));
    return sign * [0, 1, 2].reduce((sum, channel) => sum + convolved(scene, image, view.weight, offsets, channel, at).sum, 0);
  };
  const h = 1e-4;
  return [[h, 0], [0, h]].map((step) => -(of(step) - of(step.map((v) => -v))) / (2 * h));
}
