// One collection: its folders and files, and what can be done with it.
import { artifactOf, foldersOf, labelOf, stateOf } from '../collection.js';
import { button, el, field, form, show, table, terms } from '../dom.js';
import { confirm, copy } from '../dialog.js';
import { bytes, code, count, name, time, visible } from '../format.js';
import { attempt, report, say } from '../messages.js';
import { PagedList } from '../paged.js';
import { pathOfFile, uploadInto } from '../upload.js';
import { copyUri, saveFile, showDetails } from './artifact.js';
import { showManifest } from './manifest.js';
import { Uploads } from './uploads.js';

const PAGE = 100;

// Shows a folder of a collection; the empty one is the collection itself.
export async function render(place, session, { collection: id, folder }) {
  const found = await session.api.v1('GET', `/collections/${id}`);
  const view = new Folder(session, found, folder);
  place.append(...view.elements());
  // The heading of the view has it unless the user was faster.
  if (document.activeElement.tagName === 'H1') view.heading.focus();
  await view.list.load();
}

class Folder {
  constructor(session, collection, folder) {
    Object.assign(this, { session, collection, folder });
    this.path = `/collections/${collection.id}`;
    this.mayChange = session.mayChange(collection.created_by);
    this.isOpen = collection.state === 'open';
    this.prefix = '';
    this.heading = el('h2', { tabindex: '-1' }, folder ? name(foldersOf(folder).at(-1).segment) : name(labelOf(collection)));
    this.facts = el('div');
    this.list = this.files();
  }

  elements() {
    const { session, collection, folder } = this;
    const elements = [this.breadcrumb(), this.heading];
    if (!folder) elements.push(this.facts, this.actions());
    if (this.isOpen && this.mayChange) {
      const uploads = session.uploadsTo(collection.id, () => new Uploads(session, destination(session, collection)));
      // The files of an upload may be of another folder by now.
      uploads.element.querySelector('.folder').value = folder;
      uploads.onStored = (file) => this.stored(file);
      elements.push(uploads.element);
    }
    elements.push(this.search(), this.list.element);
    this.describe();
    return elements;
  }

  go(folder) {
    this.session.steps.go({ collection: this.collection.id, folder });
  }

  breadcrumb() {
    const { session, collection, folder } = this;
    const above = [
      ['Collections', () => session.steps.go(null)],
      [name(labelOf(collection)), () => this.go('')],
      ...foldersOf(folder).map((each) => [name(each.segment), () => this.go(each.folder)]),
    ];
    const last = above.pop();
    return el('nav', { class: 'breadcrumb', 'aria-label': 'Breadcrumb' }, el('ol', {},
      ...above.map(([label, act]) => el('li', {}, button(label, act, { class: 'link' }))),
      el('li', { 'aria-current': 'location' }, last[0])));
  }

  // Shows what is recorded about the collection.
  describe() {
    const { session, collection } = this;
    const owner = el('span', {}, code(collection.created_by));
    session.nameOf(collection.created_by).then((known) => known && owner.prepend(name(known), ' '));
    show(this.facts, terms([
      ['Id', code(collection.id)],
      ['State', collection.sealed_at === null ? stateOf(collection) : [stateOf(collection), ', ', time(collection.sealed_at)]],
      ['Files', `${count(collection.files, 'file')}, ${bytes(collection.size_bytes)}`],
      ['Owner', owner],
      ['Created', time(collection.created_at)],
    ]));
  }

  actions() {
    const { session, collection, mayChange } = this;
    const place = el('div', { class: 'collection-actions' });
    const run = (action) => () => attempt(place, action);
    const isSealed = collection.sealed_at !== null;
    place.append(el('div', { class: 'actions' },
      button('Copy the id', run(() => copy(collection.id, 'Id'))),
      isSealed && button('Manifest', run(() => showManifest(session, collection))),
      mayChange && this.isOpen && button('Seal', run(() => this.seal())),
      mayChange && button('Delete the collection', run(() => this.remove()), { class: 'danger' })));
    return place;
  }

  async seal() {
    const { session } = this;
    const done = await confirm({
      title: 'Seal the collection?',
      text: [name(labelOf(this.collection)), 'No file can be added or deleted from then on. This cannot be undone.'],
      label: 'Seal',
      action: () => session.api.v1('POST', `${this.path}/seal`),
    });
    if (!done) return;
    await session.steps.reload();
    say('Collection sealed');
  }

  async remove() {
    const { session, collection } = this;
    const done = await confirm({
      title: 'Delete the collection?',
      text: [name(labelOf(collection)), `This deletes its files too: ${count(collection.files, 'file')}. This cannot be undone.`],
      label: 'Delete',
      action: () => session.api.v1('DELETE', this.path),
    });
    if (!done) return;
    await session.steps.go(null);
    say(`Collection ${labelOf(collection)} deleted`);
  }

  search() {
    const input = el('input', { type: 'search', autocomplete: 'off', spellcheck: 'false', maxlength: 1024 });
    const apply = () => {
      this.prefix = input.value;
      return this.list.load();
    };
    return form({ class: 'inline', role: 'search', 'aria-label': 'Find in this folder' }, apply,
      field('Name begins with', input), el('button', {}, 'Search'));
  }

