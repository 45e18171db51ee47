// The form that begins a session.
import { el, field, form, show } from '../dom.js';
import { attempt } from '../messages.js';
import { signIn } from '../session.js';

// Shows the form. Calls `enter` with the session.
export function render(main, settings, enter) {
  const text = { required: true, autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false' };
  const experiment = el('input', { ...text, name: 'experiment', value: 'default', maxlength: 128 });
  const principal = el('input', { ...text, name: 'principal', value: 'admin', maxlength: 128 });
  const token = el('input', { ...text, name: 'token', type: 'password', maxlength: 4096 });
  experiment.pattern = '(?!\\.{1,2}$)[A-Za-z0-9._~\\-]+';
  experiment.title = 'Letters, digits and - . _ ~';
  const heading = el('h1', { tabindex: '-1' }, 'Sign in');
  const fields = form({ class: 'card sign-in', 'aria-label': 'Sign in' }, async (element) => {
    await attempt(element, async () => {
      const credential = {
        experiment: experiment.value.trim(),
        principal: principal.value.trim(),
        token: token.value.trim(),
      };
      // A header field has only these characters. No token has others.
      if (!/^[\x21-\x7e]+$/.test(credential.principal + credential.token)) {
        throw new Error('A principal and a token have only letters, digits and signs of ASCII.');
      }
      const session = await signIn(settings, credential);
      token.value = '';
      enter(session);
    });
  },
    field('Experiment', experiment),
    field('Principal', principal, 'admin, or the id of a worker: wkr_...'),
    field('Token', token, 'Kept in the memory of this page only, until you sign out, reload or leave.'),
    el('div', { class: 'actions' }, el('button', { class: 'primary' }, 'Sign in')));
  show(main, heading, fields);
  experiment.focus();
}
