// One artifact: its details and what can be done with it.
import { button, el, show, terms } from '../dom.js';
import { confirm, copy, open } from '../dialog.js';
import { save } from '../download.js';
import { bytes, code, name, time, visible } from '../format.js';
import { kept } from '../holds.js';
import { attempt, say } from '../messages.js';
import { showSharing } from './sharing.js';

// From this size on a download shows its progress in a dialog.
const SHOWS_PROGRESS = 8 * 1024 * 1024;

export const labelOf = (artifact) => visible(artifact.file_name ?? artifact.id);

export function copyUri(artifact) {
  return copy(artifact.artifacts_uri, 'URI');
}

// Saves the artifact as a file. A large one shows its progress, and can be cancelled.
export async function saveFile(session, artifact) {
  if (artifact.size_bytes < SHOWS_PROGRESS) {
    await save(session.api, artifact);
    say(`${labelOf(artifact)} downloaded`);
    return;
  }
  const control = new AbortController();
  const bar = el('progress', { max: artifact.size_bytes, value: 0, 'aria-label': 'Downloaded' });
  const text = el('p', {}, `0 bytes of ${bytes(artifact.size_bytes)}`);
  const onProgress = (arrived) => {
    bar.value = arrived;
    text.textContent = `${bytes(arrived)} of ${bytes(artifact.size_bytes)}`;
  };
  const saving = save(session.api, artifact, { onProgress, signal: control.signal });
  const dialog = open('Download', [el('p', {}, name(labelOf(artifact))), bar, text], { closeLabel: 'Cancel' });
  dialog.closed.then(() => control.abort());
  const done = await attempt(dialog.body, async () => {
    if (await saving) say(`${labelOf(artifact)} downloaded`);
  });
  if (done) dialog.close();
}

// Deletes the artifact after a question. Calls `removed` if it is gone.
export async function remove(session, artifact, removed) {
  const done = await confirm({
    title: 'Delete the artifact?',
    text: [name(labelOf(artifact)), 'This cannot be undone. The URI is never used again.'],
    label: 'Delete',
    action: () => session.api.v1('DELETE', `/artifacts/${artifact.id}`),
  });
  if (done) removed();
}

// Shows all that is recorded about the artifact. Calls `removed` if it is gone, and `changed` with what was read. `facts` are further
// pairs of a term and a value; without `mayDelete` there is no button for that.
export async function showDetails(session, artifact, { removed, changed = () => {}, facts = [], mayDelete = true }) {
  const { api } = session;
  const path = `/artifacts/${artifact.id}`;
  const list = el('div');
  const actions = el('div', { class: 'actions' });
  const dialog = open(labelOf(artifact), [list, actions]);
  dialog.element.classList.add('details');

  async function load() {
    const [info, retention, displayName] = await Promise.all([
      api.v1('GET', path), api.v1('GET', '/retention'), session.nameOf(artifact.created_by)]);
    const { hold } = info;
    changed(info);
    show(list, terms([
      ...facts,
      ['Name', info.file_name === null ? 'none' : name(info.file_name)],
      ['URI', code(info.artifacts_uri)],
      ['Type', visible(info.content_type)],
      ['Size', info.size_bytes < 1024 ? bytes(info.size_bytes)
        : `${bytes(info.size_bytes)} (${info.size_bytes.toLocaleString('en')} bytes)`],
      ['SHA-256', code(info.sha256)],
      ['Depositor', displayName ? [name(displayName), ' ', code(info.created_by)] : code(info.created_by)],
      ['Deposited', time(info.created_at)],
      ['Kept', [kept(info, retention), info.expires_at === null && ', as the experiment says'].flat()],
      ['Hold', hold === null ? 'none' : ['placed by ', code(hold.placed_by), ', ', time(hold.placed_at)]],
    ]));
    const run = (action) => () => attempt(dialog.body, action);
    const setHold = (method, said) => run(async () => {
      await api.v1(method, `${path}/hold`);
      await load();
      say(said);
      actions.querySelector('.hold').focus();
    });
    show(actions,
      button('Download', run(() => saveFile(session, info)), { class: 'primary' }),
      button('Copy URI', run(() => copyUri(info))),
      button('Copy SHA-256', run(() => copy(info.sha256, 'SHA-256'))),
      session.mayShare(info.created_by) && button('Share', run(() => showSharing(session, info))),
      session.isAdmin && (hold
        ? button('Release the hold', setHold('DELETE', 'Hold released'), { class: 'hold' })
        : button('Place a hold', setHold('PUT', 'Hold placed'), { class: 'hold' })),
      mayDelete && session.mayChange(info.created_by) && button('Delete', run(() => remove(session, info, () => {
        dialog.closed.then(removed);
        dialog.close();
      })), { class: 'danger' }));
  }

  await attempt(dialog.body, load);
}
