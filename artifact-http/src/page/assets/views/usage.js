// How much is stored, as bars beside the numbers.
import { el, field, form, choice, svg, table } from '../dom.js';
import { bytes, count, duration, name } from '../format.js';
import { attempt, say } from '../messages.js';

export const id = 'usage';
export const title = 'Usage';
export const isFor = () => true;

// The most depositors that have a row of their own.
const MAX_ROWS = 100;

const KEEP = [['', 'For ever'], ['604800', '7 days'], ['2592000', '30 days'], ['31536000', '365 days']];

export async function render(place, session) {
  const { api } = session;
  const [usage, retention] = await Promise.all([api.v1('GET', '/usage'), api.v1('GET', '/retention')]);
  const scope = session.readsAll ? 'In this experiment' : 'You have';
  place.append(
    el('p', { class: 'total' }, `${scope}: ${count(usage.artifacts, 'artifact')}, ${bytes(usage.bytes)}.`),
    usage.principals.length > 0 && bars(session, usage),
    retentionOf(session, retention));
}

function bars(session, usage) {
  const sorted = [...usage.principals].sort((a, b) => b.bytes - a.bytes || b.artifacts - a.artifacts);
  const rows = sorted.slice(0, MAX_ROWS).map((each) => {
    const label = el('th', { scope: 'row', title: each.created_by }, name(each.created_by));
    session.nameOf(each.created_by).then((found) => found && label.replaceChildren(name(found)));
    return row(label, each, usage.bytes);
  });
  const rest = sorted.slice(MAX_ROWS);
  if (rest.length > 0) {
    const sum = (member) => rest.reduce((total, each) => total + each[member], 0);
    const others = { artifacts: sum('artifacts'), bytes: sum('bytes') };
    rows.push(row(el('th', { scope: 'row' }, count(rest.length, 'other depositor')), others, usage.bytes));
  }
  const columns = [['Depositor'], ['Artifacts', 'number'], ['Size', 'number'], ['Share', 'bar-cell']];
  return el('div', { class: 'scroll' }, table('Usage by depositor, the largest first', columns, rows).element);
}

function row(label, { artifacts, bytes: size }, all) {
  const share = all > 0 ? (100 * size) / all : 0;
  const text = `${share.toFixed(share < 10 && share > 0 ? 1 : 0)} %`;
  // The numbers beside the bar say the same.
  const bar = svg('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { class: 'bar-all', width: 100, height: 10 }),
    svg('rect', { class: 'bar-part', width: share.toFixed(2), height: 10 }));
  return el('tr', {}, label,
    el('td', { class: 'number' }, artifacts.toLocaleString('en')),
    el('td', { class: 'number' }, bytes(size)),
    el('td', { class: 'bar-cell' }, bar, el('span', {}, text)));
}

function retentionOf(session, { keep_seconds: keep }) {
  const current = el('p', {});
  const describe = (seconds) => {
    current.textContent = seconds === null
      ? 'Artifacts without a time of their own are kept for ever.'
      : `Artifacts without a time of their own are kept for ${duration(seconds)}, then they may be removed.`;
  };
  describe(keep);
  const section = el('section', { 'aria-labelledby': 'retention' }, el('h2', { id: 'retention' }, 'Retention'), current);
  if (!session.isAdmin) return section;
  const known = KEEP.some(([value]) => value === String(keep ?? ''));
  const select = choice(known ? KEEP : [...KEEP, [String(keep), duration(keep)]]);
  select.value = String(keep ?? '');
  section.append(form({ class: 'inline' }, () => attempt(section, async () => {
    const seconds = select.value === '' ? null : Number(select.value);
    await session.api.v1('PUT', '/retention', { body: { keep_seconds: seconds } });
    describe(seconds);
    say('Retention changed');
  }), field('Keep for', select, 'Also for artifacts that are stored already.'), el('button', {}, 'Change')));
  return section;
}
