// A list that the server returns in pages.
import { button, el } from './dom.js';
import { attempt, say } from './messages.js';

// The server may return pages with few entries, or none, although more follow.
const MAX_EMPTY_PAGES = 20;

export class PagedList {
  #read;
  #describe;
  #next = null;
  // Counts the loads, so that the pages of an earlier one are dropped.
  #load = 0;
  #bodies;
  #scroll;
  #summary = el('p', { class: 'summary' });
  #more = button('Show more', () => this.showMore(), { hidden: true });

  // `read(after)` returns a page with `next`, and `show(page)` returns how many entries it has added to the table.
  // `describe(shown, isAll)` says what the list shows.
  constructor({ label, table, read, show, describe }) {
    this.#read = read;
    this.show = show;
    this.#describe = describe;
    this.#bodies = [...table.tBodies];
    this.#scroll = el('div', { class: 'scroll', hidden: true }, table);
    this.shown = 0;
    this.element = el('section', { 'aria-label': label },
      this.#summary, this.#scroll, el('div', { class: 'actions' }, this.#more));
  }

  get isComplete() {
    return this.#next === null;
  }

  // Loads the first page. Returns whether that succeeded.
  async load() {
    this.#load += 1;
    this.#next = null;
    this.shown = 0;
    for (const body of this.#bodies) body.replaceChildren();
    this.#scroll.hidden = this.#more.hidden = true;
    this.#summary.textContent = 'Loading ...';
    const done = await attempt(this.element, () => this.#page());
    if (done) this.#sayShown();
    else this.#summary.textContent = '';
    return done;
  }

  // Loads the next page and moves the focus to its first entry.
  async showMore() {
    const last = this.#bodies.map((body) => body.lastElementChild);
    if (!await attempt(this.element, () => this.#page())) return;
    const added = this.#bodies.map((body, at) => (last[at] ? last[at].nextElementSibling : body.firstElementChild));
    added.find(Boolean)?.querySelector('button')?.focus();
    this.#sayShown();
  }

  // Says how many entries are shown, after one was added or removed.
  summarize(change = 0) {
    this.shown += change;
    this.#summary.textContent = this.#describe(this.shown, this.isComplete);
    this.#scroll.hidden = this.shown === 0;
    this.#more.hidden = this.isComplete;
  }

  async #page() {
    const load = this.#load;
    for (let pages = 0; pages < MAX_EMPTY_PAGES; pages += 1) {
      const page = await this.#read(this.#next === null ? {} : { after: this.#next });
      if (load !== this.#load) return;
      this.#next = page.next;
      const added = this.show(page);
      this.shown += added;
      if (added > 0 || page.next === null) break;
    }
    this.summarize();
  }

  #sayShown() {
    // The page shows it already.
    say(this.#summary.textContent, { isSeen: false });
  }
}
