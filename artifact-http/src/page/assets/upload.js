// Sends one file: in parts if it is large and the server has resumable uploads, otherwise in one request.
import { Problem } from './api.js';
import { isOffered, sendInParts } from './resumable.js';
import { transfer } from './transfer.js';

// Files above this size are sent in parts.
const MAX_WHOLE = 8 * 1024 * 1024;
const PART = 16 * 1024 * 1024;
// Up to this size a file is hashed before it is sent, so that the server can verify it. The browser hashes it in memory.
const MAX_HASHED = 32 * 1024 * 1024;

// Returns a key that makes it safe to send the file again after a lost response.
export function newKey() {
  return hex(crypto.getRandomValues(new Uint8Array(16)));
}

// Deposits a file and returns the artifact. `onProgress` gets the number of bytes that are sent. `signal` cancels. A second
// call with the same `key` returns the artifact of the first one if that had arrived, and continues it if it was sent in parts.
// `expiresIn` is in seconds.
export async function upload(api, file, options = {}) {
  const { onProgress = () => {}, signal, key = newKey(), expiresIn = null, maxWhole = MAX_WHOLE, partSize = PART } = options;
  const digest = await digestOf(file);
  signal?.throwIfAborted();
  const headers = {};
  if (digest) headers['Repr-Digest'] = `sha-256=:${base64(digest)}:`;
  if (expiresIn) headers['Artifact-Expires-In'] = String(expiresIn);
  let artifact;
  if (file.size > maxWhole && await isOffered(api)) {
    const metadata = { filename: wellFormed(file.name), filetype: mediaType(file) };
    artifact = await sendInParts(api, file, { key, metadata, headers, partSize, onProgress, signal });
  } else {
    Object.assign(headers, {
      'Content-Disposition': disposition(file.name),
      'Content-Type': mediaType(file),
      'Idempotency-Key': key,
    });
    artifact = await sendWhole(api, file, { headers, onProgress, signal });
  }
  checkDigest(digest, artifact);
  return artifact;
}

// Deposits a file under a name in a collection, in one request, and returns its entry. The options are as above. If `isRepeat`, an
// earlier call may have succeeded without a response: if the name has these bytes already, they are returned.
export async function uploadInto(api, collection, path, file, options = {}) {
  const { onProgress = () => {}, signal, expiresIn = null, isRepeat = false } = options;
  const digest = await digestOf(file);
  signal?.throwIfAborted();
  const headers = {};
  if (digest) headers['Repr-Digest'] = `sha-256=:${base64(digest)}:`;
  if (expiresIn) headers['Artifact-Expires-In'] = String(expiresIn);
  // Without a type, the server takes one that fits the name.
  if (file.type) headers['Content-Type'] = mediaType(file);
  const url = api.url(pathOfFile(collection, wellFormed(path)));
  let entry;
  try {
    entry = parsed(await transfer(api, 'PUT', url, file, { headers, onProgress, signal }));
  } catch (error) {
    const isThere = isRepeat && error.status === 409 && digest && error.detail.includes(hex(digest));
    if (!isThere) throw error;
    const query = { prefix: wellFormed(path), limit: 1 };
    const found = await api.v1('GET', `/collections/${collection}/files`, { query, signal });
    [entry] = found.files;
  }
  checkDigest(digest, entry);
  return entry;
}

// Returns the path of a file in a collection, below that of the experiment. A browser removes dot segments from a path, so a name with
// them would be the path of something else.
export function pathOfFile(collection, path) {
  const segments = path.split('/');
  if (segments.some((segment) => ['', '.', '..'].includes(segment))) {
    throw new Problem({
      status: 400, title: 'Not a name', detail: 'The parts of a name between slashes are not empty, and not . or ..',
    });
  }
  return `/collections/${collection}/files/${segments.map(encodeURIComponent).join('/')}`;
}

function checkDigest(digest, stored) {
  if (digest && stored.sha256 !== hex(digest)) {
    throw new Problem({
      status: 0, title: 'Another file arrived', detail: 'The digest of the stored file differs from that of this file.',
    });
  }
}

async function sendWhole(api, file, options) {
  return parsed(await transfer(api, 'POST', api.url('/artifacts'), file, options));
}

function parsed(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    throw Problem.noResponse();
  }
}

// Returns the SHA-256 of a file that is small enough, or null. Pages without TLS cannot hash, except on localhost.
async function digestOf(file) {
  if (!crypto.subtle || file.size > MAX_HASHED) return null;
  try {
    return new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
  } catch {
    throw new Problem({
      status: 0, title: 'The file cannot be read', detail: 'It was moved, changed or deleted, or it is a folder.',
    });
  }
}

// A lone surrogate, which no UTF-8 has, becomes U+FFFD.
function wellFormed(text) {
  return text.replace(/[\ud800-\udfff]/gu, '\ufffd');
}

// RFC 6266 and 8187.
function disposition(name) {
  const encoded = encodeURIComponent(wellFormed(name))
    .replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `attachment; filename*=UTF-8''${encoded}`;
}

// The server takes a form for a mistake, and the browser sends forms by themselves as well.
function mediaType(file) {
  return !file.type || file.type.startsWith('multipart/form-data') ? 'application/octet-stream' : file.type;
}

function hex(data) {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function base64(data) {
  return btoa(String.fromCharCode(...data));
}
