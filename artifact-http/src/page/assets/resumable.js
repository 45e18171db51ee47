// Sends a file in parts by tus 1.0 (https://tus.io). After a broken connection only what is missing is sent again.
import { Problem } from './api.js';
import { transfer } from './transfer.js';

const VERSION = { 'Tus-Resumable': '1.0.0' };
// How often in a row a part may fail before the user is asked to try again.
const MAX_FAILURES = 5;

// Whether the server of each API has resumable uploads.
const offers = new WeakMap();
// The uploads that were begun and are not complete, by the keys of their files.
const begun = new Map();

// Returns whether the server has resumable uploads.
export async function isOffered(api) {
  if (!offers.has(api)) {
    const asked = api.send(api.url('/uploads'), { method: 'OPTIONS' });
    offers.set(api, asked.then((response) => response.headers.has('Tus-Version'), () => false));
  }
  return offers.get(api);
}

// Sends the file and returns the artifact. A second call with the same `key` continues the upload of the first one.
export async function sendInParts(api, file, { key, metadata, headers, partSize, onProgress, signal }) {
  try {
    let upload = await resume(api, key, signal);
    upload ??= await begin(api, file, key, metadata, headers, signal);
    let failures = 0;
    while (!upload.artifact) {
      signal?.throwIfAborted();
      const { offset } = upload;
      onProgress(offset);
      try {
        upload = await append(api, file.slice(offset, offset + partSize), upload, onProgress, signal);
        failures = 0;
      } catch (error) {
        // No response, or another offset than the server's, or a server that is busy.
        if (![0, 408, 409, 429, 503].includes(error.status) || failures >= MAX_FAILURES) throw error;
        await pause(2 ** failures * 500, signal);
        failures += 1;
        upload = await read(api, upload.id, signal).catch((unread) => {
          if (unread.status === 0) return upload;
          throw unread;
        });
      }
    }
    begun.delete(key);
    return await api.v1('GET', `/artifacts/${upload.artifact}`, { signal });
  } catch (error) {
    if (error.name === 'AbortError') discard(api, key);
    throw error;
  }
}

// Returns what the server has of an earlier call, or null.
async function resume(api, key, signal) {
  const id = begun.get(key);
  if (!id) return null;
  try {
    return await read(api, id, signal);
  } catch (error) {
    if (error.status !== 404) throw error;
    // It has expired.
    begun.delete(key);
    return null;
  }
}

async function begin(api, file, key, metadata, headers, signal) {
  const response = await api.send(api.url('/uploads'), {
    method: 'POST',
    headers: { ...VERSION, ...headers, 'Upload-Length': String(file.size), 'Upload-Metadata': encode(metadata) },
    signal,
  });
  // Behind a proxy with a prefix, the path is not the one that the browser needs, but the id is.
  const id = lastSegment(response.headers.get('Location'));
  begun.set(key, id);
  return { id, offset: 0, artifact: null };
}

async function read(api, id, signal) {
  const response = await api.send(api.url(`/uploads/${id}`), { method: 'HEAD', headers: VERSION, signal });
  return state(id, (name) => response.headers.get(name));
}

async function append(api, part, { id, offset }, onProgress, signal) {
  const request = await transfer(api, 'PATCH', api.url(`/uploads/${id}`), part, {
    headers: { ...VERSION, 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(offset) },
    onProgress: (sent) => onProgress(offset + sent),
    signal,
  });
  return state(id, (name) => request.getResponseHeader(name));
}

// Reads the fields of a response: how much the server has, and the id of the artifact once it is complete.
function state(id, field) {
  const location = field('Artifact-Location');
  const offset = Number(field('Upload-Offset') ?? NaN);
  if (!location && !Number.isInteger(offset)) throw Problem.noResponse();
  return { id, offset, artifact: location && lastSegment(location) };
}

// Ends the upload on the server, which otherwise keeps it for a day.
function discard(api, key) {
  const id = begun.get(key);
  begun.delete(key);
  if (id && !api.ended.aborted) {
    api.send(api.url(`/uploads/${id}`), { method: 'DELETE', headers: VERSION }).catch(() => {});
  }
}

// `Upload-Metadata` has Base64 of UTF-8.
function encode(metadata) {
  const pairs = Object.entries(metadata).map(([key, value]) => {
    const bytes = new TextEncoder().encode(value);
    return `${key} ${btoa(String.fromCharCode(...bytes))}`;
  });
  return pairs.join(',');
}

const lastSegment = (path) => (path ?? '').split('/').at(-1);

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('cancelled', 'AbortError'));
    }, { once: true });
  });
}
