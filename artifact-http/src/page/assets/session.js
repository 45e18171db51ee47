// Who is signed in, and what that principal may do. Nothing of it outlives the page.
import { Api } from './api.js';

// The most groups that are looked at to find out whether a worker is in the group `admins`.
const MAX_GROUPS = 50;

export class Session {
  constructor(api, { displayName = null, isAdmin = false, readsAll = isAdmin } = {}) {
    this.api = api;
    this.displayName = displayName;
    // Whether the server allows the operations of administrators.
    this.isAdmin = isAdmin;
    // Whether the lists show the artifacts of every depositor.
    this.readsAll = readsAll;
    this.#names = new Map();
  }

  #names;

  get hasIdentities() {
    return this.api.settings.identities;
  }

  // Returns the display name of a worker, or null if it has none. Asks the server once for each id.
  async nameOf(principal) {
    if (!this.hasIdentities || !principal.startsWith('wkr_')) return null;
    if (!this.#names.has(principal)) {
      const read = this.api.v0('GET', `/workers/${encodeURIComponent(principal)}`);
      // A deleted worker has no name any more.
      this.#names.set(principal, read.then((worker) => worker.name ?? null, () => null));
    }
    return this.#names.get(principal);
  }
}

// Checks a credential and begins a session. Throws the server's problem if it does not accept the credential.
export async function signIn(settings, credential) {
  const api = new Api(settings, credential);
  await api.v0('GET', '');
  if (credential.principal === 'admin') return new Session(api, { isAdmin: true });
  if (!settings.identities) return new Session(api);
  const found = await api.v0('GET', '/whoami').catch((error) => {
    // The server answers only workers.
    if (error.status === 403) return null;
    throw error;
  });
  if (found === null) return new Session(api, { isAdmin: true });
  return new Session(api, {
    displayName: found.name ?? null,
    readsAll: await isInAdmins(api, found.worker_id),
  });
}

// Returns whether a worker is in the group `admins`, directly or through other groups.
async function isInAdmins(api, worker) {
  const { groups } = await api.v0('GET', '/groups', { query: { name: 'admins' } });
  const waiting = [...groups];
  const seen = new Set();
  while (waiting.length > 0 && seen.size < MAX_GROUPS) {
    const group = waiting.pop();
    if (seen.has(group.group_id)) continue;
    seen.add(group.group_id);
    if (group.members.includes(worker)) return true;
    const inner = group.members.filter((member) => member.startsWith('grp_') && !seen.has(member));
    // The id of a deleted group stays in the others.
    const reads = inner.slice(0, MAX_GROUPS).map((id) => api.v0('GET', `/groups/${id}`).catch(() => null));
    waiting.push(...(await Promise.all(reads)).filter(Boolean));
  }
  return false;
}
