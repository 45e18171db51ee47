// What the tests of the page at /ui/ share: a browser tab that notes every error, and how people use the page.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');

const sha256 = (content) => crypto.createHash('sha256').update(content).digest('hex');

// The requests that a refused action makes; the browser logs each as an error of the console.
const REFUSED = /Failed to load resource: (the server responded with a status of|net::ERR_CONNECTION_RESET)/;

class Tab {
  // Opens the page. Fails at the end if there was an error that `check` does not expect.
  static async open(browser, origin, options = {}) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    await context.addInitScript(() => {
      window.violations = [];
      document.addEventListener('securitypolicyviolation', (event) => {
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    const page = await context.newPage();
    page.setDefaultTimeout(5000);
    const tab = new Tab(page, context, origin);
    page.on('console', (message) => message.type() === 'error' && tab.errors.push(message.text()));
    page.on('pageerror', (error) => tab.errors.push(String(error)));
    page.on('dialog', (dialog) => {
      tab.errors.push(`the page opened a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    await page.goto(`${origin}/ui/`);
    return tab;
  }

  constructor(page, context, origin) {
    Object.assign(this, { page, context, origin, errors: [] });
  }

  async signIn(principal, token, experiment = 'default') {
    await this.page.getByLabel('Experiment').fill(experiment);
    await this.page.getByLabel('Principal').fill(principal);
    await this.page.getByLabel('Token').fill(token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  heading(name) {
    return this.page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  }

  async view(name) {
    await this.page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
    await this.heading(name);
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  // The dialog on top.
  get dialog() {
    return this.page.locator('dialog[open]').last();
  }

  // Waits until the page says a text in its live region.
  async says(text) {
    await this.page.locator('#status', { hasText: text }).waitFor();
  }

  // Waits for an upload of this name to be stored.
  async stored(name) {
    await this.page.locator('.uploads li', { hasText: name }).locator('.state', { hasText: 'stored' }).waitFor();
  }

  // Chooses files: pairs of a name and a content.
  choose(files) {
    const chosen = files.map(([name, content, mimeType = 'text/plain']) => {
      return { name, mimeType, buffer: Buffer.from(content) };
    });
    return this.page.getByLabel('Files').setInputFiles(chosen);
  }

  // Fails if anything went wrong that no test expects. Refused requests are expected if `refusals`.
  async check(refusals = false) {
    const found = this.errors.filter((error) => !(refusals && REFUSED.test(error)));
    assert.deepEqual(found, [], 'errors in the console');
    assert.deepEqual(await this.page.evaluate('window.violations'), [], 'violations of the content security policy');
  }

  async close() {
    await this.context.close();
  }
}

// Calls the endpoints without the page.
function caller(address, token) {
  return async (method, path, { body, headers = {} } = {}) => {
    const answer = await fetch(`http://${address}/v1/experiments/default${path}`, {
      method, body, headers: { authorization: `Bearer admin:${token}`, ...headers },
    });
    assert(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  };
}

module.exports = { Tab, caller, sha256 };
