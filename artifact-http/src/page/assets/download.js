// Saves an artifact as a file.
import { Problem } from './api.js';
import { bytes } from './format.js';

// Up to this size an artifact is held in memory until it is saved.
const IN_MEMORY = 256 * 1024 * 1024;

// Fetches an artifact and saves it under its name. Large ones are written while they arrive, if the browser can do that.
// `onProgress` gets the number of bytes that have arrived. Returns whether the file was saved: the user may choose none.
export async function save(api, artifact, { onProgress = () => {}, signal, inMemory = IN_MEMORY } = {}) {
  const name = artifact.file_name ?? artifact.id;
  const url = api.url(`/artifacts/${artifact.id}/content`);
  if (artifact.size_bytes <= inMemory) {
    await saveSmall(api, artifact, url, name, onProgress, signal);
    return true;
  }
  if (!window.showSaveFilePicker) {
    throw new Problem({
      status: 0,
      title: 'Too large for this browser',
      detail: `The page can save up to ${bytes(inMemory)} in this browser; the artifact has ${bytes(artifact.size_bytes)}. `
        + `Use Chrome or Edge over https, or: artifact get ${artifact.artifacts_uri}`,
    });
  }
  let file;
  try {
    file = await window.showSaveFilePicker({ suggestedName: name });
  } catch (error) {
    if (error.name === 'AbortError') return false;
    throw error;
  }
  const response = await api.send(url, { signal });
  // `pipeTo` closes the file at the end. If the response is cut, it discards what was written.
  await guarded(response.body.pipeThrough(counter(onProgress)).pipeTo(await file.createWritable(), { signal }));
  return true;
}

async function saveSmall(api, artifact, url, name, onProgress, signal) {
  const response = await api.send(url, { signal });
  const content = await guarded(new Response(response.body.pipeThrough(counter(onProgress))).arrayBuffer());
  await verify(content, artifact);
  saveBlob([content], name);
}

// Saves a text as a file.
export function saveText(text, name) {
  saveBlob([text], name);
}

function saveBlob(parts, name) {
  // Never with the artifact's own type: even if a user opens it, it is not a document.
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  link.download = name;
  link.click();
  // The browser has read the URL by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// Compares the bytes with the digest of the artifact, where the browser can hash: with TLS, and on localhost.
async function verify(content, artifact) {
  if (!crypto.subtle) return;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (found !== artifact.sha256) {
    throw new Problem({
      status: 0, title: 'Damaged', detail: 'The bytes that arrived are not those of the artifact. Nothing was saved.',
    });
  }
}

// Turns the error of a cut response into a problem. The server cuts a response whose bytes are damaged.
async function guarded(transfer) {
  try {
    return await transfer;
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({
      status: 0, title: 'The download was cut', detail: 'The connection was lost, or the stored bytes are damaged.',
    });
  }
}

function counter(onProgress) {
  let arrived = 0;
  return new TransformStream({
    transform(chunk, controller) {
      arrived += chunk.byteLength;
      onProgress(arrived);
      controller.enqueue(chunk);
    },
  });
}
