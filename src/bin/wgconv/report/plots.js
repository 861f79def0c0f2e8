// The plots of the page, over the names of report.js.

// ---- Roofline ----

const SHAPES = [
  (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
  (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  (r) => `M0 ${-1.25 * r}L${1.2 * r} ${0.9 * r}H${-1.2 * r}Z`,
  (r) => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0Z`,
  (r) => `M0 ${1.25 * r}L${1.2 * r} ${-0.9 * r}H${-1.2 * r}Z`,
  // A cross.
  (r) => {
    const [long, short] = [1.3 * r, 0.45 * r];
    const [up, down] = [`V${-long}H${short}V${-short}H${long}V${short}`, `H${short}V${long}H${-short}V${short}`];
    return `M${-long} ${-short}H${-short}${up}${down}H${-long}Z`;
  },
];
const passes = [...new Set(rows.map((row) => row.pass))].sort(
  (a, b) => ['backward', 'forward'].indexOf(b) - ['backward', 'forward'].indexOf(a),
);
const shape = (pass, radius) => SHAPES[passes.indexOf(pass) % SHAPES.length](radius);

function seriesKeys(visible) {
  return series
    .map((one, i) => ({ one, i }))
    .filter(({ i }) => visible.has(i))
    .map(({ one, i }) => {
      const tag = element('span', { class: `tag s${i % COLOURS}` }, one.tag);
      return element('span', {}, tag, one.label);
    });
}

function markKey(path, filled, label) {
  const svg = drawn('svg', { width: 16, height: 16, viewBox: '-8 -8 16 16', class: 'key', 'aria-hidden': 'true' });
  svg.append(drawn('path', { class: filled ? 'mark filled' : 'mark', d: path }));
  return element('span', {}, svg, label);
}

function lineKey(kind, label) {
  const svg = drawn('svg', { width: 30, height: 10, class: 'key', 'aria-hidden': 'true' });
  svg.append(drawn('path', { class: `roof ${kind}`, d: 'M0 5H30' }));
  return element('span', {}, svg, label);
}

// 1, 2, 5 and their decades between two values; where there are many, decades alone.
function ticks(from, to, most) {
  const decades = [];
  for (let e = Math.ceil(Math.log10(from) - 1e-9); e <= Math.log10(to) + 1e-9; e += 1) decades.push(10 ** e);
  const fine = [];
  for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e += 1) {
    for (const m of [1, 2, 5]) if (m * 10 ** e >= from * 0.999 && m * 10 ** e <= to * 1.001) fine.push(m * 10 ** e);
  }
  if (fine.length <= most) return fine;
  const every = Math.max(1, Math.ceil(decades.length / most));
  return decades.filter((_, i) => i % every === 0);
}
function minorTicks(from, to) {
  const all = [];
  for (let e = Math.floor(Math.log10(from)); e <= Math.log10(to); e += 1) {
    for (let m = 1; m < 10; m += 1) if (m * 10 ** e >= from && m * 10 ** e <= to) all.push(m * 10 ** e);
  }
  return all;
}
function tickLabel(value) {
  const [scaled, suffix] = value >= 1e6 ? [value / 1e6, 'M'] : value >= 1e4 ? [value / 1e3, 'k'] : [value, ''];
  return `${Number(scaled.toPrecision(1))}${suffix}`;
}
const speedLabel = (giga, unit) => (giga >= 1e4 ? `${figure(giga / 1e3)} T${unit}` : `${figure(giga)} G${unit}`);

const plot = $('#roofline .plot');
let marks = [];

function drawRoofline() {
  const visible = rows.filter((row, i) => shown[i]);
  const points = visible.filter((row) => row.gflops !== null);
  const present = new Set(visible.map((row) => row.series));
  const roofs = series.map((one, i) => ({ ...one, i })).filter(({ i }) => present.has(i));
  const still = visible.filter((row) => row.flops === 0).length;
  const unmeasured = visible.filter((row) => row.flops > 0 && row.gflops === null).length;
  const missing = [];
  if (still) {
    const what = counted(
      still,
      'row that only moves or compares elements has',
      'rows that only move or compare elements have',
    );
    missing.push(`${what} no operations to count and ${still === 1 ? 'is' : 'are'} not shown here.`);
  }
  if (unmeasured) missing.push(`${counted(unmeasured, 'row has', 'rows have')} no times.`);
  $('#roofline .missing').textContent = missing.join(' ');

  const width = Math.max(300, plot.clientWidth);
  const height = width < 600 ? 400 : Math.min(620, width * 0.48);
  const edge = { left: 54, right: 14, top: 14, bottom: 46 };
  const peaksOf = (one) => [one.peaks.f32_fma, one.peaks.f16_fma].filter(Boolean);
  const speeds = points.map((row) => row.gflops).concat(roofs.flatMap(peaksOf));
  const ridges = roofs.flatMap((one) =>
    ['read', 'copy']
      .filter((kind) => one.peaks[kind] && one.peaks.f32_fma)
      .map((kind) => one.peaks.f32_fma / one.peaks[kind]),
  );
  const intensities = points.map((row) => row.intensity).concat(ridges);
  marks = [];
  plot.replaceChildren();
  const keys = seriesKeys(present);
  for (const pass of passes) keys.push(markKey(shape(pass, 5), true, pass));
  keys.push(
    markKey(shape(passes[0], 5), false, 'hollow: not the chosen algorithm'),
    lineKey('', 'f32 multiply-adds, reading'),
  );
  if (roofs.some((one) => one.peaks.copy)) keys.push(lineKey('copy', 'copying'));
  if (roofs.some((one) => one.peaks.f16_fma)) keys.push(lineKey('f16', 'f16 multiply-adds'));
  $('#roofline .legend').replaceChildren(...keys);
  if (!points.length) {
    plot.append(element('p', { class: 'hint' }, 'Nothing to plot among these rows.'));
    return;
  }
  const [xFrom, xTo] = [Math.min(...intensities) / 1.6, Math.max(...intensities) * 1.9];
  const [yFrom, yTo] = [Math.min(...speeds) / 1.6, Math.max(...speeds) * 1.9];
  const scale = (from, to, start, end) => (value) =>
    start + (Math.log(value / from) / Math.log(to / from)) * (end - start);
  const x = scale(xFrom, xTo, edge.left, width - edge.right);
  const y = scale(yFrom, yTo, height - edge.bottom, edge.top);

  const svg = drawn('svg', {
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': `Roofline of ${points.length} rows; the table below has the same numbers`,
  });
  const bottom = height - edge.bottom;
  for (const value of minorTicks(xFrom, xTo))
    svg.append(drawn('line', { class: 'minor', x1: x(value), x2: x(value), y1: edge.top, y2: bottom }));
  for (const value of minorTicks(yFrom, yTo))
    svg.append(drawn('line', { class: 'minor', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }));
  for (const value of ticks(xFrom, xTo, width / 60)) {
    svg.append(drawn('line', { class: 'grid', x1: x(value), x2: x(value), y1: edge.top, y2: bottom }));
    svg.append(drawn('text', { x: x(value), y: bottom + 17, 'text-anchor': 'middle' }, tickLabel(value)));
  }
  for (const value of ticks(yFrom, yTo, height / 32)) {
    svg.append(drawn('line', { class: 'grid', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }));
    svg.append(drawn('text', { x: edge.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, tickLabel(value)));
  }
  svg.append(
    drawn(
      'text',
      { class: 'title', x: (edge.left + width - edge.right) / 2, y: height - 8, 'text-anchor': 'middle' },
      'operations per byte',
    ),
  );
  svg.append(
    drawn(
      'text',
      {
        class: 'title',
        x: 0,
        y: 0,
        'text-anchor': 'middle',
        transform: `translate(13 ${(edge.top + bottom) / 2}) rotate(-90)`,
      },
      'GFLOP/s',
    ),
  );

  const names = drawRoofs(svg, roofs, { x, y, xFrom, xTo, yFrom, right: width - edge.right });
  // Chosen ones lie on top.
  for (const row of [...points].sort((a, b) => a.chosen - b.chosen)) {
    const at = { x: x(row.intensity), y: y(row.gflops) };
    const path = drawn('path', {
      class: `mark ${colour(row)}${row.chosen ? ' filled' : ''}`,
      d: shape(row.pass, 4.5),
      transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`,
    });
    svg.append(path);
    marks.push({ ...at, path, row });
  }
  svg.append(...names);
  plot.append(svg);
}

