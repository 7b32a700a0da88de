'use strict';
// Sorting of the table of motifs by its headings, and logos of the other strand.

// The value of a row in a column; null where there is none.
function sortValue(row, column, kind) {
  const text = row.cells[column].dataset.value;
  if (text === '') return null;
  return kind === 'number' ? Number(text) : text;
}

function compare(a, b) {
  if (typeof a === 'string') return a.localeCompare(b, 'en', {numeric: true});
  return a - b;
}

// Sort by the heading's column; a second time, the other way round.
function sortBy(heading) {
  const kind = heading.dataset.sort;
  const isAscending = heading.getAttribute('aria-sort') !== 'ascending';
  const body = heading.closest('table').tBodies[0];
  const rows = Array.from(body.rows, (row) => ({
    row, value: sortValue(row, heading.cellIndex, kind),
  }));
  rows.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
    return isAscending ? compare(a.value, b.value) : compare(b.value, a.value);
  });
  body.append(...rows.map(({row}) => row));
  for (const other of heading.parentElement.cells) other.removeAttribute('aria-sort');
  const direction = isAscending ? 'ascending' : 'descending';
  heading.setAttribute('aria-sort', direction);
  Page.announce(`sorted by ${heading.textContent}, ${direction}`);
}

for (const heading of document.querySelectorAll('table.motifs th[data-sort]')) {
  const button = Page.element('button', {type: 'button'}, ...heading.childNodes);
  heading.append(button);
  button.addEventListener('click', () => sortBy(heading));
}

// Where both strands of a logo are there, a button changes from one to the other.
for (const pair of document.querySelectorAll('.two-strands')) {
  const [forward, reverse] = pair.querySelectorAll('.strand');
  const button = Page.element(
    'button', {type: 'button', class: 'screen-only', 'aria-pressed': 'false'}, 'other strand');
  pair.append(button);
  button.addEventListener('click', () => {
    const showsReverse = reverse.hidden;
    reverse.hidden = !showsReverse;
    forward.hidden = showsReverse;
    button.setAttribute('aria-pressed', String(showsReverse));
  });
}
