'use strict';
// What all pages share. Text from outside becomes text, never HTML.

const Page = {
  byId(id) {
    return document.getElementById(id);
  },

  // What the page was made with.
  data() {
    return JSON.parse(Page.byId('data').textContent);
  },

  // A new HTML element; a child is an element or plain text.
  element(name, attributes = {}, ...children) {
    return Page.filled(document.createElement(name), attributes, children);
  },

  // A new part of an SVG picture.
  drawn(name, attributes = {}, ...children) {
    const node = document.createElementNS('http://www.w3.org/2000/svg', name);
    return Page.filled(node, attributes, children);
  },

  filled(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  },

  // Show a sentence in the line at the bottom, which screen readers read out.
  announce(text) {
    const status = Page.byId('status');
    if (status.textContent !== text) status.textContent = text;
  },

  // Four significant digits.
  number(value) {
    if (value === null || value === undefined) return '-';
    return String(Number(value.toPrecision(4)));
  },

  clamp(value, low, high) {
    return Math.max(low, Math.min(high, value));
  },

  // Text cut in the middle to so many letters: names often differ at their ends.
  shortened(text, most) {
    if (text.length <= most) return text;
    const tail = Math.max(0, Math.floor((most - 1) / 2));
    return text.slice(0, Math.max(1, most - 1 - tail)) + '…' + text.slice(text.length - tail);
  },

  // Round numbers between two others, about so many.
  ticks(low, high, wanted) {
    if (!(high > low)) return [low];
    const rough = (high - low) / Math.max(1, wanted);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-9); i++) {
      found.push(Number((i * step).toPrecision(6)));
    }
    return found;
  },

  // Call `draw(width)` now and whenever the width of the element changes.
  onWidth(node, draw) {
    let last = 0;
    const check = () => {
      const width = Math.floor(node.clientWidth);
      if (width > 0 && width !== last) draw(last = width);
    };
    check();
    new ResizeObserver(check).observe(node);
  },

  // Give a text to the reader as a file.
  save(fileName, text) {
    const url = URL.createObjectURL(new Blob([text], {type: 'text/tab-separated-values'}));
    const link = Page.element('a', {href: url, download: fileName});
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  },
};
