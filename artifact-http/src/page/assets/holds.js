// Finds out which of the listed artifacts are held, and how long an artifact is kept. A list does not say whether there is a hold, so
// the page reads each artifact whose row is seen.
import { el, show } from './dom.js';
import { time } from './format.js';

// How many artifacts are read at the same time.
const AT_ONCE = 4;
// Without an answer, or from a server that is busy, the page asks for no more.
const ENDS = [0, 401, 429, 503];

// Shows until when an artifact is kept. `retention` is that of the experiment, and `options` are those of `time`.
export function kept(artifact, { keep_seconds: keep }, options) {
  const end = artifact.expires_at ?? (keep === null ? null : endOf(artifact.created_at, keep));
  return end === null ? 'for ever' : ['until ', time(end, options)];
}

// A retention can be longer than a time of JavaScript.
function endOf(createdAt, seconds) {
  const end = new Date(new Date(createdAt).getTime() + seconds * 1000);
  return Number.isNaN(end.getTime()) ? null : end.toISOString();
}

export class Holds {
  #api;
  #waiting = new Map();
  #running = 0;
  #seen = new IntersectionObserver((entries) => entries.forEach((entry) => this.#isSeen(entry)));

  constructor(api) {
    this.#api = api;
  }

  // Creates the cell of an artifact. It gets a mark once it is seen, if there is a hold.
  cell(artifact, retention) {
    const mark = el('span');
    const cell = el('td', { class: 'wide' }, kept(artifact, retention, { isDay: true }), ' ', mark);
    this.#waiting.set(cell, { artifact, mark });
    this.#seen.observe(cell);
    return { cell, set: (hold) => setMark(mark, hold) };
  }

  // Ends everything, before another list is shown.
  clear() {
    this.#seen.disconnect();
    this.#waiting.clear();
  }

  #isSeen({ target, isIntersecting }) {
    const asked = this.#waiting.get(target);
    if (!isIntersecting || !asked) return;
    asked.isSeen = true;
    this.#seen.unobserve(target);
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE) return;
    const [cell, asked] = [...this.#waiting].find(([, each]) => each.isSeen) ?? [];
    if (!cell) return;
    this.#waiting.delete(cell);
    this.#running += 1;
    try {
      const { hold } = await this.#api.v1('GET', `/artifacts/${asked.artifact.id}`);
      setMark(asked.mark, hold);
    } catch (error) {
      if (error.name === 'AbortError' || ENDS.includes(error.status)) this.clear();
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}

function setMark(mark, hold) {
  show(mark, hold && el('span', { class: 'mark' }, 'on hold'));
}
