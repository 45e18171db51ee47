// A field for the id of a worker or a group, with the known ones as suggestions.
import { el, field, show } from '../dom.js';
import { visible } from '../format.js';

// The most workers, and the most groups, that are suggested.
const MAX_SUGGESTED = 500;

let lists = 0;

// Returns the field, its input, and `load`, which reads the suggestions.
export function idField(session, label) {
  const known = el('datalist', { id: `known-ids-${++lists}` });
  const input = el('input', { autocomplete: 'off', spellcheck: 'false', required: true, list: known.id });
  const element = field(label, input, 'A worker (wkr_...) or a group (grp_...).');
  element.append(known);
  async function load() {
    const [{ workers }, { groups }] = await Promise.all([
      session.api.v0('GET', '/workers'), session.api.v0('GET', '/groups')]);
    const suggested = [
      ...groups.slice(0, MAX_SUGGESTED).map((group) => [group.group_id, group.name]),
      ...workers.slice(0, MAX_SUGGESTED).map((worker) => [worker.worker_id, worker.name])];
    show(known, suggested.map(([value, name]) => el('option', { value }, visible(name ?? ''))));
  }
  return { element, input, load };
}
