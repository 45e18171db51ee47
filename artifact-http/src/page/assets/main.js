// Begins the page: signs in, shows the view that the address names, and signs out.
import { readSettings } from './api.js';
import { button, el, show } from './dom.js';
import { code, name } from './format.js';
import { hush, problem, report, say } from './messages.js';
import { Steps } from './steps.js';
import * as administrators from './views/administrators.js';
import * as artifacts from './views/artifacts.js';
import * as collections from './views/collections.js';
import * as experiments from './views/experiments.js';
import * as groups from './views/groups.js';
import * as signInView from './views/sign_in.js';
import * as usage from './views/usage.js';
import * as workers from './views/workers.js';

// Each view has `id`, `title`, `isFor(session)`, and `render(place, session, enter)`, which fills the place below the
// heading.
const VIEWS = [artifacts, collections, workers, groups, usage, experiments, administrators];

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const account = document.getElementById('account');
let settings = null;
let session = null;
// The fragment of the view that is shown.
let shown = '';

function views() {
  return VIEWS.filter((view) => view.isFor(session));
}

// Shows the view that the fragment of the address names. There is never anything else in the address.
async function navigate() {
  if (!session) return;
  shown = location.hash;
  const view = views().find((each) => `#${each.id}` === location.hash) ?? artifacts;
  for (const link of nav.querySelectorAll('a')) {
    const isCurrent = link.getAttribute('href') === `#${view.id}`;
    link.toggleAttribute('aria-current', isCurrent);
    if (isCurrent) link.setAttribute('aria-current', 'page');
  }
  document.title = `${view.title} - artifact`;
  hush();
  const heading = el('h1', { tabindex: '-1' }, view.title);
  // Of its own, so that a view whose data arrives late does not write into the next one.
  const place = el('div');
  show(main, heading, place);
  heading.focus();
  try {
    await view.render(place, session, enter);
  } catch (error) {
    report(error, place);
  }
}

// Begins a session, also that of another experiment.
function enter(entered) {
  session?.cancelUploads();
  session = entered;
  session.steps = new Steps(navigate);
  session.api.onUnauthorized = (error) => leave(error);
  show(nav, el('ul', {}, views().map((view) => el('li', {}, el('a', { href: `#${view.id}` }, view.title)))));
  const { principal, experiment } = session.api;
  const who = session.displayName ? name(session.displayName) : code(principal);
  show(account,
    el('span', { title: principal }, who, ' in ', code(experiment)),
    button('Sign out', () => leave(), { id: 'sign-out' }));
  nav.hidden = account.hidden = false;
  navigate();
}

// Ends the session and forgets everything that was shown.
function leave(error) {
  session?.cancelUploads();
  session?.api.end();
  session = null;
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  nav.hidden = account.hidden = true;
  show(nav);
  show(account);
  begin();
  if (error) main.prepend(problem(error));
  else say('Signed out');
}

function begin() {
  document.title = 'Sign in - artifact';
  signInView.render(main, settings, enter);
}

document.getElementById('skip').addEventListener('click', (event) => {
  // The fragment names the view, so the link must not change it.
  event.preventDefault();
  main.focus();
});
window.addEventListener('hashchange', navigate);
// A step within a view leaves the fragment as it is.
window.addEventListener('popstate', () => location.hash === shown && navigate());
nav.addEventListener('click', (event) => {
  // The link of the view that is shown leads back to its beginning.
  if (event.target.hash !== location.hash || !session?.steps.current) return;
  event.preventDefault();
  session.steps.go(null);
});
// A page that the browser keeps for its back button would keep the credential too.
window.addEventListener('pagehide', () => session && leave());
window.addEventListener('beforeunload', (event) => {
  if (session?.isUploading) event.preventDefault();
});
// A file that is dropped beside the place for it must not replace the page.
for (const type of ['dragover', 'drop']) window.addEventListener(type, (event) => event.preventDefault());

try {
  settings = await readSettings();
  begin();
} catch (error) {
  report(error, main);
}

