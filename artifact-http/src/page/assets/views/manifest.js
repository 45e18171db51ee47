// The manifest of a sealed collection.
import { labelOf } from '../collection.js';
import { button, el, table, terms } from '../dom.js';
import { copy, open } from '../dialog.js';
import { saveText } from '../download.js';
import { bytes, code, count, name } from '../format.js';
import { attempt, say } from '../messages.js';

// The most files that are shown; the saved list has all.
const MAX_ROWS = 200;

export async function showManifest(session, collection) {
  const dialog = open('Manifest', [el('p', {}, name(labelOf(collection)))]);
  dialog.element.classList.add('details');
  await attempt(dialog.body, async () => {
    const { files, total } = await session.api.v1('GET', `/collections/${collection.id}/manifest`);
    const rows = files.slice(0, MAX_ROWS).map((file) => el('tr', {},
      el('th', { scope: 'row' }, name(file.name)),
      el('td', { class: 'number' }, bytes(file.size_bytes)),
      el('td', { class: 'wide' }, code(file.sha256))));
    const list = table('Files at the time of the seal', [['Name'], ['Size', 'number'], ['SHA-256', 'wide']], rows).element;
    const hidden = files.length - rows.length;
    dialog.body.append(el('div', {},
      terms([
        ['SHA-256', code(total.sha256)],
        ['Files', `${count(total.files, 'file')}, ${bytes(total.size_bytes)}`],
      ]),
      el('p', { class: 'summary' }, 'The SHA-256 is that of the saved list, which sha256sum -c compares with the files.'),
      el('div', { class: 'actions manifest-actions' },
        button('Copy SHA-256', () => copy(total.sha256, 'SHA-256'), { class: 'primary' }),
        button('Save the list', () => {
          // A name has no line feed and no backslash, so sha256sum writes the same lines.
          const lines = files.map((file) => `${file.sha256}  ${file.name}\n`);
          saveText(lines.join(''), 'SHA256SUMS');
          say('List saved');
        })),
      files.length > 0 && el('div', { class: 'scroll' }, list),
      hidden > 0 && el('p', { class: 'summary' }, `${count(hidden, 'more file')}; the saved list has all.`)));
  });
}
