// Modal dialogs.
import { el, button, show } from './dom.js';
import { attempt, say } from './messages.js';

let dialogs = 0;

// Opens a dialog with a heading, its content and a button that closes it. Returns `{ element, body, close, closed }`. The
// browser keeps the focus in it, closes it with Escape and returns the focus.
export function open(title, content, { closeLabel = 'Close', role = 'dialog', actions = [] } = {}) {
  const id = `dialog-${++dialogs}`;
  const body = el('div', { class: 'dialog-body' }, ...content);
  const close = () => element.close();
  const heading = el('h2', { id, tabindex: '-1' }, title);
  const footer = el('div', { class: 'actions' }, ...actions, button(closeLabel, close));
  const element = el('dialog', { 'aria-labelledby': id, role }, heading, body, footer);
  document.body.append(element);
  const closed = new Promise((resolve) => {
    element.addEventListener('close', () => {
      // The message of an action in the dialog stays on the page.
      const status = document.getElementById('status');
      if (element.contains(status)) document.body.append(status);
      element.remove();
      // The browser returns the focus, but not to an element that is gone.
      if (document.activeElement === document.body) document.querySelector('h1')?.focus();
      resolve();
    });
  });
  element.showModal();
  heading.focus();
  return { element, body, close, closed };
}

// Asks before an action. Returns whether it was done. An error of the action is shown in the dialog, which stays open.
export async function confirm({ title, text, label, action }) {
  let done = Promise.resolve(false);
  const act = button(label, async () => {
    act.disabled = true;
    done = attempt(dialog.body, action);
    if (await done) dialog.close();
    act.disabled = false;
  }, { class: 'danger' });
  const content = [].concat(text).map((line) => el('p', {}, line));
  const dialog = open(title, content, { closeLabel: 'Cancel', role: 'alertdialog', actions: [act] });
  await dialog.closed;
  // An action goes on although its dialog was closed.
  return done;
}

// Copies a text. Without the right to the clipboard, which a page without TLS does not have, it shows the text selected.
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied`);
  } catch {
    const box = el('input', { readonly: true, value: text, 'aria-label': what, class: 'wide-input' });
    open(`Copy: ${what}`, [el('p', {}, 'The browser does not let the page copy. Copy the selected text yourself.'), box]);
    box.focus();
    box.select();
  }
}

// Shows a new token, which the server returns only once. It is gone when the dialog closes.
export async function showToken(worker) {
  const token = el('code', { class: 'token' }, worker.registration_token);
  const dialog = open('New token', [
    el('p', {}, 'Copy the token now. The server keeps only a hash of it and cannot show it again.'),
    el('dl', {},
      el('dt', {}, 'Principal'), el('dd', {}, el('code', {}, worker.worker_id)),
      el('dt', {}, 'Token'), el('dd', {}, token)),
  ], { actions: [button('Copy the token', () => copy(token.textContent, 'Token'))] });
  await dialog.closed;
  show(token);
}