  files() {
    const columns = [['Name'], ['Type', 'widest'], ['Size', 'number'], ['Deposited', 'wide'], ['Actions', 'wide']];
    const { element, body: folders } = table('Folders and files', columns);
    const files = el('tbody');
    element.append(files);
    this.bodies = { folders, files };
    // The rows by the names of the files, and of the folders with a slash at their end.
    this.rows = new Map();
    return new PagedList({
      label: 'List of folders and files',
      table: element,
      read: (after) => {
        if (!after.after) this.rows.clear();
        const query = { prefix: this.folder + this.prefix, delimiter: '/', ...after, limit: PAGE };
        return this.session.api.v1('GET', `${this.path}/files`, { query });
      },
      show: (page) => {
        const added = [
          ...page.folders.map((each) => this.add(each, () => this.folderRow(each), folders)),
          ...page.files.map((each) => this.add(each.name, () => this.fileRow(each), files))];
        return added.filter(Boolean).length;
      },
      describe: (shown, isAll) => {
        const entries = shown === 1 ? '1 entry' : `${shown.toLocaleString('en')} entries`;
        if (shown > 0 || !isAll) return `${entries} shown${isAll ? '' : '; more follow.'}`;
        return this.prefix ? 'No name begins with this.' : 'There are no files here yet.';
      },
    });
  }

  // Adds a row at its place in the order of the names. Returns whether it is new.
  add(key, row, body) {
    if (this.rows.has(key)) return false;
    const added = row();
    const follows = [...body.rows].find((each) => each.dataset.name > key);
    added.dataset.name = key;
    body.insertBefore(added, follows ?? null);
    this.rows.set(key, added);
    return true;
  }

  folderRow(folder) {
    const segment = foldersOf(folder).at(-1).segment;
    return el('tr', {},
      el('th', { scope: 'row' }, button([el('bdi', { class: 'name' }, visible(segment)), '/'], () => this.go(folder), {
        class: 'link', 'aria-label': `Folder ${visible(segment)}`,
      })),
      el('td', { class: 'widest' }, 'folder'),
      el('td', { class: 'number' }), el('td', { class: 'wide' }), el('td', { class: 'wide' }));
  }

  fileRow(file) {
    const { session, collection } = this;
    const artifact = artifactOf(collection, file);
    const label = visible(artifact.file_name);
    const mayDelete = this.mayChange && this.isOpen;
    const act = (action) => () => action().catch((error) => report(error, this.list.element));
    const removed = () => {
      const target = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector('button');
      row.remove();
      this.rows.delete(file.name);
      this.list.summarize(-1);
      (target ?? this.heading).focus();
      this.reread();
      say(`${label} deleted`);
    };
    const details = () => showDetails(session, artifact, {
      removed, mayDelete, facts: [['Path', name(file.name)]],
    });
    const row = el('tr', {},
      el('th', { scope: 'row' }, button(name(artifact.file_name), act(details), { class: 'link' })),
      el('td', { class: 'widest' }, visible(file.content_type)),
      el('td', { class: 'number' }, bytes(file.size_bytes)),
      el('td', { class: 'wide' }, time(file.created_at)),
      el('td', { class: 'wide' }, el('div', { class: 'actions' },
        button('Download', act(() => saveFile(session, artifact)), { 'aria-label': `Download ${label}` }),
        button('Copy URI', act(() => copyUri(artifact)), { 'aria-label': `Copy URI of ${label}` }),
        mayDelete && button('Delete', act(() => this.removeFile(file, removed)), {
          'aria-label': `Delete ${label}`, class: 'danger',
        }))));
    return row;
  }

  async removeFile(file, removed) {
    const done = await confirm({
      title: 'Delete the file?',
      text: [name(file.name), 'This cannot be undone. No other file ever gets its name in the collection.'],
      label: 'Delete',
      action: () => this.session.api.v1('DELETE', pathOfFile(this.collection.id, file.name)),
    });
    if (done) removed();
  }

  // Shows a file that was just stored, or the folder that it is in, unless it is on a later page.
  stored(file) {
    if (!this.heading.isConnected) return;
    this.reread();
    const shown = this.folder + this.prefix;
    if (!this.list.isComplete || !file.name.startsWith(shown)) return;
    const slash = file.name.indexOf('/', shown.length);
    const folder = file.name.slice(0, slash + 1);
    const isNew = slash < 0
      ? this.add(file.name, () => this.fileRow(file), this.bodies.files)
      : this.add(folder, () => this.folderRow(folder), this.bodies.folders);
    if (isNew) this.list.summarize(1);
  }

  // Reads the collection again, because its size has changed. Many files that are stored at once make few requests.
  reread() {
    this.isStale = true;
    this.reading ??= this.#read().catch(() => {}).finally(() => {
      this.reading = null;
    });
  }

  async #read() {
    while (this.isStale) {
      this.isStale = false;
      this.collection = await this.session.api.v1('GET', this.path);
      this.describe();
    }
  }
}

// Where the uploads into a collection go.
function destination(session, collection) {
  const folder = el('input', { class: 'folder', autocomplete: 'off', spellcheck: 'false', maxlength: 1024 });
  return {
    fields: (chooser) => [
      field('Or a whole folder', chooser({ webkitdirectory: true }), 'With all that is in it.'),
      field('Into the folder', folder, 'Such as logs/. Empty: the collection itself.'),
    ],
    pathOf: (file) => {
      const into = folder.value.replace(/\/*$/, '');
      return `${into ? `${into}/` : ''}${file.webkitRelativePath || file.name}`;
    },
    send: (file, path, options) => uploadInto(session.api, collection.id, path, file, options),
    artifactOf: (file) => artifactOf(collection, file),
  };
}
