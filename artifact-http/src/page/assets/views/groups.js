// Groups and their members.
import { button, el, field, form, rescueFocus, show, table } from '../dom.js';
import { confirm, open } from '../dialog.js';
import { code, count, name, time, visible } from '../format.js';
import { attempt, report, say } from '../messages.js';
import { idField } from './principals.js';

export const id = 'groups';
export const title = 'Groups';
export const isFor = (session) => session.readsAll && session.hasIdentities;

// Groups that every experiment has and that cannot be deleted.
const FOUNDING = ['admins', 'orchestrators'];

const labelOf = (group) => visible(group.name ?? group.group_id);

export async function render(place, session) {
  const section = el('section', { 'aria-label': 'List of groups' });
  const summary = el('p', { class: 'summary' });
  const columns = [['Name'], ['Members', 'number'], ['Id', 'wide'], ['Created', 'wide']];
  const { element, body } = table('Groups', columns);

  // Moves the focus back to the group with the id `focused`, because all rows are new.
  async function load(focused = null) {
    const { groups } = await session.api.v0('GET', '/groups');
    show(body, groups.map((group) => el('tr', {},
      el('th', { scope: 'row' }, button(name(group.name ?? group.group_id), () => {
        details(session, group, load).catch((error) => report(error, section));
      }, { class: 'link' })),
      el('td', { class: 'number' }, group.members.length.toLocaleString('en')),
      el('td', { class: 'wide' }, code(group.group_id)),
      el('td', { class: 'wide' }, time(group.created_at)))));
    summary.textContent = count(groups.length, 'group');
    if (focused === null) return;
    const row = groups.findIndex((group) => group.group_id === focused);
    body.rows[row]?.querySelector('button').focus();
    rescueFocus();
  }

  if (session.isAdmin) place.append(creation(session, load));
  section.append(summary, el('div', { class: 'scroll' }, element));
  place.append(section);
  await load();
}

function creation(session, load) {
  const displayName = el('input', { autocomplete: 'off', maxlength: 128, required: true });
  const element = form({ class: 'card inline', 'aria-label': 'Create a group' }, () => attempt(element, async () => {
    const group = await session.api.v0('POST', '/groups', { body: { name: displayName.value.trim() } });
    displayName.value = '';
    await load();
    say(`Group ${labelOf(group)} created`);
  }), field('Name of the new group', displayName), el('button', { class: 'primary' }, 'Create'));
  return element;
}

async function details(session, group, load) {
  const { api, isAdmin } = session;
  const path = `/groups/${group.group_id}`;
  const members = el('ul', { class: 'members', 'aria-label': 'Members' });
  const summary = el('p', { class: 'summary' });
  const dialog = open(labelOf(group), [el('p', {}, code(group.group_id)), summary, members]);
  dialog.element.classList.add('details');

  function fill(found) {
    summary.textContent = found.members.length === 0 ? 'The group has no members.' : count(found.members.length, 'member');
    members.hidden = found.members.length === 0;
    show(members, found.members.map((member) => {
      const label = el('span', {}, code(member));
      session.nameOf(member).then((known) => known && label.prepend(name(known), ' '));
      return el('li', {}, label, isAdmin && button('Remove', () => attempt(dialog.body, async () => {
        fill(await api.v0('DELETE', `${path}/members/${member}`));
        (members.querySelector('button') ?? dialog.element.querySelector('h2')).focus();
        say('Member removed');
      }), { 'aria-label': `Remove ${member}` }));
    }));
  }

  await attempt(dialog.body, async () => fill(await api.v0('GET', path)));
  if (!isAdmin) return;
  const member = idField(session, 'Id of the new member');
  dialog.body.append(form({ class: 'inline', 'aria-label': 'Add a member' }, () => attempt(dialog.body, async () => {
    fill(await api.v0('POST', `${path}/members`, { body: { member_id: member.input.value.trim() } }));
    member.input.value = '';
    say('Member added');
  }), member.element, el('button', {}, 'Add')));
  if (!FOUNDING.includes(group.name)) {
    dialog.body.append(el('div', { class: 'actions' }, button('Delete the group', async () => {
      const done = await confirm({
        title: 'Delete the group?',
        text: ['It grants nothing to its members from then on.', name(labelOf(group))],
        label: 'Delete',
        action: () => api.v0('DELETE', path),
      });
      if (!done) return;
      dialog.close();
      say(`Group ${labelOf(group)} deleted`);
    }, { class: 'danger' })));
  }
  // The member counts of the list may have changed.
  dialog.closed.then(() => load(group.group_id)).catch(() => {});
  await member.load();
}
