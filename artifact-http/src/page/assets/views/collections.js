// The collections of an experiment. A step leads into one of them and its folders.
import { button, el, field, form, table } from '../dom.js';
import { bytes, code, count, name, time } from '../format.js';
import { attempt, say } from '../messages.js';
import { PagedList } from '../paged.js';
import { labelOf, stateOf } from '../collection.js';
import * as collection from './collection.js';

export const id = 'collections';
export const title = 'Collections';
export const isFor = (session) => session.has('collections');

const PAGE = 50;

export async function render(place, session) {
  const { api, steps } = session;
  // Where a step leads: the id of a collection, and a folder in it, which is empty or ends with a slash.
  if (steps.current) return collection.render(place, session, steps.current);
  const columns = [['Title'], ['State'], ['Files', 'number'], ['Size', 'number'], ['Owner', 'wide'], ['Created', 'wide']];
  const { element, body } = table('Collections, the oldest first', columns);
  const list = new PagedList({
    label: 'List of collections',
    table: element,
    read: (after) => api.v1('GET', '/collections', { query: { ...after, limit: PAGE } }),
    show: ({ collections }) => {
      body.append(...collections.map((each) => row(session, each)));
      return collections.length;
    },
    describe: (shown, isAll) => {
      if (shown === 0 && isAll) return 'There are no collections yet.';
      return `${count(shown, 'collection')} shown${isAll ? '' : '; more follow.'}`;
    },
  });
  place.append(creation(session), list.element);
  await list.load();
}

function row(session, found) {
  const owner = el('td', { class: 'wide', title: found.created_by }, code(found.created_by));
  session.nameOf(found.created_by).then((known) => known && owner.replaceChildren(name(known)));
  const enter = () => session.steps.go({ collection: found.id, folder: '' });
  return el('tr', {},
    el('th', { scope: 'row' }, button(name(labelOf(found)), enter, { class: 'link' })),
    el('td', {}, stateOf(found)),
    el('td', { class: 'number' }, found.files.toLocaleString('en')),
    el('td', { class: 'number' }, bytes(found.size_bytes)),
    owner,
    el('td', { class: 'wide' }, time(found.created_at)));
}

function creation(session) {
  const text = el('input', { autocomplete: 'off', maxlength: 128 });
  const element = form({ class: 'card inline', 'aria-label': 'Create a collection' }, () => attempt(element, async () => {
    const wanted = text.value.trim();
    const body = wanted ? { title: wanted } : {};
    const created = await session.api.v1('POST', '/collections', { body });
    await session.steps.go({ collection: created.id, folder: '' });
    say(`Collection ${labelOf(created)} created`);
  }), field('Title of the new collection', text), el('button', { class: 'primary' }, 'Create'));
  return element;
}
