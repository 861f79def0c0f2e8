// Sorting, filters and plots over the page's own tables and data. Computes no verdicts and no speeds.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const { series, rows, problems } = data;
  const COLOURS = 8;
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  document.documentElement.classList.add('script');

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  function drawn(tag, attributes = {}, text) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // Four significant digits, as the tables have them.
  function figure(value) {
    if (value === 0 || !Number.isFinite(value)) return String(value);
    const digits = Math.min(9, Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)))));
    return value.toFixed(digits);
  }
  const counted = (count, one, several) => `${count} ${count === 1 ? one : several}`;
  const percent = (fraction) => `${(100 * fraction).toFixed(fraction > 0 && fraction < 0.01 ? 2 : 1)}%`;
  const colour = (row) => `s${(row.series ?? 0) % COLOURS}`;
  const seriesOf = (row) => series[row.series] ?? { tag: '?', label: 'unknown device', peaks: {} };

  // ---- The remark beside the pointer ----

  const tip = $('#tip');
  function showTip(text, x, y) {
    if (tip.textContent !== text) tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const room = document.documentElement.clientWidth;
    const left = x + 14 + width > room ? x - 14 - width : x + 14;
    tip.style.left = `${Math.max(8, Math.min(left, room - width - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(y + 14, window.innerHeight - height - 8))}px`;
  }
  const hideTip = () => { tip.hidden = true; };
  document.addEventListener('scroll', hideTip, true);

  function describe(row) {
    const lines = [`${row.layer}, ${row.pass}`, `${row.algorithm}${row.chosen ? ' (chosen)' : ''}, ${row.operation}`];
    if (series.length > 1) lines.push(`${seriesOf(row).tag}: ${seriesOf(row).label}`);
    if (row.summary) {
      lines.push(`${figure(row.summary.median)} ms, quartiles ${figure(row.summary.lower_quartile)} to ${figure(row.summary.upper_quartile)}`);
      const speeds = [];
      if (row.gflops !== null) speeds.push(`${figure(row.gflops)} GFLOP/s`);
      if (row.gbytes !== null) speeds.push(`${figure(row.gbytes)} GB/s`);
      lines.push(speeds.join(', '));
      if (row.bound) lines.push(`${percent(row.bound.fraction)} of the limit by ${row.bound.side}, ${figure(row.bound.limit_ms)} ms`);
    } else {
      lines.push(row.message ? `${row.status}: ${row.message}` : row.status);
    }
    if (row.error !== null) lines.push(`error ${row.error === 0 || row.error >= 1e-3 ? figure(row.error) : row.error.toExponential(2)} of its tolerance`);
    return lines.join('\n');
  }

  // ---- Filters ----

  const form = $('#filters');
  const fields = {
    suite: (row) => row.suite,
    operation: (row) => row.operation,
    pass: (row) => row.pass,
    device: (row) => String(row.series),
    algorithm: (row) => row.algorithm,
    status: (row) => row.status,
  };
  for (const [name, of] of Object.entries(fields)) {
    const values = [...new Set(rows.map(of))];
    const select = form.elements[name];
    select.append(new Option('all', ''));
    for (const value of values) {
      const label = name === 'device' ? `${series[value]?.tag} ${series[value]?.label}` : value;
      select.append(new Option(label, value));
    }
  }
  const words = rows.map((row) => [row.layer, row.operation, row.pass, row.algorithm, row.message ?? '', seriesOf(row).label]
    .join(' ').toLowerCase());
  let shown = rows.map(() => true);

  const table = $('#all-rows');
  const tableRows = $$('tbody tr', table);
  const changes = $$('.changes tbody tr').map((line) => ({ line, numbers: line.dataset.rows.split(' ').map(Number) }));

  function apply() {
    const wanted = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    shown = rows.map((row, i) => wanted.every((word) => words[i].includes(word))
      && Object.entries(fields).every(([name, of]) => !form.elements[name].value || of(row) === form.elements[name].value));
    for (const line of tableRows) {
      line.hidden = !shown[line.dataset.row];
      if (line.nextSibling?.classList?.contains('detail')) line.nextSibling.hidden = line.hidden;
    }
    for (const { line, numbers } of changes) {
      const verdict = line.closest('section').dataset.verdict;
      line.hidden = !numbers.some((number) => shown[number]) || Boolean(verdict && verdict !== line.dataset.verdict);
    }
    const count = shown.filter(Boolean).length;
    $('output', form).textContent = count === rows.length ? `${count} rows` : `${count} of ${rows.length} rows`;
    drawRoofline();
    drawBars();
  }
  form.addEventListener('input', apply);
  form.addEventListener('submit', (event) => event.preventDefault());
  // The fields are empty only after the event.
  form.addEventListener('reset', () => setTimeout(apply));

  for (const section of $$('.comparison')) {
    for (const count of $$('.counts li', section)) {
      const button = element('button', { type: 'button', 'aria-pressed': 'false' });
      button.append(...count.childNodes);
      count.append(button);
      button.addEventListener('click', () => {
        const pressed = button.getAttribute('aria-pressed') !== 'true';
        for (const other of $$('.counts button', section)) other.setAttribute('aria-pressed', String(other === button && pressed));
        section.dataset.verdict = pressed ? count.dataset.verdict : '';
        apply();
      });
    }
  }

  // ---- Sorting ----

  function key(cell) {
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === '–' || cell.classList.contains('n') ? null : text;
  }

  function compareKeys(a, b) {
    return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
  }

  function makeSortable(of) {
    const heads = $$('thead th', of);
    const first = $('tbody tr', of);
    heads.forEach((head, column) => {
      if (first?.children[column].classList.contains('n')) head.classList.add('n');
      const button = element('button', { type: 'button' });
      head.dataset.name = head.textContent;
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const direction = head.getAttribute('aria-sort') === 'ascending' ? 'descending' : 'ascending';
        for (const other of heads) other.setAttribute('aria-sort', other === head ? direction : 'none');
        const sign = direction === 'ascending' ? 1 : -1;
        const body = $('tbody', of);
        const lines = $$('tr:not(.detail)', body).map((line) => [key(line.children[column]), line]);
        // What has no value comes last either way.
        lines.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compareKeys(a, b)));
        for (const [, line] of lines) {
          const detail = line.nextSibling?.classList?.contains('detail') ? line.nextSibling : null;
          body.append(line);
          if (detail) body.append(detail);
        }
      });
    });
  }

  // ---- Columns and details of the rows ----

  const columns = $('#columns');
  function showColumns() {
    for (const box of $$('input', columns)) table.classList.toggle(`without-${box.name}`, !box.checked);
  }
  columns.addEventListener('change', showColumns);

  for (const line of tableRows) {
    const row = rows[line.dataset.row];
    const button = element('button', { type: 'button', class: 'expand', 'aria-expanded': 'false', 'aria-label': `Samples and problem of ${row.layer}` });
    line.firstChild.prepend(button);
    button.addEventListener('click', () => {
      const open = button.getAttribute('aria-expanded') === 'true';
      button.setAttribute('aria-expanded', String(!open));
      if (open) {
        line.nextSibling.remove();
      } else {
        line.after(detail(row, line.children.length));
      }
    });
  }

  function detail(row, span) {
    const box = element('div', { class: 'detail-box' });
    const samples = row.rounds.reduce((sum, round) => sum + round.length, 0);
    const left = element('div', {}, element('h4', {}, row.summary
      ? `${counted(samples, 'sample', 'samples')} in ${counted(row.rounds.length, 'round', 'rounds')}, each of ${counted(row.repeats, 'execution', 'executions')}; ${counted(row.buffer_sets, 'set', 'sets')} of buffers in turn`
      : `${row.status}${row.message ? `: ${row.message}` : ''}`));
    if (row.summary) left.append(strip(row));
    left.append(element('p', { class: 'hint' },
      `${row.macs.toLocaleString('en')} multiply-adds, ${row.min_bytes.toLocaleString('en')} bytes at least, ${figure(row.intensity)} operations per byte`));
    const right = element('div', {}, element('h4', {}, 'Problem'),
      element('pre', { tabindex: '0' }, pretty(problems[row.problem])));
    box.append(left, right);
    const cell = element('td', { colspan: span });
    cell.append(box);
    const line = element('tr', { class: 'detail' });
    line.append(cell);
    return line;
  }

  // A field on each line, and lists of numbers on one.
  function pretty(problem) {
    const flat = (text) => text.replace(/\[\s+([^{}]*?)\s+\]/g, (list) => list.replace(/\s+/g, ' ').replace(/\[ /g, '[').replace(/ \]/g, ']'));
    return flat(JSON.stringify(problem, null, 2));
  }

  // Every sample, a line for each round.
  function strip(row) {
    const width = 460, left = 66, right = 14, step = 20, top = 6;
    const height = top + step * row.rounds.length + 24;
    const { lower_quartile: low, median, upper_quartile: high } = row.summary;
    const all = row.rounds.flat();
    let [from, to] = [Math.min(...all), Math.max(...all)];
    const margin = (to - from) * 0.04 || from * 0.02;
    [from, to] = [from - margin, to + margin];
    const x = (value) => left + (value - from) / (to - from) * (width - left - right);
    const base = top + step * row.rounds.length;
    const svg = drawn('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'Samples by round', style: `max-width:${width}px` });
    svg.append(drawn('rect', { class: 'box', x: x(low), y: top, width: Math.max(1, x(high) - x(low)), height: base - top }));
    svg.append(drawn('line', { class: 'median', x1: x(median), x2: x(median), y1: top, y2: base }));
    svg.append(drawn('line', { class: 'grid', x1: left, x2: width - right, y1: base, y2: base }));
    row.rounds.forEach((round, i) => {
      const y = top + step * (i + 0.5);
      svg.append(drawn('text', { x: left - 10, y: y + 4, 'text-anchor': 'end' }, `round ${i + 1}`));
      for (const sample of round) {
        const dot = drawn('circle', { class: 'sample', cx: x(sample), cy: y, r: 4 });
        dot.append(drawn('title', {}, `${figure(sample)} ms`));
        svg.append(dot);
      }
    });
    svg.append(drawn('text', { x: left, y: base + 17 }, figure(Math.min(...all))));
    svg.append(drawn('text', { x: width - right, y: base + 17, 'text-anchor': 'end' }, `${figure(Math.max(...all))} ms`));
    return svg;
  }

  // ---- Roofline ----

  const SHAPES = [
    (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`,
    (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
    (r) => `M0 ${-1.25 * r}L${1.2 * r} ${0.9 * r}H${-1.2 * r}Z`,
    (r) => `M0 ${-1.35 * r}L${1.35 * r} 0L0 ${1.35 * r}L${-1.35 * r} 0Z`,
    (r) => `M0 ${1.25 * r}L${1.2 * r} ${-0.9 * r}H${-1.2 * r}Z`,
    (r) => `M${-1.3 * r} ${-0.45 * r}H${-0.45 * r}V${-1.3 * r}H${0.45 * r}V${-0.45 * r}H${1.3 * r}V${0.45 * r}H${0.45 * r}V${1.3 * r}H${-0.45 * r}V${0.45 * r}H${-1.3 * r}Z`,
  ];
  const passes = [...new Set(rows.map((row) => row.pass))]
    .sort((a, b) => ['backward', 'forward'].indexOf(b) - ['backward', 'forward'].indexOf(a));
  const shape = (pass, radius) => SHAPES[passes.indexOf(pass) % SHAPES.length](radius);

  function seriesKeys(visible) {
    return series.map((one, i) => ({ one, i })).filter(({ i }) => visible.has(i)).map(({ one, i }) => {
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
    if (still) missing.push(`${counted(still, 'row that only moves or compares elements has', 'rows that only move or compare elements have')} no operations to count and ${still === 1 ? 'is' : 'are'} not shown here.`);
    if (unmeasured) missing.push(`${counted(unmeasured, 'row has', 'rows have')} no times.`);
    $('#roofline .missing').textContent = missing.join(' ');

    const width = Math.max(300, plot.clientWidth);
    const height = width < 600 ? 400 : Math.min(620, width * 0.48);
    const edge = { left: 54, right: 14, top: 14, bottom: 46 };
    const peaksOf = (one) => [one.peaks.f32_fma, one.peaks.f16_fma].filter(Boolean);
    const speeds = points.map((row) => row.gflops).concat(roofs.flatMap(peaksOf));
    const ridges = roofs.flatMap((one) => ['read', 'copy'].filter((kind) => one.peaks[kind] && one.peaks.f32_fma)
      .map((kind) => one.peaks.f32_fma / one.peaks[kind]));
    const intensities = points.map((row) => row.intensity).concat(ridges);
    marks = [];
    plot.replaceChildren();
    const keys = seriesKeys(present);
    for (const pass of passes) keys.push(markKey(shape(pass, 5), true, pass));
    keys.push(markKey(shape(passes[0], 5), false, 'hollow: not the chosen algorithm'), lineKey('', 'f32 multiply-adds, reading'));
    if (roofs.some((one) => one.peaks.copy)) keys.push(lineKey('copy', 'copying'));
    if (roofs.some((one) => one.peaks.f16_fma)) keys.push(lineKey('f16', 'f16 multiply-adds'));
    $('#roofline .legend').replaceChildren(...keys);
    if (!points.length) {
      plot.append(element('p', { class: 'hint' }, 'Nothing to plot among these rows.'));
      return;
    }
    const [xFrom, xTo] = [Math.min(...intensities) / 1.6, Math.max(...intensities) * 1.9];
    const [yFrom, yTo] = [Math.min(...speeds) / 1.6, Math.max(...speeds) * 1.9];
    const scale = (from, to, start, end) => (value) => start + Math.log(value / from) / Math.log(to / from) * (end - start);
    const x = scale(xFrom, xTo, edge.left, width - edge.right);
    const y = scale(yFrom, yTo, height - edge.bottom, edge.top);

    const svg = drawn('svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img',
      'aria-label': `Roofline of ${points.length} rows; the table below has the same numbers` });
    const bottom = height - edge.bottom;
    for (const value of minorTicks(xFrom, xTo)) svg.append(drawn('line', { class: 'minor', x1: x(value), x2: x(value), y1: edge.top, y2: bottom }));
    for (const value of minorTicks(yFrom, yTo)) svg.append(drawn('line', { class: 'minor', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }));
    for (const value of ticks(xFrom, xTo, width / 60)) {
      svg.append(drawn('line', { class: 'grid', x1: x(value), x2: x(value), y1: edge.top, y2: bottom }));
      svg.append(drawn('text', { x: x(value), y: bottom + 17, 'text-anchor': 'middle' }, tickLabel(value)));
    }
    for (const value of ticks(yFrom, yTo, height / 32)) {
      svg.append(drawn('line', { class: 'grid', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }));
      svg.append(drawn('text', { x: edge.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, tickLabel(value)));
    }
    svg.append(drawn('text', { class: 'title', x: (edge.left + width - edge.right) / 2, y: height - 8, 'text-anchor': 'middle' }, 'operations per byte'));
    svg.append(drawn('text', { class: 'title', x: 0, y: 0, 'text-anchor': 'middle', transform: `translate(13 ${(edge.top + bottom) / 2}) rotate(-90)` }, 'GFLOP/s'));

    const names = drawRoofs(svg, roofs, { x, y, xFrom, xTo, yFrom, right: width - edge.right });
    // Chosen ones lie on top.
    for (const row of [...points].sort((a, b) => a.chosen - b.chosen)) {
      const at = { x: x(row.intensity), y: y(row.gflops) };
      const path = drawn('path', { class: `mark ${colour(row)}${row.chosen ? ' filled' : ''}`, d: shape(row.pass, 4.5),
        transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})` });
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
      const lines = [['read', read], ['copy', copy]].filter(([, speed]) => speed);
      for (const [kind, speed] of lines) {
        // From where it enters the plot to the ridge.
        const start = Math.max(xFrom, yFrom / speed);
        const ridge = Math.min(xTo, peak / speed);
        if (start >= ridge) continue;
        svg.append(drawn('path', { class: `roof ${kind} s${one.i % COLOURS}`,
          d: `M${x(start)} ${y(start * speed)}L${x(ridge)} ${y(ridge * speed)}` }));
        const angle = Math.atan2(y(ridge * speed) - y(start * speed), x(ridge) - x(start)) * 180 / Math.PI;
        names.push({ one, text: `${kind} ${speedLabel(speed, 'B/s')}`, x: x(start) + 8, y: y(start * speed) - 12, angle });
      }
      const ridges = lines.map(([, speed]) => peak / speed);
      const from = ridges.length ? Math.max(xFrom, Math.min(...ridges)) : xFrom;
      for (const [kind, speed, name] of [['f32', peak, 'f32'], ['f16', half, 'f16']]) {
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
      return drawn('text', { class: `roof-name s${name.one.i % COLOURS}`, 'text-anchor': name.end ? 'end' : 'start',
        transform: `translate(${name.x} ${name.y}) rotate(${name.angle ?? 0})` }, text);
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
    gflops: { unit: 'GFLOP/s', of: (row, ms) => (row.flops ? row.flops * 1e-6 / ms : null) },
    gbytes: { unit: 'GB/s', of: (row, ms) => row.min_bytes * 1e-6 / ms },
    fraction: { unit: '%', of: (row, ms) => (row.bound ? 100 * row.bound.limit_ms / ms : null) },
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
    const longest = (members) => Math.max(0, ...members.flatMap((row) => (speed(row) === null ? []
      : [speed(row), metric.of(row, row.summary.lower_quartile), metric.of(row, row.summary.upper_quartile)])));
    const limits = (members) => members.map((row) => (row.bound ? metric.of(row, row.bound.limit_ms) : null)).filter((limit) => limit !== null);
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
      const sorted = [...members].sort((a, b) => order.indexOf(a.algorithm) - order.indexOf(b.algorithm) || a.series - b.series);
      const full = common || scaleOf(members);
      const lines = element('div');
      for (const row of sorted) lines.append(bar(row, metric, speed(row), full));
      const head = element('h3', {}, members[0].layer, element('span', {}, ` ${members[0].operation} ${members[0].pass}`));
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
    const quartiles = [row.summary.lower_quartile, row.summary.upper_quartile].map((ms) => metric.of(row, ms)).sort((a, b) => a - b);
    track.append(element('i', { class: 'whisker', style: `left:${share(quartiles[0])};width:${share(quartiles[1] - quartiles[0])}` }));
    if (row.bound) {
      const limit = metric.of(row, row.bound.limit_ms);
      if (limit !== null && limit <= full) track.append(element('i', { class: 'limit', style: `left:${share(limit)}` }));
      else if (limit !== null) track.append(element('i', { class: 'beyond' }, '›'));
    }
    line.append(track, element('span', { class: 'value' }, metric.unit === '%' ? percent(value / 100) : figure(value)));
    return line;
  }
  $('.controls', bars).addEventListener('change', drawBars);

  // ---- Start ----

  $$('#all-rows, .changes').forEach(makeSortable);
  showColumns();
  apply();
  let drawnWidth = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === drawnWidth) return;
    drawnWidth = plot.clientWidth;
    drawRoofline();
  }).observe(plot);
  window.addEventListener('beforeprint', () => {
    most = Infinity;
    drawBars();
  });
})();
