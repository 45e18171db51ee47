// The list of artifacts with its filters.
import { button, el, field, form, show, table } from '../dom.js';
import { bytes, count, name, time, visible } from '../format.js';
import { Holds } from '../holds.js';
import { report, say } from '../messages.js';
import { PagedList } from '../paged.js';
import { upload } from '../upload.js';
import { copyUri, remove, saveFile, showDetails } from './artifact.js';
import { Uploads } from './uploads.js';

export const id = 'artifacts';
export const title = 'Artifacts';
export const isFor = () => true;

const PAGE = 50;

const COLUMNS = [['Name'], ['Type', 'widest'], ['Size', 'number'], ['Depositor', 'wide'], ['Deposited', 'wide'],
  ['Kept', 'wide'], ['Actions', 'wide']];

export async function render(place, session) {
  const uploads = session.uploadsTo('artifacts', () => new Uploads(session, destination(session)));
  const list = new List(session);
  place.append(uploads.element, list.element);
  uploads.onStored = (artifact) => list.add(artifact);
  await list.load();
}

function destination({ api }) {
  return {
    fields: () => [],
    pathOf: (file) => file.name,
    send: (file, path, options) => upload(api, file, options),
    artifactOf: (artifact) => artifact,
  };
}

class List {
  constructor(session) {
    this.session = session;
    this.query = {};
    this.unreadable = 0;
    this.isLoaded = false;
    this.retention = { keep_seconds: null };
    this.holds = new Holds(session.api);
    this.ids = new Set();
    const { element, body } = table('Artifacts, the oldest first', COLUMNS);
    this.body = body;
    this.pages = new PagedList({
      label: 'List of artifacts',
      table: element,
      read: (after) => this.read(after),
      show: (page) => this.show(page),
      describe: (shown, isAll) => this.describe(shown, isAll),
    });
    this.element = this.pages.element;
    this.element.prepend(this.filters());
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

  async load() {
    this.isLoaded = false;
    this.ids.clear();
    this.holds.clear();
    this.isLoaded = await this.pages.load();
  }

  async read(after) {
    const { api } = this.session;
    const query = { ...this.query, ...after, limit: PAGE };
    const [page, retention] = await Promise.all([api.v1('GET', '/artifacts', { query }), api.v1('GET', '/retention')]);
    this.retention = retention;
    return page;
  }

  show({ artifacts, unreadable }) {
    this.unreadable = unreadable;
    return artifacts.filter((artifact) => this.append(artifact)).length;
  }

  // Adds an artifact that was just stored, if the list shows its end.
  add(artifact) {
    const showsEnd = this.isLoaded && this.pages.isComplete && Object.keys(this.query).length === 0;
    if (showsEnd && this.append(artifact)) this.pages.summarize(1);
  }

  append(artifact) {
    if (this.ids.has(artifact.id)) return false;
    this.ids.add(artifact.id);
    this.body.append(this.row(artifact));
    return true;
  }

  describe(shown, isAll) {
    const isFiltered = Object.keys(this.query).length > 0;
    const none = isFiltered ? 'No artifact fits the filters.' : 'There are no artifacts yet.';
    let text = shown === 0 && isAll ? none : `${count(shown, 'artifact')} shown`;
    if (!isAll) text += '; more follow.';
    if (this.unreadable > 0) text += ` ${count(this.unreadable, 'record')} cannot be read; tell the operator.`;
    return text;
  }

  row(artifact) {
    const { session } = this;
    const label = visible(artifact.file_name ?? artifact.id);
    const removed = () => {
      const target = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector('button');
      row.remove();
      this.ids.delete(artifact.id);
      this.pages.summarize(-1);
      (target ?? document.querySelector('h1')).focus();
      say(`${label} deleted`);
    };
    const act = (action) => () => action().catch((error) => report(error, this.element));
    const depositor = el('td', { class: 'wide', title: artifact.created_by }, name(artifact.created_by));
    session.nameOf(artifact.created_by).then((found) => found && show(depositor, name(found)));
    const hold = this.holds.cell(artifact, this.retention);
    const changed = (info) => hold.set(info.hold);
    const row = el('tr', {},
      el('th', { scope: 'row' }, button(name(artifact.file_name ?? artifact.id),
        act(() => showDetails(session, artifact, { removed, changed })), { class: 'link' })),
      el('td', { class: 'widest' }, visible(artifact.content_type)),
      el('td', { class: 'number' }, bytes(artifact.size_bytes)),
      depositor,
      el('td', { class: 'wide' }, time(artifact.created_at)),
      hold.cell,
      el('td', { class: 'wide' }, el('div', { class: 'actions' },
        button('Download', act(() => saveFile(session, artifact)), { 'aria-label': `Download ${label}` }),
        button('Copy URI', act(() => copyUri(artifact)), { 'aria-label': `Copy URI of ${label}` }),
        session.mayChange(artifact.created_by) && button('Delete', act(() => remove(session, artifact, removed)), {
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
