// The list of artifacts with its filters.
import { button, el, field, form, show, table } from '../dom.js';
import { bytes, count, name, time, visible } from '../format.js';
import { attempt, report, say } from '../messages.js';
import { copyUri, remove, saveFile, showDetails } from './artifact.js';

export const id = 'artifacts';
export const title = 'Artifacts';
export const isFor = () => true;

const PAGE = 50;
// The server may return pages with few artifacts, or none, although more follow.
const MAX_EMPTY_PAGES = 20;

const COLUMNS = [['Name'], ['Type', 'widest'], ['Size', 'number'], ['Depositor', 'wide'], ['Deposited', 'wide'],
  ['Actions', 'wide']];

export async function render(place, session) {
  const list = new List(session);
  place.append(session.uploads.element, list.element);
  session.uploads.onStored = (artifact) => list.add(artifact);
  await list.load();
}

class List {
  constructor(session) {
    this.session = session;
    this.query = {};
    this.next = null;
    this.isLoaded = false;
    this.shown = new Set();
    const { element, body } = table('Artifacts, the oldest first', COLUMNS);
    this.body = body;
    this.summary = el('p', { class: 'summary' });
    this.more = button('Show more', () => this.showMore(), { hidden: true });
    this.table = el('div', { class: 'scroll' }, element);
    this.element = el('section', { 'aria-label': 'List of artifacts' },
      this.filters(), this.summary, this.table, el('div', { class: 'actions' }, this.more));
  }

  filters() {
    const text = { autocomplete: 'off', spellcheck: 'false', maxlength: 255 };
    const inputs = {
      name: el('input', { ...text, type: 'search' }),
      content_type: el('input', { ...text, placeholder: 'text/plain or image/*' }),
      created_by: el('input', { ...text, placeholder: 'admin or wkr_...' }),
      created_from: el('input', { type: 'datetime-local' }),
      created_before: el('input', { type: 'datetime-local' }),
      min_size: el('input', { type: 'number', min: 0, step: 1 }),
      max_size: el('input', { type: 'number', min: 0, step: 1 }),
    };
    const apply = async () => {
      this.query = queryOf(inputs);
      await this.load();
    };
    return form({ class: 'filters', role: 'search', 'aria-label': 'Filter the artifacts' }, apply,
      field('Name contains', inputs.name),
      el('details', {}, el('summary', {}, 'More filters'), el('div', { class: 'grid' },
        field('Type', inputs.content_type),
        // Others see only their own artifacts.
        this.session.readsAll && field('Depositor', inputs.created_by),
        field('Deposited from', inputs.created_from),
        field('Deposited before', inputs.created_before),
        field('Smallest size in bytes', inputs.min_size),
        field('Largest size in bytes', inputs.max_size))),
      el('div', { class: 'actions' },
        el('button', { class: 'primary' }, 'Search'),
        button('Clear', () => {
          for (const input of Object.values(inputs)) input.value = '';
          apply();
        })));
  }

  // Loads the first page.
  async load() {
    this.next = null;
    this.isLoaded = false;
    this.shown.clear();
    show(this.body);
    this.table.hidden = true;
    this.more.hidden = true;
    this.summary.textContent = 'Loading ...';
    const done = await attempt(this.element, () => this.page());
    if (done) this.sayShown();
    else this.summary.textContent = '';
  }

  // Loads the next page and moves the focus to its first artifact.
  async showMore() {
    const last = this.body.lastElementChild;
    if (!await attempt(this.element, () => this.page())) return;
    last?.nextElementSibling?.querySelector('button')?.focus();
    this.sayShown();
  }

  async page() {
    const { api } = this.session;
    const query = this.query;
    let found;
    for (let pages = 0; pages < MAX_EMPTY_PAGES; pages += 1) {
      const after = this.next === null ? {} : { after: this.next };
      found = await api.v1('GET', '/artifacts', { query: { ...query, ...after, limit: PAGE } });
      // A newer search has begun.
      if (query !== this.query) return;
      this.next = found.next;
      if (found.artifacts.length > 0 || found.next === null) break;
    }
    this.isLoaded = true;
    found.artifacts.forEach((artifact) => this.append(artifact));
    this.summarize(found.unreadable);
  }

  sayShown() {
    // The page shows it already.
    say(this.summary.textContent, { isSeen: false });
  }

  // Adds an artifact that was just stored, if the list shows its end.
  add(artifact) {
    if (!this.isLoaded || this.next !== null || Object.keys(this.query).length > 0) return;
    this.append(artifact);
    this.summarize();
  }

  append(artifact) {
    if (this.shown.has(artifact.id)) return;
    this.shown.add(artifact.id);
    this.body.append(this.row(artifact));
  }

  summarize(unreadable = 0) {
    const isFiltered = Object.keys(this.query).length > 0;
    const none = isFiltered ? 'No artifact fits the filters.' : 'There are no artifacts yet.';
    const { size } = this.shown;
    let text = size === 0 && this.next === null ? none : `${count(size, 'artifact')} shown`;
    if (this.next !== null) text += '; more follow.';
    if (unreadable > 0) text += ` ${count(unreadable, 'record')} cannot be read; tell the operator.`;
    this.summary.textContent = text;
    this.table.hidden = size === 0;
    this.more.hidden = this.next === null;
  }

  row(artifact) {
    const { session } = this;
    const label = visible(artifact.file_name ?? artifact.id);
    const removed = () => {
      const target = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector('button');
      row.remove();
      this.shown.delete(artifact.id);
      this.summarize();
      (target ?? document.querySelector('h1')).focus();
      say(`${label} deleted`);
    };
    const act = (action) => () => action().catch((error) => report(error, this.element));
    const depositor = el('td', { class: 'wide', title: artifact.created_by }, name(artifact.created_by));
    session.nameOf(artifact.created_by).then((found) => found && show(depositor, name(found)));
    const mayDelete = session.isAdmin || artifact.created_by === session.api.principal;
    const row = el('tr', {},
      el('th', { scope: 'row' }, button(name(artifact.file_name ?? artifact.id),
        act(() => showDetails(session, artifact, removed)), { class: 'link' })),
      el('td', { class: 'widest' }, visible(artifact.content_type)),
      el('td', { class: 'number' }, bytes(artifact.size_bytes)),
      depositor,
      el('td', { class: 'wide' }, time(artifact.created_at)),
      el('td', { class: 'wide' }, el('div', { class: 'actions' },
        button('Download', act(() => saveFile(session, artifact)), { 'aria-label': `Download ${label}` }),
        button('Copy URI', act(() => copyUri(artifact)), { 'aria-label': `Copy URI of ${label}` }),
        mayDelete && button('Delete', act(() => remove(session, artifact, removed)), {
          'aria-label': `Delete ${label}`, class: 'danger',
        }))));
    return row;
  }
}

function queryOf(inputs) {
  const query = {};
  for (const [key, input] of Object.entries(inputs)) {
    const value = input.value.trim();
    // The field has the time zone of the browser, the server wants UTC.
    if (value) query[key] = input.type === 'datetime-local' ? new Date(value).toISOString() : value;
  }
  return query;
}
