// Who else may read an artifact: grants to workers and groups, and links.
import { button, choice, el, field, form, show, table } from '../dom.js';
import { confirm, open, showOnce } from '../dialog.js';
import { code, count, name, time } from '../format.js';
import { attempt, say } from '../messages.js';
import { labelOf } from './artifact.js';
import { idField } from './principals.js';

// The server has at most this many grants and this many links for an artifact, which is also its longest page.
const MAX = 1000;

const LINK_EXPIRY = [['3600', 'In 1 hour'], ['86400', 'In 1 day'], ['604800', 'In 7 days'], ['2592000', 'In 30 days']];

// Shows the grants and links of the artifact, which the principal may change.
export async function showSharing(session, artifact) {
  const path = `/artifacts/${artifact.id}`;
  const grants = session.hasIdentities && grantsOf(session, artifact, path);
  const links = session.has('links') && linksOf(session, artifact, path);
  const sections = [grants, links].filter(Boolean);
  const dialog = open(`Share ${labelOf(artifact)}`, sections.map((each) => each.element));
  dialog.element.classList.add('details');
  await Promise.all(sections.map((each) => attempt(each.element, each.load)));
}

// Creates a section with a table. `rows(remove)` reads the list and returns its rows; the focus goes to the heading when the row that
// had it is gone.
function section(title, caption, columns, none, noun, rows) {
  const heading = el('h3', { tabindex: '-1' }, title);
  const summary = el('p', { class: 'summary' });
  const { element: list, body } = table(caption, columns);
  const element = el('section', { 'aria-label': title }, heading, summary, el('div', { class: 'scroll' }, list));
  const load = async () => {
    const found = await rows();
    const hadFocus = list.contains(document.activeElement);
    show(body, found);
    list.hidden = found.length === 0;
    summary.textContent = found.length === 0 ? none : count(found.length, noun);
    if (hadFocus) heading.focus();
  };
  return { element, heading, load };
}

// Revokes a grant or a link after a question.
async function revoke(api, path, { title, text, said, heading, load }) {
  const done = await confirm({ title, text, label: 'Revoke', action: () => api.v1('DELETE', path) });
  if (!done) return;
  await load();
  heading.focus();
  say(said);
}

function grantsOf(session, artifact, path) {
  const { api } = session;
  const columns = [['Who'], ['Until'], ['Granted', 'wide'], ['Actions']];
  const part = section('Workers and groups', 'Who may read the artifact, besides its depositor and administrators', columns,
    'No worker and no group has a grant.', 'grant', async () => {
      const { grants } = await api.v1('GET', `${path}/grants`, { query: { limit: MAX } });
      return grants.map(row);
    });

  function row(grant) {
    const id = grant.worker ?? grant.group;
    const label = el('th', { scope: 'row' }, code(id));
    const revokeButton = button('Revoke', () => attempt(part.element, () => revoke(api, `${path}/grants/${grant.id}`, {
      title: 'Revoke the grant?',
      text: [code(id), 'The worker or group cannot read the artifact by it from then on.'],
      said: 'Grant revoked',
      ...part,
    })), { class: 'danger', 'aria-label': `Revoke the grant to ${id}` });
    session.nameOf(id).then((found) => found && label.prepend(name(found), ' '));
    return el('tr', {}, label,
      el('td', {}, grant.expires_at === null ? 'no end' : time(grant.expires_at)),
      el('td', { class: 'wide' }, time(grant.created_at), ' by ', code(grant.created_by)),
      el('td', {}, revokeButton));
  }

  const grantee = idField(session, 'Id of the worker or group');
  const until = el('input', { type: 'datetime-local' });
  part.element.append(form({ class: 'inline', 'aria-label': 'Grant' }, () => attempt(part.element, async () => {
    const id = grantee.input.value.trim();
    const body = id.startsWith('grp_') ? { group: id } : { worker: id };
    // The field has the time zone of the browser, the server wants UTC.
    if (until.value) body.expires_at = new Date(until.value).toISOString();
    await api.v1('POST', `${path}/grants`, { body });
    grantee.input.value = '';
    await part.load();
    say('Granted');
  }), grantee.element, field('May read until', until, 'Empty: until the grant is revoked.'), el('button', {}, 'Grant')));
  return { element: part.element, load: () => Promise.all([part.load(), grantee.load()]) };
}

function linksOf(session, artifact, path) {
  const { api } = session;
  const columns = [['Expires'], ['Downloads', 'number'], ['Made', 'wide'], ['Actions']];
  const part = section('Links', 'Links that work now', columns, 'No link works now.', 'link', async () => {
    const { links } = await api.v1('GET', `${path}/links`, { query: { limit: MAX } });
    return links.map(row);
  });

  function row(link) {
    const downloads = link.max_downloads === null ? 'not limited'
      : `${link.downloads.toLocaleString('en')} of ${link.max_downloads.toLocaleString('en')}`;
    return el('tr', {},
      el('th', { scope: 'row' }, time(link.expires_at)),
      el('td', { class: 'number' }, downloads),
      el('td', { class: 'wide' }, time(link.created_at), ' by ', code(link.created_by)),
      el('td', {}, button('Revoke', () => attempt(part.element, () => revoke(api, `${path}/links/${link.id}`, {
        title: 'Revoke the link?',
        text: 'Its URL works for no one from then on.',
        said: 'Link revoked',
        ...part,
      })), { class: 'danger', 'aria-label': `Revoke the link of ${link.created_at}` })));
  }

  const expiry = choice(LINK_EXPIRY);
  const most = el('input', { type: 'number', min: 1, max: 4294967295, step: 1 });
  expiry.value = '86400';
  part.element.append(form({ class: 'inline', 'aria-label': 'Make a link' }, () => attempt(part.element, async () => {
    const body = { expires_in: Number(expiry.value) };
    if (most.value) body.max_downloads = Number(most.value);
    const { url } = await api.v1('POST', `${path}/links`, { body });
    most.value = '';
    // Shown first: it can never be shown again.
    await showOnce({
      title: 'New link',
      text: 'Copy the URL now, and keep it like a password: everyone who has it can download the artifact. It cannot be shown again.',
      what: 'URL',
      secret: url,
      facts: [['Artifact', name(labelOf(artifact))]],
    });
    await part.load();
    say('Link made');
  }), field('Expires', expiry), field('Maximum downloads', most, 'Empty: not limited.'), el('button', {}, 'Make a link')));
  return part;
}
