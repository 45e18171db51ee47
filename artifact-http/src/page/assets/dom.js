// Elements. Every text becomes a text node, so no text of a server or a file name is ever read as markup.

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value === true) {
      element.setAttribute(name, '');
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Creates an element of HTML. `on` has its listeners; attributes that are false, null or undefined are left out.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

// Creates an element of SVG.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

// Creates a button that sends no form.
export function button(label, onClick, attributes = {}) {
  return el('button', { type: 'button', ...attributes, on: { click: onClick } }, label);
}

// Creates a labelled field. `hint` is a sentence below it.
let fields = 0;
export function field(label, control, hint) {
  control.id ||= `field-${++fields}`;
  const note = hint && el('p', { class: 'hint', id: `${control.id}-hint` }, hint);
  if (note) control.setAttribute('aria-describedby', note.id);
  return el('div', { class: 'field' }, el('label', { for: control.id }, label), control, note);
}

// Creates a list of choices: pairs of a value and a label.
export function choice(options, attributes = {}) {
  return el('select', attributes, ...options.map(([value, label]) => el('option', { value }, label)));
}

// Creates a form. While `submit` runs, its buttons do nothing.
export function form(attributes, submit, ...children) {
  const element = el('form', { ...attributes, on: { submit: run } }, ...children);
  async function run(event) {
    event.preventDefault();
    if (element.ariaBusy === 'true') return;
    element.ariaBusy = 'true';
    try {
      await submit(element);
    } finally {
      element.ariaBusy = 'false';
    }
  }
  return element;
}

// Creates a table with a caption. Each column is a pair of a heading and a class.
export function table(caption, columns, rows = []) {
  const heads = columns.map(([heading, kind]) => el('th', { scope: 'col', class: kind || null }, heading));
  const body = el('tbody', {}, ...rows);
  const element = el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, ...heads)), body);
  return { element, body };
}

// Creates a list of terms and their descriptions.
export function terms(pairs) {
  return el('dl', {}, ...pairs.flatMap(([term, value]) => [el('dt', {}, term), el('dd', {}, value)]));
}

// Replaces the children of an element.
export function show(parent, ...children) {
  parent.replaceChildren(...children.flat().filter(Boolean));
}

// Moves the focus to the heading of the view if the element that had it is gone.
export function rescueFocus() {
  if (document.activeElement === document.body) document.querySelector('h1')?.focus();
}
