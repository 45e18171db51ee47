// One request with a large body, by XMLHttpRequest: only that tells how much is sent.
import { Problem } from './api.js';

// Sends a body and returns the request with its successful response. `onProgress` gets the number of bytes that are sent, and
// `signal` cancels.
export function transfer(api, method, url, body, { headers, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    const signals = [signal, api.ended].filter(Boolean);
    request.open(method, url);
    request.setRequestHeader('Authorization', api.authorization);
    // Makes the server leave out HTTP Basic in a 401, for which the browser would ask its user.
    request.setRequestHeader('X-Requested-With', 'XMLHttpRequest');
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(request);
      else reject(api.refused(request.status, request.responseText, request.getResponseHeader('Retry-After')));
    };
    // A server that refuses a large file answers before it has read all of it. The browser may miss that answer.
    request.onerror = () => reject(Problem.noResponse());
    request.onabort = () => reject(new DOMException('cancelled', 'AbortError'));
    request.onloadend = () => signals.forEach((each) => each.removeEventListener('abort', abort));
    signals.forEach((each) => each.addEventListener('abort', abort));
    request.send(body);
  });
}
