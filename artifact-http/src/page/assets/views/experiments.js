// The experiments of the server, for the administrator.
import { button, el, field, form, show, table } from '../dom.js';
import { code, count, time } from '../format.js';
import { attempt, say } from '../messages.js';
import { Session } from '../session.js';

export const id = 'experiments';
export const title = 'Experiments';
export const isFor = (session) => session.isAdmin;

// `enter` begins a session in another experiment.
export async function render(place, session, enter) {
  const { api } = session;
  const summary = el('p', { class: 'summary' });
  const { element, body } = table('Experiments', [['Name'], ['Created', 'wide'], ['Actions']]);

  async function load() {
    const { experiments } = await api.server('GET', '/experiments');
    show(body, experiments.map(({ experiment_id: experiment, created_at: created }) => el('tr', {},
      el('th', { scope: 'row' }, code(experiment)),
      el('td', { class: 'wide' }, time(created)),
      el('td', {}, experiment === api.experiment
        ? 'open'
        : button('Open', () => {
          const entered = new Session(api.in(experiment), { isAdmin: true });
          api.end();
          history.replaceState(null, '', '#artifacts');
          enter(entered);
        }, { 'aria-label': `Open ${experiment}` })))));
    summary.textContent = count(experiments.length, 'experiment');
  }

  const newName = el('input', { autocomplete: 'off', maxlength: 128, required: true, spellcheck: 'false' });
  newName.pattern = '(?!\\.{1,2}$)[A-Za-z0-9._~\\-]+';
  newName.title = 'Letters, digits and - . _ ~';
  const creation = form({ class: 'card inline', 'aria-label': 'Create an experiment' }, () => attempt(creation, async () => {
    await api.server('POST', '/experiments', { body: { experiment_id: newName.value } });
    say(`Experiment ${newName.value} created`);
    newName.value = '';
    await load();
  }), field('Name of the new experiment', newName), el('button', { class: 'primary' }, 'Create'));
  place.append(creation, summary, el('div', { class: 'scroll' }, element));
  await load();
}
