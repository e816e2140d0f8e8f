// Draws the charts of the report from the numbers in #data. No chart decides anything: every number comes from there.
(() => {
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const redraws = [];
let paper = false;  // on paper the page has another width and other colours than on the screen
const HUES = ['#c2255c', '#1c7ed6', '#2f9e44', '#e8590c', '#7950f2', '#0c8599', '#a0700a', '#868e96', '#e64980', '#4263eb',
  '#66a80f', '#b08968', '#15aabf', '#9c36b5', '#f08c00', '#495057', '#20c997', '#ff8787', '#5c7cfa', '#c0eb75'];
const DASHES = ['solid', 'solid', 'solid', 'solid', 'solid', 'solid', 'dash', 'dash', 'dash', 'dash', 'dash', 'dash'];
const hue = k => HUES[k % HUES.length];
// An action that is also a policy has its colour; the others come after all policies.
const others = data.actions.filter(name => !data.policies.includes(name));
const tint = name => hue(data.policies.includes(name) ? data.policies.indexOf(name)
  : data.policies.length + (others.includes(name) ? others.indexOf(name) : others.push(name) - 1));
const clear = (colour, alpha) => 'rgba(' + [1, 3, 5].map(k => parseInt(colour.slice(k, k + 2), 16)).join(',') + ',' + alpha + ')';
const unique = values => [...new Set(values)];
const task = text => text.replaceAll('~', ' · ');
const safe = text => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const element = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};

function plot(node, traces, {x = '', y = '', height = 340, label = '', ...more} = {}) {
  const ink = css('--soft'), grid = css('--grid');
  const axis = {gridcolor: grid, linecolor: grid, zeroline: false, automargin: true, tickfont: {color: ink}, fixedrange: true};
  const {xaxis = {}, yaxis = {}, ...rest} = more;
  const layout = {height, margin: {l: 52, r: 12, t: 10, b: 46}, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: {family: 'system-ui, sans-serif', size: 12, color: ink}, showlegend: false, hovermode: 'closest',
    hoverlabel: {font: {family: 'system-ui, sans-serif'}, namelength: 30},
    xaxis: {...axis, title: {text: x, standoff: 8}, ...xaxis}, yaxis: {...axis, title: {text: y, standoff: 8}, ...yaxis}, ...rest};
  node.setAttribute('role', 'img');
  node.setAttribute('aria-label', label || `${y} against ${x}`);
  if (paper) layout.width = node.closest('.multiples') ? 205 : 640;
  else layout.autosize = true;
  return Plotly.react(node, traces, layout, {displayModeBar: false, responsive: true});
}

// A box of choices; returns a function that tells what is chosen. With a single choice there is nothing to show.
function chooser(place, title, options, change) {
  const box = element('select'), label = element('label', title);
  for (const [value, text] of options) box.append(element('option', text, {value}));
  label.append(box);
  if (options.length > 1) place.append(label);
  box.addEventListener('change', change);
  const read = () => box.value;
  read.offer = fresh => {
    const before = box.value;
    box.replaceChildren(...fresh.map(([value, text]) => element('option', text, {value})));
    if (fresh.some(([value]) => value === before)) box.value = before;
    label.hidden = fresh.length < 2;
    if (fresh.length > 1 && !label.parentNode) place.append(label);
  };
  return read;
}

function section(id, build) {
  if (!$(id)) return;
  const draw = build($(id));
  redraws.push(draw);
  draw();
}

// Means over the tasks of each family, then over families; of a policy, or of its differences to another one. From as many
// families as a test needs the band is a t-interval over them, of fewer that of these very tasks over their seeds.
function average(lines, name, policy, rival) {
  const size = data.curves.points, ks = [...Array(size).keys()], families = new Map();
  const own = line => {
    const [values, halves] = line.scores[name][policy];
    if (rival === null) return [values, halves];
    const other = line.scores[name][rival][0];
    return [values.map((v, k) => v === null || other[k] === null ? null : v - other[k]), values.map(() => null)];
  };
  for (const line of lines) {
    const key = data.curves.pooled ? line.learner + '|' + line.regime : line.family;
    families.set(key, [...(families.get(key) || []), own(line)]);
  }
  const mean = values => values.some(v => v === null) ? null : values.reduce((a, b) => a + b, 0) / values.length;
  const joint = halves => halves.some(h => h === null) ? null : Math.sqrt(halves.reduce((a, h) => a + h * h, 0)) / halves.length;
  const members = [...families.values()];
  const each = members.map(pairs => ks.map(k => mean(pairs.map(pair => pair[0][k]))));
  const within = members.map(pairs => ks.map(k => joint(pairs.map(pair => pair[1][k]))));
  const over = !data.curves.pooled && each.length >= data.enough;
  const middle = ks.map(k => mean(each.map(values => values[k])));
  const half = middle.map((m, k) => {
    if (m === null) return null;
    if (!over) return joint(within.map(values => values[k]));
    const square = each.reduce((sum, values) => sum + (values[k] - m) ** 2, 0) / (each.length - 1);
    return data.curves.t[each.length - 2] * Math.sqrt(square / each.length);
  });
  return [middle, half, each.length, over];
}

section('curves', place => {
  const {lines, scores, points} = data.curves;
  const controls = place.querySelector('.controls'), chips = place.querySelector('.chips');
  const chart = place.querySelector('.chart'), note = place.querySelector('.said');
  const all = (key, words) => {
    const found = unique(lines.map(line => String(line[key])));
    return found.length > 1 ? [['', words], ...found.map(v => [v, v])] : found.map(v => [v, v]);
  };
  const change = () => draw();
  const score = chooser(controls, 'score', scores.map(s => [s.name, s.words]), change);
  const less = chooser(controls, 'shown', [['', 'as it is'], ...data.policies.map((name, k) => [k, 'difference to ' + name])].slice(0, data.policies.length > 1 ? undefined : 1), change);
  const wanted = {};
  for (const [key, title] of [['data', 'data set'], ['learner', 'learner'], ['regime', 'regime'], ['batch', 'batch']])
    wanted[key] = chooser(controls, title, all(key, 'all (mean)'), change);
  const shown = data.policies.map((_, k) => k < 7);
  data.policies.forEach((name, k) => {
    const chip = element('button', null, {type: 'button', 'aria-pressed': shown[k]});
    chip.append(element('i', null, {style: `background:${hue(k)}`}), element('span', name, {style: 'all:unset'}));
    chip.addEventListener('click', () => { shown[k] = !shown[k]; chip.setAttribute('aria-pressed', shown[k]); draw(); });
    chips.append(chip);
  });
  function draw() {
    const about = scores.find(s => s.name === score());
    const found = lines.filter(line => about.name in line.scores &&
      Object.entries(wanted).every(([key, read]) => read() === '' || String(line[key]) === read()));
    if (!found.length || (!about.averaged && unique(found.map(line => line.data)).length > 1)) {
      Plotly.purge(chart); chart.replaceChildren();
      note.textContent = found.length ? `${about.words} is in the unit of each data set: choose one.`
        : 'No task of this evaluation is all of that.';
      return;
    }
    const single = found.length === 1 && !data.curves.pooled;
    const [start, end] = single ? found[0].span : [0, 100];
    const x = [...Array(points).keys()].map(k => +(start + (end - start) * k / (points - 1)).toFixed(2));
    const factor = about.factor / about.scale, bands = [], curves = [];
    const rival = less() === '' ? null : +less();
    let count = 0, over = false;
    data.policies.map((_, k) => k).reverse().forEach(k => {
      if (!shown[k]) return;
      let mean, half;
      [mean, half, count, over] = average(found, about.name, k, rival);
      // No share is below nought or above one, whatever a symmetric interval says.
      const held = v => about.unit === '%' && rival === null ? Math.min(Math.max(v, 0), about.scale) : v;
      const show = (v, h) => v === null || h === null ? null : +(held(v + h) * factor).toFixed(about.digits + 1);
      const inside = x.map((_, i) => i).filter(i => mean[i] !== null && half[i] !== null);
      if (inside.length) bands.push({x: [...inside, ...inside.slice().reverse()].map(i => x[i]),
        y: [...inside.map(i => show(mean[i], half[i])), ...inside.slice().reverse().map(i => show(mean[i], -half[i]))],
        fill: 'toself', fillcolor: clear(hue(k), Math.max(.05, Math.min(.14, .4 / shown.filter(Boolean).length))), line: {width: 0}, hoverinfo: 'skip', type: 'scatter', mode: 'lines'});
      curves.push({x, y: mean.map(v => show(v, 0)), name: safe(data.policies[k]), type: 'scatter', mode: 'lines',
        line: {color: hue(k), width: k === 0 ? 3.4 : 1.8, dash: DASHES[k % DASHES.length]}});
    });
    plot(chart, [...bands, ...curves], {x: single ? 'labels' : 'share of the labels to spend, %', y: rival === null ? about.axis : `difference in ${about.words}, ${about.unit === '%' ? 'pp' : 'as scored'}`, height: 400});
    const band = !bands.length ? 'No band: there is no spread to tell it from.' : over ? 'Band: 95 % interval of the mean over families.'
      : data.curves.pooled ? 'Band: 95 % interval of the means shown.' : 'Band: 95 % interval of the mean over the seeds of these tasks; of other data it says nothing.';
    note.textContent = (single ? `${task([found[0].data, found[0].learner, found[0].regime].join('~'))}, batches of ${found[0].batch}, `
      + `${found[0].seeds} ${found[0].seeds === 1 ? 'seed' : 'seeds'}. `
      : `Mean over ${found.length} ${data.curves.pooled ? 'groups' : found.length === 1 ? 'task' : 'tasks'}`
      + (data.curves.pooled ? '. ' : ` of ${count} ${count === 1 ? 'family' : 'families'}. `)) + band;
  }
  return draw;
});

section('front', place => {
  const controls = place.querySelector('.controls'), chart = place.querySelector('.chart'), note = place.querySelector('.said'), chips = place.querySelector('.chips');
  const change = () => draw();
  const name = key => [key, data.front.titles[key]];
  const x = chooser(controls, 'across', data.front.x.map(name), change);
  const y = chooser(controls, 'up', data.front.y.map(name), change);
  function draw() {
    const found = data.front.pairs[x() + '|' + y()], known = found.filter(p => p.x !== null && p.y !== null);
    const lost = found.filter(p => p.x === null || p.y === null).map(p => p.policy);
    const most = Math.max(...known.map(p => p.x)), least = Math.min(...known.map(p => p.x));
    const log = least > 0 && most / least > 12;
    const colour = p => hue(data.policies.indexOf(p.policy));
    const front = known.filter(p => p.front).sort((a, b) => a.x - b.x);
    const places = labelled(known, log, chart.clientWidth - 90);
    const traces = [
      {x: front.map(p => p.x), y: front.map(p => p.y), type: 'scatter', mode: 'lines', hoverinfo: 'skip', line: {color: css('--soft'), dash: 'dot', width: 1.5}},
      {x: known.map(p => p.x), y: known.map(p => p.y), type: 'scatter', mode: 'markers+text', cliponaxis: false,
        text: known.map((p, k) => places[k] ? '\u2002' + safe(p.policy) + '\u2002' : ''), customdata: known.map(p => safe(p.policy)),
        textposition: known.map((_, k) => places[k] || 'top center'), textfont: {color: css('--ink')},
        hovertemplate: '%{customdata}<br>%{x}<br>%{y}<extra></extra>',
        marker: {size: 12, color: known.map(p => p.front ? colour(p) : css('--paper')), line: {color: known.map(colour), width: 2.5}}}];
    chips.replaceChildren(...known.map(p => {
      const chip = element('span');
      chip.append(element('i', null, {style: `background:${colour(p)}`}), p.policy);
      return chip;
    }));
    if (known.length) plot(chart, traces, {x: data.front.titles[x()], y: data.front.titles[y()], height: 380, margin: {l: 52, r: 30, t: 20, b: 46},
      xaxis: {type: log ? 'log' : 'linear', ...(log ? {dtick: 1} : {}), range: padded(least, most, log)}});
    else { Plotly.purge(chart); chart.replaceChildren(); }
    note.textContent = (lost.length ? `Not drawn, since most runs did not reach the target: ${lost.join(', ')}. ` : '')
      + (known.length ? `On the front (no other policy is better on both): ${front.map(p => p.policy).join(', ')}.` : '');
  }
  // Names are written where they meet no other name and no point; the others are in the legend.
  function labelled(points, log, width) {
    const across = points.map(p => log ? Math.log10(p.x) : p.x), ends = [Math.min(...across), Math.max(...across)];
    const ups = points.map(p => p.y), span = [Math.min(...ups), Math.max(...ups)], height = 310;
    const at = points.map((p, k) => [(across[k] - ends[0]) / (ends[1] - ends[0] || 1) * .8 * width + .1 * width,
      height - (ups[k] - span[0]) / (span[1] - span[0] || 1) * .9 * height]);
    const taken = at.map(([x, y]) => [x - 7, y - 7, x + 7, y + 7]);
    const meets = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
    return points.map((p, k) => {
      const [x, y] = at[k], size = 7.2 * p.policy.length + 12;
      const boxes = {'middle right': [x + 8, y - 8, x + 8 + size, y + 8], 'middle left': [x - 8 - size, y - 8, x - 8, y + 8],
        'top center': [x - size / 2, y - 24, x + size / 2, y - 8], 'bottom center': [x - size / 2, y + 8, x + size / 2, y + 24]};
      for (const [place, box] of Object.entries(boxes)) {
        if (box[0] < 0 || box[2] > width + 40 || taken.some((other, i) => i !== k && meets(box, other))) continue;
        taken.push(box);
        return place;
      }
      return '';
    });
  }
  function padded(least, most, log) {
    if (log) { const a = Math.log10(least), b = Math.log10(most), gap = (b - a) * .12; return [a - gap, b + gap]; }
    const gap = (most - least) * .12 || Math.abs(most) * .1 || 1;
    return [Math.min(least - gap, least), most + gap];
  }
  return draw;
});

section('timeline', place => {
  const chart = place.querySelector('.chart'), chips = place.querySelector('.chips'), controls = place.querySelector('.controls');
  const names = Object.keys(data.shares);
  const policy = chooser(controls, 'policy', names.map(n => [n, n]), () => draw());
  function draw() {
    const found = data.shares[policy() || names[0]];
    chips.replaceChildren(...found.actions.map(name => {
      const chip = element('span');
      chip.append(element('i', null, {style: `background:${tint(name)}`}), name);
      return chip;
    }));
    plot(chart, found.actions.map((name, k) => ({x: found.loops, y: found.shares[k], name, type: 'bar',
      customdata: found.runs, hovertemplate: '%{y:.0f} % of %{customdata} runs<extra>' + safe(name) + '</extra>',
      marker: {color: tint(name)}})),
      {x: 'loop', y: '% of runs', barmode: 'stack', bargap: .12, height: 300, yaxis: {range: [0, 100]}, xaxis: {dtick: found.loops.length > 25 ? 5 : found.loops.length > 12 ? 2 : 1}});
  }
  return draw;
});

section('runs', place => {
  const {runs, texts, about, groups} = data.runs;
  const controls = place.querySelector('.controls'), more = place.querySelector('.controls.more');
  const chips = place.querySelector('.chips'), chart = place.querySelector('.chart');
  const multiples = place.querySelector('.multiples'), reasons = place.querySelector('tbody'), words = place.querySelector('.said');
  const policy = chooser(controls, 'policy', unique(runs.map(r => r.policy)).map(n => [n, n]), () => { offer(); draw(); });
  const which = chooser(controls, 'task', [], () => { offer(); draw(); });
  const cell = chooser(controls, 'seed', [], () => draw());
  const group = chooser(more, 'series', groups.map(g => [g.name, `${g.name}: ${g.words}`]), () => draw());
  function offer() {
    const own = runs.filter(r => r.policy === policy());
    which.offer(unique(own.map(r => r.task)).map(t => [t, task(t)]));
    cell.offer(own.filter(r => r.task === which()).map(r => [r.cell, task(r.cell)]));
  }
  offer();
  function draw() {
    const run = runs.find(r => r.policy === policy() && r.task === which() && r.cell === cell());
    const name = i => run.action[i] === null || run.action[i] === undefined ? null : texts[run.action[i]];
    const done = run.loops.map((_, i) => i).filter(i => name(i) !== null), actions = unique(done.map(name));
    chips.replaceChildren(...actions.map(action => {
      const chip = element('span');
      chip.append(element('i', null, {style: `background:${tint(action)}`}), action);
      return chip;
    }));
    const main = data.scores[run.main], scale = main.factor;
    const line = (values, title, extra) => ({x: run.labels, y: values.map(v => v === null ? null : +(v * scale).toFixed(3)), name: title, type: 'scatter', ...extra});
    const traces = [line(run.score, 'test', {mode: 'lines+markers', line: {color: css('--accent'), width: 2.5}, marker: {size: 6},
      text: run.loops.map((_, i) => name(i) === null ? 'end' : safe(name(i))), hovertemplate: '%{x} labels: %{y}<br>then %{text}<extra></extra>'})];
    // One block a loop, from its labels to those of the next one.
    const blocks = done.map(i => ({type: 'rect', xref: 'x', yref: 'paper', x0: run.labels[i], x1: run.labels[i + 1] ?? run.labels[i] + 1,
      y0: 1.03, y1: 1.12, fillcolor: tint(name(i)), line: {width: 1, color: css('--paper')}}));
    if (run.guide) traces.unshift(line(run.guide, 'guide', {mode: 'lines', line: {color: css('--soft'), dash: 'dot', width: 1.5}}));
    plot(chart, traces, {x: 'labels', y: main.axis.replace('test ', ''), height: 290, shapes: blocks, margin: {l: 52, r: 12, t: 40, b: 46}});
    words.textContent = 'Line: test score' + (run.guide ? '; dotted: score on the guide split' : '') + '. The strip above has one block a loop, in the colour of what was done.';
    const chosen = groups.find(g => g.name === group());
    const there = chosen ? chosen.series.filter(s => s in run.series) : [];
    multiples.replaceChildren();
    for (const s of there) {
      const figure = element('figure'), caption = element('figcaption', s), box = element('div', null, {class: 'chart'});
      caption.append(element('small', about[s].meaning + (about[s].unit ? ` (${about[s].unit})` : '')));
      figure.append(caption, box); multiples.append(figure);
      plot(box, [{x: run.labels, y: run.series[s], type: 'scatter', mode: 'lines+markers', line: {color: hue(1), width: 1.8}, marker: {size: 4}}],
        {x: '', y: '', height: 120, label: s, margin: {l: 40, r: 8, t: 6, b: 22}, xaxis: {nticks: 4}, yaxis: {nticks: 4}});
    }
    if (!there.length) multiples.append(element('p', groups.length ? 'This run has no changing series of this group.' : 'The runs were read without their series.', {class: 'soft'}));
    const gains = run.series['decision.advantage'] || [];
    reasons.replaceChildren(...done.map(i => {
      const row = element('tr'), gain = gains[i];
      row.append(element('th', run.loops[i]), element('td', +(run.labels[i] ?? NaN).toFixed(1)), element('td', run.score[i] === null ? '–' : (run.score[i] * scale).toFixed(main.digits)),
        element('td', name(i), {class: 'words'}), element('td', gain === null || gain === undefined ? '–' : (gain > 0 ? '+' : gain < 0 ? '−' : '') + Math.abs(100 * gain).toFixed(2)),
        element('td', run.reason[i] === null || run.reason[i] === undefined ? '' : texts[run.reason[i]], {class: 'words'}));
      return row;
    }));
  }
  return draw;
});

section('calibration', place => {
  const controls = place.querySelector('.controls'), chart = place.querySelector('.chart');
  const found = data.calibration;
  const policy = chooser(controls, 'policy', found.map(c => [c.policy, c.policy]), () => draw());
  function draw() {
    const own = found.find(c => c.policy === policy()) || found[0], bins = own.bins;
    if (!bins.length) return;
    const ends = [Math.min(0, ...bins.map(b => b[0])), Math.max(...bins.map(b => b[0]))];
    plot(chart, [
      {x: ends, y: own.absolute ? ends : [0, 0], type: 'scatter', mode: 'lines', hoverinfo: 'skip', line: {color: css('--soft'), dash: 'dash', width: 1}},
      {x: bins.map(b => b[0]), y: bins.map(b => b[1]), customdata: bins.map(b => b[4]), type: 'scatter', mode: 'markers',
        hovertemplate: 'predicted %{x:.2f}<br>came %{y:.2f}<br>%{customdata} decisions<extra></extra>',
        error_y: {type: 'data', symmetric: false, array: bins.map(b => b[3] - b[1]), arrayminus: bins.map(b => b[1] - b[2]), color: css('--accent'), thickness: 1.5},
        marker: {size: 9, color: css('--accent')}}],
      {x: `gain predicted, ${data.point}`, y: own.absolute ? `gain that came, ${data.point}` : `gain over its loop's mean, ${data.point}`, height: 320});
  }
  return draw;
});

const again = () => redraws.forEach(draw => draw());
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
matchMedia('print').addEventListener('change', event => { paper = event.matches; again(); });
addEventListener('load', () => document.querySelectorAll('.js-plotly-plot').forEach(node => Plotly.Plots.resize(node)));
})();
