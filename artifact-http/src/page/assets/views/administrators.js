// The named administrators and their tokens.
import { button, choice, el, field, form, show, table, terms } from '../dom.js';
import { confirm, copy, open, showToken } from '../dialog.js';
import { code, count, name, time, visible } from '../format.js';
import { attempt, report, say } from '../messages.js';
import { PagedList } from '../paged.js';
import { EXPIRY, expiryOf, tokenEnd } from './tokens.js';

export const id = 'administrators';
export const title = 'Administrators';
export const isFor = (session) => session.isAdmin && session.hasIdentities;

const PAGE = 100;

export async function render(place, session) {
  const { api } = session;
  const columns = [['Name'], ['Token expires'], ['Id', 'wide'], ['Registered', 'wide']];
  const { element: rows, body } = table('Named administrators, the oldest first', columns);
  let unreadable = 0;
  const list = new PagedList({
    label: 'List of administrators',
    table: rows,
    read: (after) => api.server('GET', '/administrators', { query: { ...after, limit: PAGE } }),
    show: (page) => {
      ({ unreadable } = page);
      body.append(...page.administrators.map(row));
      return page.administrators.length;
    },
    describe: (shown, isAll) => {
      const records = unreadable > 0 ? ` ${count(unreadable, 'record')} cannot be read; tell the operator.` : '';
      if (shown === 0 && isAll) return `There are no named administrators.${records}`;
      return `${count(shown, 'administrator')} shown${isAll ? '' : '; more follow.'}${records}`;
    },
  });

  function row(administrator) {
    const label = visible(administrator.name);
    const expires = el('td', {}, tokenEnd(administrator));
    const changed = (found) => show(expires, tokenEnd(found));
    const removed = () => {
      const target = (element.nextElementSibling ?? element.previousElementSibling)?.querySelector('button');
      element.remove();
      list.summarize(-1);
      (target ?? document.querySelector('h1')).focus();
      say(`${label} deleted`);
    };
    const act = () => details(session, administrator, { changed, removed }).catch((error) => report(error, list.element));
    const element = el('tr', {},
      el('th', { scope: 'row' }, button(name(administrator.name), act, { class: 'link' })),
      expires,
      el('td', { class: 'wide' }, code(administrator.administrator_id)),
      el('td', { class: 'wide' }, time(administrator.created_at)));
    return element;
  }

  place.append(
    el('p', { class: 'summary' }, 'They may do whatever admin may, in every experiment.'),
    registration(api, list), list.element);
  await list.load();
}

function registration(api, list) {
  const displayName = el('input', { autocomplete: 'off', maxlength: 128, required: true });
  const expiry = choice(EXPIRY);
  const element = form({ class: 'card inline', 'aria-label': 'Register an administrator' }, () => attempt(element, async () => {
    const body = { name: displayName.value.trim(), ...expiryOf(expiry) };
    const administrator = await api.server('POST', '/administrators', { body });
    displayName.value = '';
    // Shown first: it can never be shown again.
    await showToken(administrator.administrator_id, administrator.registration_token);
    await list.load();
    say(`${visible(administrator.name)} registered`);
  }), field('Name of the new administrator', displayName), field('Token expires', expiry),
  el('button', { class: 'primary' }, 'Register'));
  return element;
}

async function details(session, listed, { changed, removed }) {
  const { api } = session;
  const path = `/administrators/${listed.administrator_id}`;
  const facts = el('div');
  const dialog = open(visible(listed.name), [facts]);
  dialog.element.classList.add('details');

  async function read() {
    const found = await api.server('GET', path);
    show(facts, terms([
      ['Id', code(found.administrator_id)],
      ['Registered', [time(found.created_at), ' by ', code(found.created_by)]],
      ['Token expires', tokenEnd(found)],
    ]));
    changed(found);
  }

  if (!await attempt(dialog.body, read)) return;
  // Who revokes the own token is signed out by the next request.
  const own = listed.administrator_id === api.principal ? ' You are signed in by it.' : '';
  const expiry = choice(EXPIRY);
  const issue = form({ class: 'inline', 'aria-label': 'New token' }, () => attempt(dialog.body, async () => {
    const issued = await api.server('POST', `${path}/token`, { body: expiryOf(expiry) });
    await showToken(issued.administrator_id, issued.registration_token);
    await read();
  }), field('New token expires', expiry, `The old token is invalid from then on.${own}`), el('button', {}, 'Issue a new token'));
  const revoke = button('Revoke the token', async () => {
    const done = await confirm({
      title: 'Revoke the token?',
      text: [`The administrator can do nothing until it gets a new token.${own}`, name(listed.name)],
      label: 'Revoke',
      action: () => api.server('DELETE', `${path}/token`),
    });
    if (done && await attempt(dialog.body, read)) say('Token revoked');
  }, { class: 'danger' });
  const remove = button('Delete the administrator', async () => {
    const done = await confirm({
      title: 'Delete the administrator?',
      text: [`Its artifacts stay. Its token is invalid from then on.${own}`, name(listed.name)],
      label: 'Delete',
      action: () => api.server('DELETE', path),
    });
    if (!done) return;
    dialog.closed.then(removed);
    dialog.close();
  }, { class: 'danger' });
  dialog.body.append(issue, el('div', { class: 'actions' },
    button('Copy the id', () => copy(listed.administrator_id, 'Id')), revoke, remove));
}
