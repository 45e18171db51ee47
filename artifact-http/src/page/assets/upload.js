// Sends one file. Other ways to send a file, such as in parts that can be resumed, belong into this module.
import { Problem } from './api.js';

// Up to this size a file is hashed before it is sent, so that the server can verify it. The browser hashes it in memory.
const MAX_HASHED = 32 * 1024 * 1024;

// Returns a key that makes it safe to send the file again after a lost response.
export function newKey() {
  return hex(crypto.getRandomValues(new Uint8Array(16)));
}

// Deposits a file and returns the artifact. `onProgress` gets the number of bytes that are sent. `signal` cancels. A second
// call with the same `key` returns the artifact of the first one if that had arrived. `expiresIn` is in seconds.
export async function upload(api, file, { onProgress = () => {}, signal, key = newKey(), expiresIn = null } = {}) {
  const digest = await digestOf(file);
  signal?.throwIfAborted();
  const headers = {
    'Content-Disposition': disposition(file.name),
    'Content-Type': mediaType(file),
    'Idempotency-Key': key,
  };
  if (digest) headers['Repr-Digest'] = `sha-256=:${base64(digest)}:`;
  if (expiresIn) headers['Artifact-Expires-In'] = String(expiresIn);
  const artifact = await post(api, file, headers, onProgress, signal);
  if (digest && artifact.sha256 !== hex(digest)) {
    throw new Problem({
      status: 0, title: 'Another file arrived', detail: 'The digest of the stored file differs from that of this file.',
    });
  }
  return artifact;
}

// Only XMLHttpRequest tells how much is sent.
function post(api, file, headers, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const signals = [signal, api.ended].filter(Boolean);
    request.open('POST', api.url('/artifacts'));
    request.setRequestHeader('Authorization', api.authorization);
    // Makes the server leave out HTTP Basic in a 401, for which the browser would ask its user.
    request.setRequestHeader('X-Requested-With', 'XMLHttpRequest');
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      try {
        if (request.status === 201) resolve(JSON.parse(request.responseText));
        else reject(api.refused(request.status, request.responseText, request.getResponseHeader('Retry-After')));
      } catch {
        reject(Problem.noResponse());
      }
    };
    // A server that refuses a large file answers before it has read all of it. The browser may miss that answer.
    request.onerror = () => reject(Problem.noResponse());
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    request.onloadend = () => signals.forEach((each) => each.removeEventListener('abort', abort));
    signals.forEach((each) => each.addEventListener('abort', abort));
    request.send(file);
  });
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

// RFC 6266 and 8187. A lone surrogate, which no UTF-8 has, becomes U+FFFD.
function disposition(name) {
  const encoded = encodeURIComponent(name.toWellFormed?.() ?? name.replace(/[\ud800-\udfff]/gu, '\ufffd'))
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
