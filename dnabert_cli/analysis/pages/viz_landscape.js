'use strict';
// The mean score of each position, over all sequences and over each label.

const Landscape = {
  height: 230,
  position: null,

  start() {
    const {groups} = Viz.data;
    Landscape.lines = groups;
    Landscape.length = groups[0].mean.length;
    const legend = Page.byId('landscape-legend');
    for (const group of groups) {
      const sample = Page.drawn('svg', {width: 34, height: 10, 'aria-hidden': 'true'},
        Page.drawn('path', {d: 'M0 5H34', ...Landscape.pen(group)}));
      const n = Math.max(...group.count);
      legend.append(Page.element('span', {}, sample, `${Landscape.title(group)} (${n})`));
    }
    Page.onWidth(Page.byId('landscape'), (width) => Landscape.draw(width));
  },

  title(group) {
    return group.label === null ? 'all' : group.label;
  },

  pen(group) {
    return {
      fill: 'none', stroke: group.colour, 'stroke-width': group.label === null ? 2 : 1.6,
      'stroke-dasharray': group.dash || 'none',
    };
  },

  draw(width) {
    const {height} = Landscape;
    const values = Landscape.lines.flatMap((line) => line.mean).filter((value) => value !== null);
    const low = Math.min(0, ...values);
    const high = Math.max(...values, low + 1e-12);
    const left = 58, right = width - 12, top = 18, bottom = height - 36;
    const x = (position) => left + ((position + 0.5) / Landscape.length) * (right - left);
    const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
    const svg = Page.drawn('svg', {
      width, height, viewBox: `0 0 ${width} ${height}`, class: 'pointable', tabindex: 0,
      role: 'application', 'aria-label': 'Mean score of each position. Left and right keys move.',
      'font-size': 11,
    });
    Landscape.drawAxes(svg, {x, y, low, high, left, right, bottom, width});
    for (const line of Landscape.lines) {
      svg.append(Page.drawn('path', {d: Landscape.path(line.mean, x, y), ...Landscape.pen(line)}));
    }
    Landscape.drawAnchor(svg, x, {left, right, top, bottom});
    Landscape.x = x;
    Landscape.cursor = Page.drawn('path', {stroke: '#e69f00', 'stroke-width': 2, fill: 'none'});
    svg.append(Landscape.cursor);
    Landscape.listen(svg, left, right);
    Page.byId('landscape').replaceChildren(svg);
  },

  // Lines are broken where there is no value.
  path(mean, x, y) {
    let isBroken = true;
    return mean.map((value, position) => {
      if (value === null) {
        isBroken = true;
        return '';
      }
      const step = `${isBroken ? 'M' : 'L'}${x(position).toFixed(1)} ${y(value).toFixed(1)}`;
      isBroken = false;
      return step;
    }).join('');
  },

  drawAxes(svg, {x, y, low, high, left, right, bottom, width}) {
    const text = (attributes, content) => svg.append(Page.drawn('text', attributes, content));
    for (const tick of Page.ticks(low, high, 4)) {
      svg.append(Page.drawn('path', {d: `M${left} ${y(tick)}H${right}`, stroke: tick === 0 ? '#777' : '#ddd'}));
      text({x: left - 6, y: y(tick) + 4, 'text-anchor': 'end'}, String(tick));
    }
    for (const tick of Page.ticks(0, Landscape.length - 1, width / 90)) {
      svg.append(Page.drawn('path', {d: `M${x(tick)} ${bottom}v4`, stroke: '#777'}));
      text({x: x(tick), y: bottom + 16, 'text-anchor': 'middle'}, String(tick));
    }
    text({x: (left + right) / 2, y: bottom + 31, 'text-anchor': 'middle'}, 'position');
    text({x: 2, y: 11}, `mean ${Viz.data.scoreLabel}`);
  },

  drawAnchor(svg, x, {left, right, top, bottom}) {
    const {anchor} = Viz.data;
    if (anchor === null || anchor >= Landscape.length) return;
    svg.append(Page.drawn('path', {
      d: `M${x(anchor)} ${top}V${bottom}`, stroke: '#000', 'stroke-dasharray': '3 3'}));
    const isRight = x(anchor) > (left + right) / 2;
    svg.append(Page.drawn('text', {
      x: x(anchor) + (isRight ? -4 : 4), y: top + 9, 'text-anchor': isRight ? 'end' : 'start',
      stroke: '#fff', 'stroke-width': 4, 'paint-order': 'stroke',
    }, 'anchor'));
  },

  moveTo(position) {
    Landscape.position = Page.clamp(position, 0, Landscape.length - 1);
    const x = Landscape.x(Landscape.position);
    Landscape.cursor.setAttribute('d', `M${x} 14V${Landscape.height - 36}`);
    const means = Landscape.lines.map((line) =>
      `${Landscape.title(line)} ${Page.number(line.mean[Landscape.position])}` +
      ` (${line.count[Landscape.position]})`);
    Page.announce(`${Viz.positionText(Landscape.position)}, mean (sequences): ${means.join(', ')}`);
  },

  listen(svg, left, right) {
    svg.addEventListener('pointermove', (event) => {
      const box = svg.getBoundingClientRect();
      const share = (event.clientX - box.left - left) / (right - left);
      if (share >= 0 && share < 1) Landscape.moveTo(Math.floor(share * Landscape.length));
    });
    svg.addEventListener('focus', () => {
      if (Landscape.position === null) Landscape.moveTo(Viz.data.anchor ?? 0);
    });
    svg.addEventListener('keydown', (event) => {
      const at = Landscape.position ?? 0;
      const moves = {
        ArrowLeft: at - 1, ArrowRight: at + 1, PageUp: at - 10, PageDown: at + 10,
        Home: 0, End: Landscape.length - 1,
      };
      if (!(event.key in moves)) return;
      Landscape.moveTo(moves[event.key]);
      event.preventDefault();
    });
  },
};