// Returns the names, which lie on top of the marks.
function drawRoofs(svg, roofs, { x, y, xFrom, xTo, yFrom, right }) {
  const names = [];
  for (const one of roofs) {
    const { f32_fma: peak, f16_fma: half, read, copy } = one.peaks;
    if (!peak) continue;
    const lines = [
      ['read', read],
      ['copy', copy],
    ].filter(([, speed]) => speed);
    for (const [kind, speed] of lines) {
      // From where it enters the plot to the ridge.
      const start = Math.max(xFrom, yFrom / speed);
      const ridge = Math.min(xTo, peak / speed);
      if (start >= ridge) continue;
      svg.append(
        drawn('path', {
          class: `roof ${kind} s${one.i % COLOURS}`,
          d: `M${x(start)} ${y(start * speed)}L${x(ridge)} ${y(ridge * speed)}`,
        }),
      );
      const angle = (Math.atan2(y(ridge * speed) - y(start * speed), x(ridge) - x(start)) * 180) / Math.PI;
      names.push({
        one,
        text: `${kind} ${speedLabel(speed, 'B/s')}`,
        x: x(start) + 8,
        y: y(start * speed) - 12,
        angle,
      });
    }
    const ridges = lines.map(([, speed]) => peak / speed);
    const from = ridges.length ? Math.max(xFrom, Math.min(...ridges)) : xFrom;
    for (const [kind, speed, name] of [
      ['f32', peak, 'f32'],
      ['f16', half, 'f16'],
    ]) {
      if (!speed) continue;
      svg.append(drawn('path', { class: `roof ${kind} s${one.i % COLOURS}`, d: `M${x(from)} ${y(speed)}H${x(xTo)}` }));
      names.push({ one, text: `${name} ${speedLabel(speed, 'FLOP/s')}`, x: right - 4, y: y(speed) - 6, end: true });
    }
  }
  // Devices of one machine have nearly the same lines: a name that would lie on another one is left to the header.
  const placed = [];
  for (const name of names) {
    if (!placed.some((other) => Math.abs(other.y - name.y) < 17 && Math.abs(other.x - name.x) < 150)) placed.push(name);
  }
  return placed.map((name) => {
    const text = roofs.length > 1 ? `${name.one.tag} ${name.text}` : name.text;
    return drawn(
      'text',
      {
        class: `roof-name s${name.one.i % COLOURS}`,
        'text-anchor': name.end ? 'end' : 'start',
        transform: `translate(${name.x} ${name.y}) rotate(${name.angle ?? 0})`,
      },
      text,
    );
  });
}

