'use strict';
// The chosen sequence as letters: bars and shades of its scores, and changes by mutation below.

const Letters = {
  cell: 11, // width of a base
  left: 44, // room for the position at which a line begins
  barHeight: 34,
  letterHeight: 15,
  changeHeight: 9,

  start() {
    const {limit, isSigned, scoreLabel, mutationLimit} = Viz.data;
    const legend = Page.byId('sequence-legend');
    legend.append(Colours.legend(scoreLabel, limit, isSigned));
    if (mutationLimit !== null) {
      legend.append(Colours.legend('change', mutationLimit, true));
    }
    Page.onWidth(Page.byId('letters'), () => Letters.draw());
  },

  // How many bases a line holds, and how high its parts are.
  layout(width) {
    const fits = Math.floor((width - Letters.left - 4) / Letters.cell / 10) * 10;
    const perLine = Page.clamp(fits, 10, 100);
    const bars = Letters.barHeight * (Viz.data.isSigned ? 2 : 1);
    const changes = Viz.sequence().mutations ? 4 * Letters.changeHeight + 3 : 0;
    return {perLine, bars, changes, line: bars + Letters.letterHeight + changes + 14};
  },

  draw() {
    const figure = Page.byId('letters');
    if (figure.clientWidth === 0) return;
    const {sequence} = Viz.sequence();
    const box = Letters.box = Letters.layout(figure.clientWidth);
    const width = Letters.left + Math.min(box.perLine, sequence.length) * Letters.cell + 4;
    const height = Math.ceil(sequence.length / box.perLine) * box.line + 4;
    const svg = Page.drawn('svg', {
      width, height, viewBox: `0 0 ${width} ${height}`, class: 'pointable', tabindex: 0,
      role: 'application', 'font-size': 12, 'text-anchor': 'middle',
      'aria-label': 'Letters of the sequence with their scores. Arrow keys move from base to base.',
    });
    for (let first = 0; first < sequence.length; first += box.perLine) Letters.drawLine(svg, first);
    Letters.marker = Page.drawn('rect', {
      fill: 'none', stroke: '#e69f00', 'stroke-width': 2.5, width: Letters.cell, visibility: 'hidden'});
    svg.append(Letters.marker);
    Letters.listen(svg);
    figure.replaceChildren(svg);
  },

  drawLine(svg, first) {
    const {anchor, isSigned} = Viz.data;
    const {sequence} = Viz.sequence();
    const {box, cell, left} = Letters;
    const last = Math.min(sequence.length, first + box.perLine);
    const top = (first / box.perLine) * box.line + 2;
    const zero = top + Letters.barHeight;
    const baseline = top + box.bars + Letters.letterHeight - 3;
    svg.append(
      Page.drawn('text', {x: left - 6, y: baseline, 'text-anchor': 'end', fill: '#555'}, String(first)),
      Page.drawn('path', {d: `M${left} ${zero}h${(last - first) * cell}`, stroke: isSigned ? '#777' : '#ddd'}),
    );
    for (let position = first; position < last; position++) {
      Letters.drawBase(svg, position, left + (position - first) * cell, top);
    }
    if (box.changes) {
      ['A', 'C', 'G', 'T'].forEach((base, row) => {
        const y = top + box.bars + Letters.letterHeight + 10 + row * Letters.changeHeight;
        svg.append(Page.drawn('text', {x: left - 10, y, 'font-size': 8.5, fill: '#555'}, base));
      });
    }
    if (anchor !== null && anchor >= first && anchor < last) {
      const x = left + (anchor - first + 0.5) * cell;
      const y = top + box.line - 12;
      svg.append(Page.drawn('path', {d: `M${x} ${y}l4 7h-8z`}));
    }
  },

  drawBase(svg, position, x, top) {
    const {limit, isSigned, mutationLimit} = Viz.data;
    const {sequence, scores, mutations} = Viz.sequence();
    const {box, cell, barHeight, letterHeight, changeHeight} = Letters;
    const score = scores[position];
    const colour = Colours.of(score, limit, isSigned);
    const size = barHeight * Page.clamp(Math.abs(score ?? 0) / limit, 0, 1);
    const letterTop = top + box.bars;
    svg.append(
      Page.drawn('rect', {
        x: x + 1, width: cell - 2, y: top + barHeight - (score > 0 ? size : 0), height: size,
        fill: score < 0 ? '#0072b2' : isSigned ? '#d55e00' : '#0072b2',
      }),
      Page.drawn('rect', {
        x, width: cell, y: letterTop, height: letterHeight, fill: Colours.css(colour)}),
      Page.drawn('text', {
        x: x + cell / 2, y: letterTop + letterHeight - 3.5, fill: Colours.ink(colour)},
      sequence[position]),
    );
    (mutations ?? []).forEach((row, base) => {
      const change = row[position];
      svg.append(Page.drawn('rect', {
        x, width: cell, y: letterTop + letterHeight + 2 + base * changeHeight, height: changeHeight,
        fill: change === null ? '#fff' : Colours.css(Colours.of(change, mutationLimit, true)),
        stroke: '#ddd', 'stroke-width': 0.5,
      }));
    });
  },

  // Draw a frame around the base pointed at.
  mark() {
    const {box, cell, left, marker} = Letters;
    const line = Math.floor(Viz.position / box.perLine);
    const attributes = {
      x: left + (Viz.position % box.perLine) * cell, y: line * box.line + 2,
      height: box.line - 12, visibility: 'visible',
    };
    for (const [key, value] of Object.entries(attributes)) marker.setAttribute(key, value);
  },

  listen(svg) {
    const under = (event) => {
      const frame = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / frame.width;
      const column = Math.floor(((event.clientX - frame.left) * scale - Letters.left) / Letters.cell);
      const line = Math.floor(((event.clientY - frame.top) * scale - 2) / Letters.box.line);
      const position = line * Letters.box.perLine + column;
      const isBase = column >= 0 && column < Letters.box.perLine && line >= 0;
      return isBase && position < Viz.sequence().sequence.length ? position : null;
    };
    svg.addEventListener('pointermove', (event) => {
      const position = under(event);
      if (position !== null) Viz.pointAt(position);
    });
    svg.addEventListener('click', (event) => {
      const position = under(event);
      if (position !== null) Context.askFrom(position);
    });
    svg.addEventListener('focus', () => Viz.pointAt(Viz.position));
    svg.addEventListener('keydown', (event) => {
      const at = Viz.position;
      const {perLine} = Letters.box;
      const moves = {
        ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - perLine, ArrowDown: at + perLine,
        PageUp: at - 10, PageDown: at + 10, Home: 0, End: Viz.sequence().sequence.length - 1,
      };
      if (event.key === 'Enter') Context.askFrom(at);
      else if (event.key in moves) Viz.pointAt(moves[event.key]);
      else return;
      event.preventDefault();
    });
  },
};
