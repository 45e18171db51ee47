// Modal dialogs.
import { el, button, rescueFocus, show, terms } from './dom.js';
import { code } from './format.js';
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
      rescueFocus();
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

// Shows a secret that the server returns only once. It is gone when the dialog closes. `what` is its name in the middle of a
// sentence, and `facts` are pairs of a term and a value above it.
export async function showOnce({ title, text, what, secret, facts = [] }) {
  const shown = el('code', { class: 'token' }, secret);
  const label = what[0].toUpperCase() + what.slice(1);
  const dialog = open(title, [el('p', {}, text), terms([...facts, [label, shown]])], {
    actions: [button(`Copy the ${what}`, () => copy(shown.textContent, label), { class: 'primary' })],
  });
  await dialog.closed;
  show(shown);
}

// Shows the new token of a principal.
export function showToken(principal, token) {
  return showOnce({
    title: 'New token',
    text: 'Copy the token now. The server keeps only a hash of it and cannot show it again.',
    what: 'token',
    secret: token,
    facts: [['Principal', code(principal)]],
  });
}