function nearest(event) {
  const svg = $('svg', plot);
  if (!svg) return null;
  const box = svg.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  let best = null;
  for (const mark of marks) {
    const distance = Math.hypot(mark.x - px, mark.y - py);
    if (distance < 16 && (!best || distance <= best.distance)) best = { mark, distance };
  }
  return best?.mark ?? null;
}
let near = null;
plot.addEventListener('pointermove', (event) => {
  near?.path.classList.remove('near');
  near = nearest(event);
  plot.style.cursor = near ? 'pointer' : '';
  if (!near) return hideTip();
  near.path.classList.add('near');
  showTip(describe(near.row), event.clientX, event.clientY);
});
plot.addEventListener('pointerleave', () => {
  near?.path.classList.remove('near');
  hideTip();
});
plot.addEventListener('click', (event) => {
  const mark = nearest(event);
  if (!mark) return;
  form.elements.text.value = mark.row.layer;
  hideTip();
  apply();
});

// ---- Bars ----

const bars = $('#bars');
const METRICS = {
  ms: { unit: 'ms', of: (row, ms) => ms },
  gflops: { unit: 'GFLOP/s', of: (row, ms) => (row.flops ? (row.flops * 1e-6) / ms : null) },
  gbytes: { unit: 'GB/s', of: (row, ms) => (row.min_bytes * 1e-6) / ms },
  fraction: { unit: '%', of: (row, ms) => (row.bound ? (100 * row.bound.limit_ms) / ms : null) },
};
// Groups that are drawn at first; a button asks for more.
const GROUPS = 60;
let most = GROUPS;

