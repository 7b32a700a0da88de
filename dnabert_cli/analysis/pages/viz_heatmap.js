'use strict';
// Colours of scores, and the picture of all sequences: a row each, a bar for its probability.

const Colours = {
  // From white to nearly black, so that shades stay in order in black-and-white print.
  positive: [[255, 255, 255], [170, 208, 232], [0, 114, 178], [0, 29, 51]],
  // Of numbers with a sign: vermilion above zero, blue below.
  above: [[255, 255, 255], [244, 176, 122], [213, 94, 0], [92, 36, 0]],
  missing: [190, 190, 190],

  of(value, limit, isSigned) {
    if (value === null) return Colours.missing;
    const stops = isSigned && value > 0 ? Colours.above : Colours.positive;
    const share = Page.clamp(Math.abs(value) / limit, 0, 1) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(share));
    return stops[below].map((part, i) =>
      Math.round(part + (share - below) * (stops[below + 1][i] - part)));
  },

  css(rgb) {
    return `rgb(${rgb.join(',')})`;
  },

  // Black or white, whichever can be read on the colour.
  ink([red, green, blue]) {
    return 0.3 * red + 0.59 * green + 0.11 * blue > 140 ? '#000' : '#fff';
  },

  // A strip of colours between its two numbers.
  legend(text, limit, isSigned) {
    const low = isSigned ? -limit : 0;
    const strip = Page.drawn('svg', {width: 160, height: 14, 'aria-hidden': 'true'});
    for (let i = 0; i < 40; i++) {
      const colour = Colours.css(Colours.of(low + (i / 39) * (limit - low), limit, isSigned));
      strip.append(Page.drawn('rect', {x: 4 * i, width: 4.5, height: 14, fill: colour}));
    }
    strip.append(Page.drawn('rect', {
      x: 0.5, y: 0.5, width: 159, height: 13, fill: 'none', stroke: '#555'}));
    return Page.element('span', {}, 
      `${text}: ${Page.number(low)}${isSigned ? ' or less' : ''}`, strip, `${Page.number(limit)} or more`);
  },

  // A patch of one colour and what it stands for.
  patch(colour, text) {
    const svg = Page.drawn('svg', {width: 14, height: 14, 'aria-hidden': 'true'},
      Page.drawn('rect', {width: 14, height: 14, fill: colour}));
    return Page.element('span', {}, svg, text);
  },
};

