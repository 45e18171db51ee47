// Requests to the server. The credential is in this object only: it is in no URL, cookie or storage.

// The folder above the page. All paths begin there, so the page works under any prefix of a reverse proxy.
const ROOT = new URL('..', import.meta.url).href.replace(/\/$/, '');

// An error response (RFC 9457), or status 0 if there was no response.
export class Problem extends Error {
  constructor({ status, title, detail, type = 'about:blank', retryAfter = null }) {
    super(detail);
    Object.assign(this, { name: 'Problem', status, title, detail, type, retryAfter });
  }

  static noResponse() {
    return new Problem({ status: 0, title: 'No response', detail: 'The server did not answer.' });
  }

  // Makes a problem of an error response. A proxy may have sent it, so it may not be JSON.
  static of(status, text, retryAfter) {
    let body = null;
    try {
      body = JSON.parse(text);
    } catch {
      // Handled below.
    }
    const title = typeof body?.title === 'string' ? body.title : 'The server answered with an error';
    const detail = typeof body?.detail === 'string' ? body.detail : 'The response has no explanation.';
    return new Problem({ status, title, detail, type: body?.type, retryAfter });
  }
}

// Returns what the page must know about the server.
export async function readSettings() {
  const response = await fetch(new URL('settings.json', import.meta.url), { credentials: 'omit' });
  return response.json();
}

// The endpoints of one experiment for one credential.
export class Api {
  #authorization;
  #ended = new AbortController();

  constructor(settings, { experiment, principal, token, authorization = `Bearer ${principal}:${token}` }) {
    this.settings = settings;
    this.experiment = experiment;
    this.principal = principal;
    this.#authorization = authorization;
    // Called when the server no longer accepts the credential.
    this.onUnauthorized = () => {};
  }

  // Forgets the credential and ends all requests.
  end() {
    this.#authorization = '';
    this.onUnauthorized = () => {};
    this.#ended.abort();
  }

  // Returns the same credential for another experiment.
  in(experiment) {
    const { settings, principal } = this;
    return new Api(settings, { experiment, principal, authorization: this.#authorization });
  }

  get ended() {
    return this.#ended.signal;
  }

  get authorization() {
    return this.#authorization;
  }

  // Returns the URL of a path of the experiment under `/v1`, such as `/artifacts`.
  url(path, query = {}) {
    return this.#url(this.settings.management_path, `/experiments/${encodeURIComponent(this.experiment)}${path}`, query);
  }

  #url(base, path, query) {
    const parameters = new URLSearchParams(query).toString();
    return `${ROOT}${base}${path}${parameters && '?'}${parameters}`;
  }

  // Sends a request under `/v1/experiments/{E}` and returns the JSON of the response, or null if it has none.
  v1(method, path, options = {}) {
    return this.#json(method, this.url(path, options.query), options);
  }

  // Sends a request under `/v0/experiments/{E}`, where workers and groups are listed.
  v0(method, path, options = {}) {
    const scope = `/experiments/${encodeURIComponent(this.experiment)}`;
    const headers = { [this.settings.experiment_header]: this.experiment };
    return this.#json(method, this.#url(this.settings.base_path, scope + path, options.query), { ...options, headers });
  }

  // Sends a request under `/v1` that is not about one experiment, such as to `/experiments`.
  server(method, path, options = {}) {
    return this.#json(method, this.#url(this.settings.management_path, path, options.query), options);
  }

  async #json(method, url, { body, headers = {}, signal } = {}) {
    const request = { method, headers: { ...headers }, signal };
    if (body !== undefined) {
      request.headers['Content-Type'] = 'application/json';
      request.body = JSON.stringify(body);
    }
    const response = await this.send(url, request);
    if (response.status === 204) return null;
    try {
      return await response.json();
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw Problem.noResponse();
    }
  }

  // Sends a request and returns its successful response; throws a problem otherwise.
  async send(url, { method = 'GET', headers = {}, body, signal } = {}) {
    const signals = [this.#ended.signal, signal].filter(Boolean);
    let response;
    try {
      response = await fetch(url, {
        method,
        body,
        headers: { ...headers, Authorization: this.#authorization },
        signal: AbortSignal.any(signals),
        // Without this a 401 would make the browser ask for a password.
        credentials: 'omit',
        cache: 'no-store',
        redirect: 'error',
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw Problem.noResponse();
    }
    if (response.ok) return response;
    throw this.refused(response.status, await response.text().catch(() => ''), response.headers.get('Retry-After'));
  }

  // Makes the problem of a response. If the credential is no longer valid, the session ends.
  refused(status, text, retryAfter) {
    const problem = Problem.of(status, text, retryAfter);
    if (status === 401) {
      // The server's text explains the header field, which no user of the page writes.
      problem.detail = 'The principal or the token is wrong, or the token has expired or was replaced or revoked.';
      this.onUnauthorized(problem);
    }
    return problem;
  }
}
