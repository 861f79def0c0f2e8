// Sorting, filters and plots over the page's own tables and data. Computes no verdicts and no speeds.
'use strict';
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
const errorFigure = (error) => (error === 0 || error >= 1e-3 ? figure(error) : error.toExponential(2));
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
const hideTip = () => {
  tip.hidden = true;
};
document.addEventListener('scroll', hideTip, true);

function describe(row) {
  const lines = [`${row.layer}, ${row.pass}`, `${row.algorithm}${row.chosen ? ' (chosen)' : ''}, ${row.operation}`];
  if (series.length > 1) lines.push(`${seriesOf(row).tag}: ${seriesOf(row).label}`);
  if (row.summary) {
    const { lower_quartile, median, upper_quartile } = row.summary;
    lines.push(`${figure(median)} ms, quartiles ${figure(lower_quartile)} to ${figure(upper_quartile)}`);
    const speeds = [];
    if (row.gflops !== null) speeds.push(`${figure(row.gflops)} GFLOP/s`);
    if (row.gbytes !== null) speeds.push(`${figure(row.gbytes)} GB/s`);
    lines.push(speeds.join(', '));
    if (row.bound)
      lines.push(`${percent(row.bound.fraction)} of the limit by ${row.bound.side}, ${figure(row.bound.limit_ms)} ms`);
  } else {
    lines.push(row.message ? `${row.status}: ${row.message}` : row.status);
  }
  if (row.error !== null) lines.push(`error ${errorFigure(row.error)} of its tolerance`);
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
const words = rows.map((row) =>
  [row.layer, row.operation, row.pass, row.algorithm, row.message ?? '', seriesOf(row).label].join(' ').toLowerCase(),
);
let shown = rows.map(() => true);

const table = $('#all-rows');
const tableRows = $$('tbody tr', table);
const changes = $$('.changes tbody tr').map((line) => ({ line, numbers: line.dataset.rows.split(' ').map(Number) }));

function apply() {
  const wanted = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = rows.map(
    (row, i) =>
      wanted.every((word) => words[i].includes(word)) &&
      Object.entries(fields).every(([name, of]) => !form.elements[name].value || of(row) === form.elements[name].value),
  );
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
      for (const other of $$('.counts button', section))
        other.setAttribute('aria-pressed', String(other === button && pressed));
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
  return typeof a === 'number' && typeof b === 'number'
    ? a - b
    : String(a).localeCompare(String(b), 'en', { numeric: true });
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
  const button = element('button', {
    type: 'button',
    class: 'expand',
    'aria-expanded': 'false',
    'aria-label': `Samples and problem of ${row.layer}`,
  });
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

function samplesOf(row) {
  if (!row.summary) return `${row.status}${row.message ? `: ${row.message}` : ''}`;
  const samples = row.rounds.reduce((sum, round) => sum + round.length, 0);
  return [
    `${counted(samples, 'sample', 'samples')} in ${counted(row.rounds.length, 'round', 'rounds')}, `,
    `each of ${counted(row.repeats, 'execution', 'executions')}; `,
    `${counted(row.buffer_sets, 'set', 'sets')} of buffers in turn`,
  ].join('');
}

function detail(row, span) {
  const box = element('div', { class: 'detail-box' });
  const left = element('div', {}, element('h4', {}, samplesOf(row)));
  if (row.summary) left.append(strip(row));
  const [macs, bytes] = [row.macs, row.min_bytes].map((count) => count.toLocaleString('en'));
  const costs = `${macs} multiply-adds, ${bytes} bytes at least, ${figure(row.intensity)} operations per byte`;
  left.append(element('p', { class: 'hint' }, costs));
  const right = element(
    'div',
    {},
    element('h4', {}, 'Problem'),
    element('pre', { tabindex: '0' }, pretty(problems[row.problem])),
  );
  box.append(left, right);
  const cell = element('td', { colspan: span });
  cell.append(box);
  const line = element('tr', { class: 'detail' });
  line.append(cell);
  return line;
}

// A field on each line, and lists of numbers on one.
function pretty(problem) {
  const flat = (text) =>
    text.replace(/\[\s+([^{}]*?)\s+\]/g, (list) => list.replace(/\s+/g, ' ').replace(/\[ /g, '[').replace(/ \]/g, ']'));
  return flat(JSON.stringify(problem, null, 2));
}

// Every sample, a line for each round.
function strip(row) {
  const width = 460,
    left = 66,
    right = 14,
    step = 20,
    top = 6;
  const height = top + step * row.rounds.length + 24;
  const { lower_quartile: low, median, upper_quartile: high } = row.summary;
  const all = row.rounds.flat();
  let [from, to] = [Math.min(...all), Math.max(...all)];
  const margin = (to - from) * 0.04 || from * 0.02;
  [from, to] = [from - margin, to + margin];
  const x = (value) => left + ((value - from) / (to - from)) * (width - left - right);
  const base = top + step * row.rounds.length;
  const svg = drawn('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': 'Samples by round',
    style: `max-width:${width}px`,
  });
  svg.append(
    drawn('rect', { class: 'box', x: x(low), y: top, width: Math.max(1, x(high) - x(low)), height: base - top }),
  );
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

// ---- Start ----

function start() {
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
}