const Heatmap = {
  order: [], // numbers of the sequences, top to bottom
  cursor: null, // {row, position}
  box: null, // where the picture lies in the canvas

  start() {
    const {sequences, groups, limit, isSigned, scoreLabel} = Viz.data;
    Heatmap.canvas = Page.byId('heatmap');
    Heatmap.longest = Math.max(...sequences.map((each) => each.sequence.length), 1);
    const legend = Page.byId('heatmap-legend');
    legend.append(Colours.legend(scoreLabel, limit, isSigned));
    for (const group of groups.slice(1)) legend.append(Colours.patch(group.colour, group.label));
    const chooser = Page.byId('order');
    if (groups.length === 1) chooser.querySelector('[value=label]').remove();
    chooser.addEventListener('change', () => Heatmap.sort(chooser.value));
    Heatmap.listen();
    Heatmap.sort('input');
    Page.onWidth(Page.byId('heatmap-figure'), () => Heatmap.draw());
  },

  sort(by) {
    const {sequences} = Viz.data;
    const byProbability = (a, b) => (sequences[b].probability ?? -1) - (sequences[a].probability ?? -1);
    const byText = (key) => (a, b) =>
      (sequences[a][key] ?? '\uffff').localeCompare(sequences[b][key] ?? '\uffff', 'en', {numeric: true});
    const orders = {
      input: () => 0,
      probability: byProbability,
      name: byText('name'),
      label: (a, b) => byText('label')(a, b) || byProbability(a, b),
    };
    Heatmap.order = sequences.map((_, index) => index).sort(orders[by]);
    Heatmap.canvas.dataset.order = Heatmap.order.join(' ');
    Heatmap.cursor = null;
    Heatmap.paint();
    Heatmap.draw();
  },

  // One pixel for each score, enlarged when drawn.
  paint() {
    const {sequences, limit, isSigned} = Viz.data;
    const image = new ImageData(Heatmap.longest, sequences.length);
    Heatmap.order.forEach((index, row) => {
      sequences[index].scores.forEach((score, position) => {
        image.data.set([...Colours.of(score, limit, isSigned), 255], 4 * (row * Heatmap.longest + position));
      });
    });
    Heatmap.pixels = Page.element('canvas', {width: Heatmap.longest, height: sequences.length});
    Heatmap.pixels.getContext('2d').putImageData(image, 0, 0);
  },

  // Where names, rows and bars lie for the width there is.
  layout() {
    const {sequences} = Viz.data;
    const width = Math.floor(Page.byId('heatmap-figure').clientWidth);
    const rowHeight = Page.clamp(Math.floor(560 / sequences.length), 2, 18);
    const hasNames = rowHeight >= 10 && width >= 600;
    const hasBars = sequences.some((each) => each.probability !== null);
    const x = hasNames ? 160 : 12;
    const bars = hasBars ? (width >= 600 ? 90 : 50) : 8;
    Heatmap.box = {
      width, x, y: 16, rowHeight, hasNames, bars: hasBars ? bars - 10 : 0,
      plotWidth: Math.max(20, width - x - bars), plotHeight: rowHeight * sequences.length,
    };
    return Heatmap.box;
  },

  draw() {
    const {canvas} = Heatmap;
    if (Page.byId('heatmap-figure').clientWidth === 0) return;
    const box = Heatmap.layout();
    const ratio = Math.max(2, window.devicePixelRatio || 1); // 2 also for print
    const height = box.y + box.plotHeight + 22;
    canvas.width = box.width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = `${box.width}px`;
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    context.font = '11px sans-serif';
    context.imageSmoothingEnabled = Heatmap.longest > box.plotWidth * ratio;
    context.drawImage(Heatmap.pixels, box.x, box.y, box.plotWidth, box.plotHeight);
    context.strokeStyle = '#777';
    context.strokeRect(box.x - 0.5, box.y - 0.5, box.plotWidth + 1, box.plotHeight + 1);
    Heatmap.drawRows(context, box);
    Heatmap.drawAxis(context, box);
    Heatmap.drawCursor(context, box);
  },

  drawRows(context, box) {
    const {sequences, groups} = Viz.data;
    const most = Math.floor((box.x - 24) / 6.2);
    const barX = box.x + box.plotWidth + 8;
    context.textBaseline = 'middle';
    Heatmap.order.forEach((index, row) => {
      const {name, label, probability} = sequences[index];
      const y = box.y + row * box.rowHeight;
      const middle = y + box.rowHeight / 2;
      const group = label === null ? null : groups.find((each) => each.label === label);
      if (group) {
        context.fillStyle = group.colour;
        context.fillRect(box.x - 8, y, 6, box.rowHeight);
      }
      context.fillStyle = '#1a1a1a';
      context.textAlign = 'right';
      if (box.hasNames) context.fillText(Page.shortened(name, most), box.x - 12, middle);
      if (box.bars && probability !== null) {
        context.fillStyle = '#777';
        context.fillRect(barX, y + 0.5, box.bars * probability, Math.max(1, box.rowHeight - 1));
      }
      if (index === Viz.selected) Heatmap.drawPointer(context, box.x + box.plotWidth + 1, middle);
    });
    if (!box.bars) return;
    context.strokeStyle = '#777';
    context.strokeRect(barX - 0.5, box.y - 0.5, box.bars + 1, box.plotHeight + 1);
    context.fillStyle = '#1a1a1a';
    context.textAlign = 'right';
    context.fillText(box.bars > 60 ? 'probability' : 'prob.', barX + box.bars, 7);
    context.fillText('1', barX + box.bars, box.y + box.plotHeight + 12);
    context.textAlign = 'left';
    context.fillText('0', barX, box.y + box.plotHeight + 12);
  },

  // The triangle beside the chosen sequence.
  drawPointer(context, x, y) {
    context.fillStyle = '#1a1a1a';
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x + 6, y - 4);
    context.lineTo(x + 6, y + 4);
    context.fill();
  },

  drawAxis(context, box) {
    const {anchor} = Viz.data;
    const cell = box.plotWidth / Heatmap.longest;
    context.fillStyle = '#1a1a1a';
    context.textAlign = 'center';
    for (const tick of Page.ticks(0, Heatmap.longest - 1, box.plotWidth / 90)) {
      const x = box.x + (tick + 0.5) * cell;
      context.fillRect(x - 0.5, box.y + box.plotHeight, 1, 4);
      context.fillText(String(tick), x, box.y + box.plotHeight + 12);
    }
    if (anchor === null || anchor >= Heatmap.longest) return;
    const x = box.x + (anchor + 0.5) * cell;
    context.fillText('anchor', Page.clamp(x, box.x + 20, box.width - 20), 7);
    context.setLineDash([3, 3]);
    context.strokeStyle = '#000';
    context.beginPath();
    context.moveTo(x, 13);
    context.lineTo(x, box.y + box.plotHeight);
    context.stroke();
    context.setLineDash([]);
  },

  drawCursor(context, box) {
    if (!Heatmap.cursor) return;
    const {row, position} = Heatmap.cursor;
    const cell = box.plotWidth / Heatmap.longest;
    const y = box.y + row * box.rowHeight;
    context.lineWidth = 1.5;
    context.strokeStyle = '#000';
    context.strokeRect(box.x - 1, y - 1, box.plotWidth + 2, box.rowHeight + 2);
    context.strokeStyle = '#e69f00';
    context.lineWidth = 2.5;
    const width = Math.max(cell, 4);
    context.strokeRect(box.x + (position + 0.5) * cell - width / 2 - 1, y - 2, width + 2, box.rowHeight + 4);
  },

  // Move to a row and position and say what is there.
  moveTo(row, position) {
    Heatmap.cursor = {
      row: Page.clamp(row, 0, Heatmap.order.length - 1),
      position: Page.clamp(position, 0, Heatmap.longest - 1),
    };
    Heatmap.draw();
    Page.announce(Viz.describe(Heatmap.order[Heatmap.cursor.row], Heatmap.cursor.position));
  },

  choose() {
    const {row, position} = Heatmap.cursor;
    const index = Heatmap.order[row];
    Viz.select(index);
    if (position < Viz.sequence().sequence.length) Viz.pointAt(position);
    Page.announce(`shown below: ${Viz.describe(index, position)}`);
  },

  listen() {
    const {canvas} = Heatmap;
    const under = (event) => {
      const {x, y, rowHeight, plotWidth, plotHeight} = Heatmap.box;
      const across = (event.offsetX - x) / plotWidth;
      const down = (event.offsetY - y) / plotHeight;
      if (across < 0 || across >= 1 || down < 0 || down >= 1) return null;
      return [Math.floor((down * plotHeight) / rowHeight), Math.floor(across * Heatmap.longest)];
    };
    canvas.addEventListener('pointermove', (event) => {
      const cell = under(event);
      const {row, position} = Heatmap.cursor ?? {};
      if (cell && (cell[0] !== row || cell[1] !== position)) Heatmap.moveTo(...cell);
    });
    canvas.addEventListener('click', (event) => {
      const cell = under(event);
      if (!cell) return;
      Heatmap.moveTo(...cell);
      Heatmap.choose();
    });
    canvas.addEventListener('focus', () => {
      if (!Heatmap.cursor) Heatmap.moveTo(Heatmap.order.indexOf(Viz.selected), 0);
    });
    canvas.addEventListener('keydown', (event) => {
      const {row, position} = Heatmap.cursor ?? {row: 0, position: 0};
      const moves = {
        ArrowLeft: [row, position - 1], ArrowRight: [row, position + 1],
        ArrowUp: [row - 1, position], ArrowDown: [row + 1, position],
        PageUp: [row - 10, position], PageDown: [row + 10, position],
        Home: [row, 0], End: [row, Heatmap.longest - 1],
      };
      if (event.key === 'Enter') Heatmap.choose();
      else if (moves[event.key]) Heatmap.moveTo(...moves[event.key]);
      else return;
      event.preventDefault();
    });
  },
};