function drawBars() {
  const metric = METRICS[$('[name=metric]', bars).value];
  const shared = $('[name=scale]', bars).value === 'shared';
  const groups = new Map();
  const present = new Set();
  rows.forEach((row, i) => {
    if (!shown[i]) return;
    present.add(row.series);
    const name = `${row.layer}\n${row.pass}`;
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  });
  const speed = (row) => (row.summary ? metric.of(row, row.summary.median) : null);
  const longest = (members) =>
    Math.max(
      0,
      ...members.flatMap((row) =>
        speed(row) === null
          ? []
          : [speed(row), metric.of(row, row.summary.lower_quartile), metric.of(row, row.summary.upper_quartile)],
      ),
    );
  const limits = (members) =>
    members.map((row) => (row.bound ? metric.of(row, row.bound.limit_ms) : null)).filter((limit) => limit !== null);
  // A limit far beyond every bar would leave nothing to see of them.
  const scaleOf = (members) => {
    const most = longest(members);
    return Math.max(most, ...limits(members).filter((limit) => limit <= 2 * most)) * 1.02;
  };
  const common = shared ? scaleOf([...groups.values()].flat()) : 0;
  $('.legend', bars).replaceChildren(...seriesKeys(present));
  const list = $('.groups', bars);
  list.replaceChildren();
  for (const [, members] of [...groups].slice(0, most)) {
    // Records of one algorithm lie side by side.
    const order = [...new Set(members.map((row) => row.algorithm))];
    const sorted = [...members].sort(
      (a, b) => order.indexOf(a.algorithm) - order.indexOf(b.algorithm) || a.series - b.series,
    );
    const full = common || scaleOf(members);
    const lines = element('div');
    for (const row of sorted) lines.append(bar(row, metric, speed(row), full));
    const head = element(
      'h3',
      {},
      members[0].layer,
      element('span', {}, ` ${members[0].operation} ${members[0].pass}`),
    );
    list.append(element('div', { class: 'group' }, head, lines));
  }
  if (groups.size === 0) list.append(element('p', { class: 'hint' }, 'No rows.'));
  if (groups.size > most) {
    const more = element('button', { type: 'button', class: 'more' }, `Show all ${groups.size} layers and passes`);
    more.addEventListener('click', () => {
      most = Infinity;
      drawBars();
    });
    list.append(more);
  }
}

function bar(row, metric, value, full) {
  const what = element('span', { class: 'what' });
  if (series.length > 1) what.append(element('span', { class: `tag ${colour(row)}` }, seriesOf(row).tag), ' ');
  what.append(row.algorithm);
  if (row.chosen) what.append(' ', element('span', { class: 'chosen' }, '★'));
  const line = element('div', { class: `bar ${colour(row)}` }, what);
  line.addEventListener('pointermove', (event) => showTip(describe(row), event.clientX, event.clientY));
  line.addEventListener('pointerleave', hideTip);
  if (value === null) {
    const why = row.status === 'right' ? `no ${metric.unit}` : row.status;
    line.append(element('span', { class: `none ${row.status}` }, why));
    return line;
  }
  const share = (of) => `${(100 * Math.min(1, Math.max(0, of / full))).toFixed(2)}%`;
  const track = element('span', { class: 'track' });
  track.append(element('i', { class: `fill${row.chosen ? ' best' : ''}`, style: `width:${share(value)}` }));
  const quartiles = [row.summary.lower_quartile, row.summary.upper_quartile]
    .map((ms) => metric.of(row, ms))
    .sort((a, b) => a - b);
  track.append(
    element('i', {
      class: 'whisker',
      style: `left:${share(quartiles[0])};width:${share(quartiles[1] - quartiles[0])}`,
    }),
  );
  if (row.bound) {
    const limit = metric.of(row, row.bound.limit_ms);
    if (limit !== null && limit <= full) track.append(element('i', { class: 'limit', style: `left:${share(limit)}` }));
    else if (limit !== null) track.append(element('i', { class: 'beyond' }, '›'));
  }
  line.append(track, element('span', { class: 'value' }, metric.unit === '%' ? percent(value / 100) : figure(value)));
  return line;
}
$('.controls', bars).addEventListener('change', drawBars);
