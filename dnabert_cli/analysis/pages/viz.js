'use strict';
// What is chosen in the page (sequence, position), and what changes with it.

const Viz = {
  data: Page.data(),
  selected: 0, // number of the chosen sequence
  position: 0, // the base pointed at in it

  sequence() {
    return Viz.data.sequences[Viz.selected];
  },

  // Where a base lies on the genome, as chrom, start and end of a BED line; null if not known.
  place(sequence, position) {
    if (sequence.chrom === null || sequence.start === null) return null;
    const offset = sequence.strand === '-' ? sequence.sequence.length - 1 - position : position;
    const start = sequence.start + offset;
    return {chrom: sequence.chrom, start, end: start + 1};
  },

  positionText(position) {
    const {anchor} = Viz.data;
    if (anchor === null) return `position ${position}`;
    const distance = position - anchor;
    if (distance === 0) return `position ${position} (the anchor)`;
    return `position ${position} (anchor ${distance > 0 ? '+' : '-'}${Math.abs(distance)})`;
  },

  // All that is known of one base, as a sentence.
  describe(index, position) {
    const sequence = Viz.data.sequences[index];
    const parts = [sequence.name];
    if (position < sequence.sequence.length) {
      parts.push(
        `${sequence.sequence[position]} at ${Viz.positionText(position)}`,
        `score ${Page.number(sequence.scores[position])}`,
      );
      const place = Viz.place(sequence, position);
      if (place) parts.push(`${place.chrom}:${place.start}-${place.end} (${sequence.strand})`);
      if (sequence.mutations) parts.push(Viz.mutationText(sequence, position));
    } else {
      parts.push('ends before this position');
    }
    if (sequence.probability !== null) parts.push(`probability ${Page.number(sequence.probability)}`);
    if (sequence.label !== null) parts.push(`label ${sequence.label}`);
    return parts.join(', ');
  },

  mutationText(sequence, position) {
    const changes = ['A', 'C', 'G', 'T']
      .map((base, row) => [base, sequence.mutations[row][position]])
      .filter(([, change]) => change !== null);
    return 'change with ' + changes.map(([base, value]) => `${base} ${Page.number(value)}`).join(', ');
  },

  // Show another sequence in the lower half of the page.
  select(index) {
    Viz.selected = index;
    Viz.position = 0;
    const sequence = Viz.sequence();
    Page.byId('selected').value = String(index);
    Page.byId('selected-name').textContent = sequence.name;
    Page.byId('selected-facts').textContent = Viz.facts(sequence);
    Letters.draw();
    Numbers.draw();
    Context.show();
    Heatmap.draw();
  },

  // Point at a base of the chosen sequence.
  pointAt(position) {
    Viz.position = Page.clamp(position, 0, Viz.sequence().sequence.length - 1);
    Letters.mark();
    Page.announce(Viz.describe(Viz.selected, Viz.position));
  },

  facts(sequence) {
    const bases = sequence.sequence.length;
    const parts = [`${bases} bases`];
    if (sequence.chrom !== null && sequence.start !== null) {
      parts.push(`${sequence.chrom}:${sequence.start}-${sequence.start + bases} (${sequence.strand})`);
    }
    if (sequence.probability !== null) parts.push(`probability ${Page.number(sequence.probability)}`);
    if (sequence.label !== null) parts.push(`label ${sequence.label}`);
    return parts.join(', ');
  },

  // Scores as text: a line for each base.
  table(sequences) {
    const plain = (text) => String(text ?? '.').replace(/[\t\r\n]/g, ' ');
    const lines = ['#name\tposition\tbase\tscore\tchrom\tstart\tend\tstrand'];
    for (const sequence of sequences) {
      Array.from(sequence.sequence).forEach((base, position) => {
        const place = Viz.place(sequence, position) ?? {};
        lines.push([
          sequence.name, position, base, sequence.scores[position],
          place.chrom, place.start, place.end, place.chrom ? sequence.strand : null,
        ].map(plain).join('\t'));
      });
    }
    return lines.join('\n') + '\n';
  },

  start() {
    const {sequences, attention} = Viz.data;
    for (const id of ['heatmap', 'landscape', 'sequence']) Page.byId(`${id}-section`).hidden = false;
    Page.byId('context-section').hidden = Object.keys(attention).length === 0;
    const chooser = Page.byId('selected');
    sequences.forEach((sequence, index) => {
      chooser.append(Page.element('option', {value: index}, Page.shortened(sequence.name, 60)));
    });
    chooser.addEventListener('change', () => Viz.select(Number(chooser.value)));
    const step = (by) => Viz.select((Viz.selected + by + sequences.length) % sequences.length);
    Page.byId('previous').addEventListener('click', () => step(-1));
    Page.byId('next').addEventListener('click', () => step(1));
    Page.byId('save-one').addEventListener('click', () =>
      Page.save('scores-of-one.tsv', Viz.table([Viz.sequence()])));
    Page.byId('save-all').addEventListener('click', () =>
      Page.save('scores.tsv', Viz.table(sequences)));
    Numbers.start();
    Heatmap.start();
    Landscape.start();
    Letters.start();
    Context.start();
    const withAttention = Object.keys(attention).map(Number);
    Viz.select(withAttention.length ? Math.min(...withAttention) : 0);
  },
};

// The table of the chosen sequence, filled only while it is open.
const Numbers = {
  start() {
    Page.byId('numbers').addEventListener('toggle', Numbers.draw);
  },

  draw() {
    const body = Page.byId('numbers-body');
    body.replaceChildren();
    if (!Page.byId('numbers').open) return;
    const sequence = Viz.sequence();
    const heads = ['Position', 'Base', 'Score'];
    if (sequence.start !== null && sequence.chrom !== null) heads.push('Start on the genome');
    if (sequence.mutations) heads.push('to A', 'to C', 'to G', 'to T');
    Page.byId('numbers-head').replaceChildren(...heads.map((text) =>
      Page.element('th', {scope: 'col', class: 'number'}, text)));
    for (let position = 0; position < sequence.sequence.length; position++) {
      const cells = [position, sequence.sequence[position], Page.number(sequence.scores[position])];
      const place = Viz.place(sequence, position);
      if (place) cells.push(place.start);
      if (sequence.mutations) cells.push(...sequence.mutations.map((row) => Page.number(row[position])));
      body.append(Page.element('tr', {}, ...cells.map((text) =>
        Page.element('td', {class: 'number'}, String(text)))));
    }
  },
};

Viz.start();
