// What the page says: short messages for screen readers and problems.
import { el, button } from './dom.js';
import { visible } from './format.js';

// Says that something is done. The text is shown for a moment and read out; with `isSeen` false it is only read out, because
// the page shows it elsewhere.
let timer;
export function say(text, { isSeen = true } = {}) {
  const status = document.getElementById('status');
  clearTimeout(timer);
  // A modal dialog makes everything else inert, so its message is inside it.
  const top = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
  if (status.parentElement !== top) top.append(status);
  status.textContent = '';
  status.classList.toggle('unseen', !isSeen);
  // Later, because screen readers only read what changes in a place that they know.
  timer = setTimeout(() => {
    status.textContent = text;
    timer = setTimeout(() => (status.textContent = ''), 8000);
  }, 100);
}

// Ends what is said.
export function hush() {
  clearTimeout(timer);
  document.getElementById('status').textContent = '';
}

// What the user can do about a status.
const ADVICE = {
  0: 'Check the connection, and that the server runs. Then try again.',
  400: 'Change what the detail names and try again.',
  401: 'Sign in with a valid token. An administrator can issue a new one.',
  403: 'Ask an administrator, or sign in as another principal.',
  404: 'It may have been deleted. Load the list again.',
  408: 'The connection is too slow or was interrupted. Try again.',
  409: 'Something else prevents this. The detail says what.',
  413: 'The server has a limit for the size. Its operator can raise it.',
  415: 'Send the file with another type.',
  422: 'Change what the detail names and try again.',
  429: 'Too much at the same time. Wait a moment and try again.',
  500: 'The operator finds the reason in the log of the server.',
  503: 'The server is busy or starting. Wait a moment and try again.',
  507: 'The storage of the server is full. Tell its operator.',
};

// Creates a message about an error.
export function problem(error) {
  const status = error.status ?? null;
  const title = status === null ? 'This did not work' : error.title;
  const detail = status === null ? String(error.message ?? error) : error.detail;
  let advice = ADVICE[status] ?? (status === null ? 'Load the page again.' : 'Try again later.');
  if (error.retryAfter) advice += ` The server asks to wait ${error.retryAfter} s.`;
  const element = el('div', { class: 'problem', role: 'alert' },
    el('p', { class: 'problem-title' }, visible(status ? `${title} (${status})` : title)),
    el('p', {}, visible(detail)),
    el('p', { class: 'advice' }, advice),
    button('Dismiss', () => element.remove()));
  return element;
}

// Shows an error at the beginning of a place, instead of an earlier one. An aborted request is no error.
export function report(error, place) {
  if (error.name === 'AbortError') return;
  if (!('status' in error)) console.error(error);
  clear(place);
  place.prepend(problem(error));
  place.querySelector('.problem').scrollIntoView({ block: 'nearest' });
}

export function clear(place) {
  place.querySelector(':scope > .problem')?.remove();
}

// Runs an action and reports its error. Returns whether it succeeded.
export async function attempt(place, action) {
  clear(place);
  try {
    await action();
    return true;
  } catch (error) {
    report(error, place);
    return false;
  }
}
