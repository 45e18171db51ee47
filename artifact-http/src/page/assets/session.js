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
  }

  #names = new Map();
  #uploads = new Map();

  // Returns whether the server has a set of endpoints that others leave out.
  has(feature) {
    return this.api.settings.features.includes(feature);
  }

  get hasIdentities() {
    return this.has('identities');
  }

  // Returns whether the server lets this principal share an artifact of a depositor.
  mayShare(depositor) {
    return this.has('sharing') && (this.readsAll || depositor === this.api.principal);
  }

  // Returns whether the server lets this principal change what another one, or itself, has deposited.
  mayChange(owner) {
    return this.isAdmin || owner === this.api.principal;
  }

  // Returns the display name of a worker or group, or null if it has none. Asks the server once for each id.
  async nameOf(id) {
    const kind = { wkr_: 'workers', grp_: 'groups' }[id.slice(0, 4)];
    if (!this.hasIdentities || !kind) return null;
    if (!this.#names.has(id)) {
      const read = this.api.v0('GET', `/${kind}/${encodeURIComponent(id)}`);
      // One that was deleted has no name any more.
      this.#names.set(id, read.then((found) => found.name ?? null, () => null));
    }
    return this.#names.get(id);
  }

  // Returns the uploads to a place, such as a collection. `make` creates them for the first call.
  uploadsTo(place, make) {
    if (!this.#uploads.has(place)) this.#uploads.set(place, make());
    return this.#uploads.get(place);
  }

  get isUploading() {
    return [...this.#uploads.values()].some((uploads) => uploads.isBusy);
  }

  cancelUploads() {
    for (const uploads of this.#uploads.values()) uploads.cancelAll();
  }
}

// Checks a credential and begins a session. Throws the server's problem if it does not accept the credential.
export async function signIn(settings, credential) {
  const api = new Api(settings, credential);
  await api.v0('GET', '');
  if (credential.principal === 'admin') return new Session(api, { isAdmin: true });
  if (!settings.features.includes('identities')) return new Session(api);
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
