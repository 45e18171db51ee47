// Workers and their tokens.
import { button, choice, el, field, form, rescueFocus, show, table, terms } from '../dom.js';
import { confirm, copy, open, showToken } from '../dialog.js';
import { code, count, name, time, visible } from '../format.js';
import { attempt, report, say } from '../messages.js';
import { EXPIRY, expiryOf, tokenEnd } from './tokens.js';

export const id = 'workers';
export const title = 'Workers';
export const isFor = (session) => session.readsAll && session.hasIdentities;

// The most rows that are shown at once; the filter finds the others.
const MAX_ROWS = 200;

const labelOf = (worker) => visible(worker.name ?? worker.worker_id);

export async function render(place, session) {
  const section = el('section', { 'aria-label': 'List of workers' });
  const summary = el('p', { class: 'summary' });
  const { element, body } = table('Workers', [['Name'], ['Id', 'wide'], ['Registered', 'wide']]);
  const filter = el('input', { type: 'search', autocomplete: 'off', on: { input: () => fill() } });
  let workers = [];

  function fill() {
    const wanted = filter.value.trim().toLowerCase();
    const found = workers.filter((each) => `${each.name ?? ''} ${each.worker_id}`.toLowerCase().includes(wanted));
    show(body, found.slice(0, MAX_ROWS).map((worker) => el('tr', {},
      el('th', { scope: 'row' }, button(name(worker.name ?? worker.worker_id), () => {
        details(session, worker, load).catch((error) => report(error, section));
      }, { class: 'link' })),
      el('td', { class: 'wide' }, code(worker.worker_id)),
      el('td', { class: 'wide' }, time(worker.registered_at)))));
    element.hidden = found.length === 0;
    const hidden = found.length - MAX_ROWS;
    summary.textContent = count(found.length, 'worker') + (hidden > 0 ? `; the first ${MAX_ROWS} are shown.` : '');
  }
  async function load() {
    ({ workers } = await session.api.v0('GET', '/workers'));
    fill();
  }

  if (session.isAdmin) place.append(registration(session, load));
  section.append(field('Filter by name or id', filter), summary, el('div', { class: 'scroll' }, element));
  place.append(section);
  await load();
}

function registration(session, load) {
  const displayName = el('input', { autocomplete: 'off', maxlength: 128 });
  const expiry = choice(EXPIRY);
  const element = form({ class: 'card inline', 'aria-label': 'Register a worker' }, () => attempt(element, async () => {
    const named = displayName.value.trim() ? { name: displayName.value.trim() } : {};
    const worker = await session.api.v1('POST', '/workers', { body: { ...named, ...expiryOf(expiry) } });
    displayName.value = '';
    // Shown first: it can never be shown again.
    await showToken(worker.worker_id, worker.registration_token);
    await load();
    say(`${labelOf(worker)} registered`);
  }), field('Name of the new worker', displayName), field('Token expires', expiry),
  el('button', { class: 'primary' }, 'Register'));
  return element;
}

async function details(session, listed, load) {
  const { api, isAdmin } = session;
  const path = `/workers/${listed.worker_id}`;
  const facts = el('div');
  const actions = el('div', { class: 'token-actions' });
  const dialog = open(labelOf(listed), [facts, actions]);
  dialog.element.classList.add('details');

  async function read() {
    const worker = await api.v1('GET', path);
    show(facts, terms([
      ['Id', code(worker.worker_id)],
      ['Registered', [time(worker.registered_at), ' by ', code(worker.registered_by)]],
      ['Token expires', tokenEnd(worker)],
      ...Object.entries(worker.labels ?? {}).map(([key, value]) => [name(`Label ${key}`), name(value)]),
    ]));
    return worker;
  }

  await attempt(dialog.body, read);
  const copyId = button('Copy the id', () => copy(listed.worker_id, 'Id'));
  if (!isAdmin) return show(actions, copyId);
  const expiry = choice(EXPIRY);
  const issue = form({ class: 'inline', 'aria-label': 'New token' }, () => attempt(dialog.body, async () => {
    const issued = await api.v1('POST', `${path}/token`, { body: expiryOf(expiry) });
    await showToken(issued.worker_id, issued.registration_token);
    await read();
  }), field('New token expires', expiry, 'The old token is invalid from then on.'), el('button', {}, 'Issue a new token'));
  const revoke = button('Revoke the token', async () => {
    const done = await confirm({
      title: 'Revoke the token?',
      text: ['The worker can do nothing until it gets a new token.', name(labelOf(listed))],
      label: 'Revoke',
      action: () => api.v1('DELETE', `${path}/token`),
    });
    if (done && await attempt(dialog.body, read)) say('Token revoked');
  }, { class: 'danger' });
  const remove = button('Delete the worker', async () => {
    const done = await confirm({
      title: 'Delete the worker?',
      text: ['Its artifacts stay. Its token is invalid from then on.', name(labelOf(listed))],
      label: 'Delete',
      action: () => api.v1('DELETE', path),
    });
    if (!done) return;
    dialog.close();
    await load();
    rescueFocus();
    say(`${labelOf(listed)} deleted`);
  }, { class: 'danger' });
  show(actions, issue, el('div', { class: 'actions' }, copyId, revoke, remove));
}
