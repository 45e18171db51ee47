// The place for files, and the files that are sent. They go on while another view is shown.
import { button, choice, el, field, show } from '../dom.js';
import { bytes, count, name, visible } from '../format.js';
import { problem, report, say } from '../messages.js';
import { newKey } from '../upload.js';
import { copyUri, showDetails } from './artifact.js';

// How many files are sent at the same time.
const AT_ONCE = 2;

const KEEP = [['', 'As the experiment says'], ['86400', '1 day'], ['604800', '7 days'], ['2592000', '30 days'],
  ['31536000', '365 days']];

// A place has `fields(add)`, which returns further fields of the form, `pathOf(file)`, `send(file, path, options)`, which returns what is
// stored, and `artifactOf(stored)`.
export class Uploads {
  #session;
  #place;
  #waiting = [];
  #running = new Set();

  constructor(session, place) {
    this.#session = session;
    this.#place = place;
    // Called with what each upload has stored.
    this.onStored = () => {};
    this.keep = choice(KEEP);
    this.list = el('ul', { class: 'uploads', 'aria-label': 'Uploads' });
    const heading = el('h2', { id: `upload-${newKey()}` }, 'Upload');
    this.element = el('section', { class: 'drop card', 'aria-labelledby': heading.id }, heading,
      el('div', { class: 'grid' },
        field('Files', this.chooser({ multiple: true }), 'Or drop files here.'),
        place.fields((attributes) => this.chooser(attributes)),
        field('Keep for', this.keep)),
      this.list);
    this.#acceptDrops();
  }

  // Creates a field that chooses files.
  chooser(attributes) {
    const input = el('input', { type: 'file', ...attributes });
    input.addEventListener('change', () => {
      this.add([...input.files]);
      input.value = '';
    });
    return input;
  }

  get isBusy() {
    return this.#running.size + this.#waiting.length > 0;
  }

  // Queues files.
  add(files) {
    for (const file of files) {
      const item = this.#item(file, this.keep.value);
      this.list.append(item.element);
      this.#waiting.push(item);
    }
    if (files.length > 1) say(`${count(files.length, 'file')} added`);
    this.#next();
  }

  cancelAll() {
    for (const item of [...this.#waiting, ...this.#running]) item.cancel();
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length > 0) {
      const item = this.#waiting.shift();
      this.#running.add(item);
      item.run().finally(() => {
        this.#running.delete(item);
        this.#next();
      });
    }
  }

  #acceptDrops() {
    const mark = (isOver) => this.element.classList.toggle('over', isOver);
    this.element.addEventListener('dragover', () => mark(true));
    this.element.addEventListener('dragleave', (event) => {
      if (!this.element.contains(event.relatedTarget)) mark(false);
    });
    this.element.addEventListener('drop', (event) => {
      mark(false);
      const items = [...event.dataTransfer.items].filter((item) => item.kind === 'file');
      const folders = items.filter((item) => item.webkitGetAsEntry?.()?.isDirectory);
      const files = items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile());
      if (folders.length > 0) report(new Error('A folder cannot be dropped. Drop the files in it.'), this.element);
      this.add(files.filter(Boolean));
    });
  }

  #item(file, expiresIn) {
    const session = this.#session;
    const place = this.#place;
    const path = place.pathOf(file);
    const label = visible(path);
    const key = newKey();
    const bar = el('progress', { max: file.size || 1, value: 0, 'aria-label': `Upload of ${label}` });
    const state = el('span', { class: 'state' }, 'waiting');
    const result = el('div', { class: 'result' });
    const cancelButton = button('Cancel', () => item.cancel(), { 'aria-label': `Cancel the upload of ${label}` });
    const buttons = el('div', { class: 'actions' }, cancelButton);
    const dismiss = () => button('Dismiss', () => {
      element.remove();
      document.querySelector('h1').focus();
    }, { 'aria-label': `Dismiss ${label}` });
    const element = el('li', {},
      el('p', {}, name(path), ` (${bytes(file.size)}) `, state), bar, buttons, result);
    // The focus stays in the entry when its buttons change.
    const replace = (...replacement) => {
      const hadFocus = buttons.contains(document.activeElement);
      show(buttons, replacement);
      if (hadFocus) buttons.querySelector('button').focus();
    };
    let control = new AbortController();
    let isDone = false;
    let isRepeat = false;

    const finish = (text, said) => {
      isDone = true;
      bar.hidden = true;
      state.textContent = text;
      say(said);
    };
    const retry = () => {
      isDone = false;
      isRepeat = true;
      control = new AbortController();
      bar.hidden = false;
      bar.value = 0;
      show(result);
      state.textContent = 'waiting';
      replace(cancelButton);
      this.#waiting.push(item);
      this.#next();
    };
    const item = {
      element,
      cancel: () => {
        control.abort();
        this.#waiting = this.#waiting.filter((each) => each !== item);
        if (isDone) return;
        finish('cancelled', `Upload of ${label} cancelled`);
        replace(button('Try again', retry, { 'aria-label': `Try again: ${label}` }), dismiss());
      },
      run: async () => {
        state.textContent = 'sending';
        say(`Uploading ${label}`);
        const onProgress = (sent) => {
          bar.value = sent;
          if (file.size > 0 && !isDone) state.textContent = `${Math.floor((100 * sent) / file.size)} %`;
        };
        try {
          const options = { onProgress, signal: control.signal, key, expiresIn, isRepeat };
          const stored = await place.send(file, path, options);
          const artifact = place.artifactOf(stored);
          finish('stored', `${label} is stored`);
          this.onStored(stored);
          replace(
            button('Copy URI', () => copyUri(artifact), { 'aria-label': `Copy URI of ${label}` }),
            button('Details', () => showDetails(session, artifact, { removed: () => element.remove() }), {
              'aria-label': `Details of ${label}`,
            }),
            dismiss());
        } catch (error) {
          if (isDone || error.name === 'AbortError') return;
          finish('failed', `Upload of ${label} failed`);
          show(result, problem(error));
          replace(button('Try again', retry, { 'aria-label': `Try again: ${label}` }), dismiss());
        }
      },
    };
    return item;
  }
}
