'use strict';
// Attention of one head in the chosen sequence: arcs from one token to those it attends to most.

const Context = {
  heads: null, // what is stored for the chosen sequence, its weights as bytes
  query: 0, // number of the token the arcs start from; 0 is [CLS]
  arcs: [], // [{token, weight, mark}], strongest first
  current: -1, // the arc pointed at
  height: 240,

  start() {
    for (const id of ['layer', 'head', 'cutoff']) {
      Page.byId(id).addEventListener('input', () => Context.draw());
    }
    Page.byId('cls').addEventListener('click', () => Context.askToken(0));
    Page.onWidth(Page.byId('context-section'), () => Context.draw());
  },

  // Another sequence was chosen.
  show() {
    const {attention, sequences} = Viz.data;
    const stored = attention[Viz.selected];
    Page.byId('context-content').hidden = !stored;
    Page.byId('context-missing').hidden = Boolean(stored);
    Context.heads = stored ? Context.decoded(stored) : null;
    Context.query = 0;
    if (stored) {
      Context.fill('layer', stored.layers, stored.layers.length - 1);
      Context.fill('head', Array.from({length: stored.heads}, (_, head) => head), 0);
      Context.draw();
      return;
    }
    const links = Object.keys(attention).slice(0, 10).flatMap((index) => {
      const name = Page.shortened(sequences[index].name, 40);
      const button = Page.element('button', {type: 'button'}, name);
      button.addEventListener('click', () => Viz.select(Number(index)));
      return [button, ' '];
    });
    Page.byId('context-missing').replaceChildren(
      'The attention of this sequence is not in the page; it is there for ', ...links);
  },

  decoded(stored) {
    const weights = Uint8Array.from(atob(stored.weights), (letter) => letter.charCodeAt(0));
    return {...stored, weights};
  },

  // Keep what was chosen where it is still there.
  fill(id, numbers, preset) {
    const chooser = Page.byId(id);
    const before = chooser.value;
    chooser.replaceChildren(...numbers.map((number, index) =>
      Page.element('option', {value: index}, String(number))));
    chooser.value = before !== '' && Number(before) < numbers.length ? before : String(preset);
  },

  chosen(id) {
    return Page.byId(id).selectedOptions[0].textContent;
  },

  // Weights of the tokens for the one asked from.
  row() {
    const {tokens, heads, scale, weights} = Context.heads;
    const n = tokens.length;
    const layer = Number(Page.byId('layer').value);
    const head = Number(Page.byId('head').value);
    const row = (layer * heads + head) * n + Context.query;
    return Array.from(weights.subarray(row * n, (row + 1) * n), (step) => step * scale[row]);
  },

  // Ask from the token whose middle lies nearest to a base it covers.
  askFrom(position) {
    if (!Context.heads) return;
    const {tokens, starts} = Context.heads;
    let best = null, bestDistance = Infinity;
    starts.forEach((start, token) => {
      const end = start + tokens[token].length;
      const distance = Math.abs((start + end - 1) / 2 - position);
      if (start >= 0 && start <= position && position < end && distance < bestDistance) {
        [best, bestDistance] = [token, distance];
      }
    });
    if (best !== null) Context.askToken(best);
  },

  askToken(token) {
    Context.query = Page.clamp(token, 0, Context.heads.tokens.length - 1);
    Context.draw();
    Context.tell();
  },

  tell() {
    Page.announce(`arcs from ${Context.tokenText(Context.query)}: ${Context.arcs.length}`);
  },

  tokenText(token) {
    const {tokens, starts} = Context.heads;
    return starts[token] < 0 ? tokens[token] : `${tokens[token]} at ${starts[token]}`;
  },

  // Middle of a token; special ones stand before and after the sequence.
  x(token) {
    const {tokens, starts} = Context.heads;
    if (starts[token] < 0) return token === 0 ? 24 : Context.width - 24;
    return Context.baseX(starts[token] + (tokens[token].length - 1) / 2);
  },

  baseX(position) {
    const left = 52, right = Context.width - 52;
    return left + ((position + 0.5) / Viz.sequence().sequence.length) * (right - left);
  },

  draw() {
    const figure = Page.byId('context');
    if (!Context.heads || figure.clientWidth === 0) return;
    Context.width = Math.floor(figure.clientWidth);
    const row = Context.row();
    const strongest = Math.max(...row);
    const cutoff = (Number(Page.byId('cutoff').value) / 100) * strongest;
    const chosen = row.map((weight, token) => ({token, weight}))
      .filter(({weight}) => weight > 0 && weight >= cutoff)
      .sort((a, b) => b.weight - a.weight || a.token - b.token);
    const svg = Page.drawn('svg', {
      width: Context.width, height: Context.height, viewBox: `0 0 ${Context.width} ${Context.height}`,
      class: 'pointable', tabindex: 0, role: 'application', 'font-size': 11, 'text-anchor': 'middle',
      'aria-label': 'Arcs of attention. Left and right keys choose the k-mer, up and down the arc.',
    });
    Context.drawTrack(svg);
    Context.arcs = chosen.map((arc) => ({...arc, mark: Context.arc(arc, strongest)}));
    svg.append(...Context.arcs.map(({mark}) => mark).reverse()); // the strongest on top
    Context.label = Page.drawn('text', {y: 12});
    svg.append(Context.label);
    Context.current = -1;
    Context.listen(svg);
    const hadFocus = figure.contains(document.activeElement);
    figure.replaceChildren(svg);
    if (hadFocus) svg.focus();
    figure.dataset.arcs = Context.arcs.length;
    figure.dataset.query = Context.query;
    Page.byId('cutoff-text').textContent =
      `${Page.byId('cutoff').value} % of the strongest weight (${Page.number(cutoff)})`;
    Page.byId('context-query').textContent =
      `Layer ${Context.chosen('layer')}, head ${Context.chosen('head')}, ` +
      `from ${Context.tokenText(Context.query)}: ${Context.arcs.length} of ${row.length} weights drawn, ` +
      `the strongest ${Page.number(strongest)}.`;
    Context.drawTable(row);
  },

  // The bases, the token asked from and the special ones.
  drawTrack(svg) {
    const {tokens, starts} = Context.heads;
    const {sequence} = Viz.sequence();
    const y = Context.height - 40;
    const cell = Context.baseX(1) - Context.baseX(0);
    const inks = {A: '#009e73', C: '#0072b2', G: '#e69f00', T: '#d55e00'};
    Array.from(sequence).forEach((base, position) => {
      const x = Context.baseX(position);
      const colour = inks[base.toUpperCase()] ?? '#777';
      svg.append(cell >= 8
        ? Page.drawn('text', {x, y: y + 12, fill: colour, 'font-weight': 600}, base)
        : Page.drawn('rect', {x: x - cell / 2, y: y + 2, width: cell, height: 12, fill: colour}));
    });
    if (cell < 8) {
      const patches = Object.entries(inks).map(([base, colour]) =>
        Page.drawn('tspan', {fill: colour, 'font-weight': 700}, `${base} `));
      svg.append(Page.drawn('text', {x: Context.width - 30, y: 12}, ...patches));
    }
    for (const tick of Page.ticks(0, sequence.length - 1, Context.width / 90)) {
      svg.append(Page.drawn('text', {x: Context.baseX(tick), y: y + 32}, String(tick)));
      svg.append(Page.drawn('path', {d: `M${Context.baseX(tick)} ${y + 16}v4`, stroke: '#777'}));
    }
    starts.forEach((start, token) => {
      if (start < 0) svg.append(Page.drawn('text', {x: Context.x(token), y: y + 12}, tokens[token]));
    });
    const start = starts[Context.query];
    const width = start < 0 ? 40 : Math.max(4, cell * tokens[Context.query].length);
    svg.append(Page.drawn('rect', {
      x: Context.x(Context.query) - width / 2, y, width, height: 16, fill: 'none', stroke: '#000',
      'stroke-width': 2}));
  },

  arc({token, weight}, strongest) {
    const share = weight / strongest;
    const from = Context.x(Context.query), to = Context.x(token);
    const y = Context.height - 42;
    const look = {
      fill: 'none', stroke: '#0072b2', 'stroke-opacity': 0.25 + 0.7 * share,
      'stroke-width': 0.75 + 4 * share, 'data-token': token,
    };
    if (token === Context.query) {
      return Page.drawn('circle', {cx: from, cy: y - 8, r: 7, ...look});
    }
    // A curve reaches three quarters of the height of its two handles.
    const rise = Math.min(1, 0.15 + Math.abs(to - from) / (0.75 * Context.width)) * (y - 22) / 0.75;
    return Page.drawn('path', {d: `M${from} ${y}C${from} ${y - rise} ${to} ${y - rise} ${to} ${y}`, ...look});
  },

  drawTable(row) {
    const {tokens, starts} = Context.heads;
    const strongest = row.map((weight, token) => ({token, weight}))
      .sort((a, b) => b.weight - a.weight || a.token - b.token).slice(0, 20);
    Page.byId('context-body').replaceChildren(...strongest.map(({token, weight}) =>
      Page.element('tr', {}, Page.element('td', {}, tokens[token]),
        Page.element('td', {class: 'number'}, starts[token] < 0 ? '-' : String(starts[token])),
        Page.element('td', {class: 'number'}, Page.number(weight)))));
  },

  // Point at an arc: it turns vermilion, and what it joins is told.
  pointAt(index) {
    if (Context.arcs[Context.current]) {
      Context.arcs[Context.current].mark.setAttribute('stroke', '#0072b2');
    }
    Context.current = Page.clamp(index, 0, Context.arcs.length - 1);
    const arc = Context.arcs[Context.current];
    if (!arc) return;
    arc.mark.setAttribute('stroke', '#d55e00');
    arc.mark.parentNode.insertBefore(arc.mark, Context.label);
    const text = `${Context.tokenText(Context.query)} → ${Context.tokenText(arc.token)}: ` +
      `weight ${Page.number(arc.weight)}`;
    Context.label.textContent = text;
    Context.label.setAttribute('x', Page.clamp(
      (Context.x(Context.query) + Context.x(arc.token)) / 2, 130, Context.width - 150));
    Page.announce(`${text} (${Context.current + 1} of ${Context.arcs.length} arcs)`);
  },

  listen(svg) {
    svg.addEventListener('pointerover', (event) => {
      const token = event.target.dataset?.token;
      if (token === undefined) return;
      Context.pointAt(Context.arcs.findIndex((arc) => arc.token === Number(token)));
    });
    svg.addEventListener('click', (event) => {
      const frame = svg.getBoundingClientRect();
      const x = ((event.clientX - frame.left) * Context.width) / frame.width;
      const y = event.clientY - frame.top;
      if (y < Context.height - 44) return;
      const length = Viz.sequence().sequence.length;
      const [first, last] = [Context.baseX(-0.5), Context.baseX(length - 0.5)];
      if (x < first) Context.askToken(0);
      else if (x >= last) Context.askToken(Context.heads.tokens.length - 1);
      else Context.askFrom(Math.floor(((x - first) / (last - first)) * length));
    });
    svg.addEventListener('focus', () => Context.tell());
    svg.addEventListener('keydown', (event) => {
      const actions = {
        ArrowLeft: () => Context.askToken(Context.query - 1),
        ArrowRight: () => Context.askToken(Context.query + 1),
        Home: () => Context.askToken(0),
        End: () => Context.askToken(Context.heads.tokens.length - 1),
        ArrowDown: () => Context.pointAt(Context.current + 1),
        ArrowUp: () => Context.pointAt(Context.current - 1),
      };
      if (!(event.key in actions)) return;
      actions[event.key]();
      event.preventDefault();
    });
  },
};
