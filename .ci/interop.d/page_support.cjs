// What the tests of the page at /ui/ share: a browser tab that notes every error, and how people use the page.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');

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
    page.setDefaultTimeout(20_000);
    const tab = new Tab(page, context, origin);
    page.on('console', (message) => message.type() === 'error' && tab.errors.push(`${message.text()} ${message.location().url}`));
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

  // Presses Tab until the element with this label has the focus, and then a key on it.
  async press(label, key = 'Enter') {
    for (let presses = 0; presses < 60; presses += 1) {
      await this.page.keyboard.press('Tab');
      if (await this.focused() === label) return this.page.keyboard.press(key);
    }
    return assert.fail(`no way to ${label} by the keyboard`);
  }

  // Returns the label of the element that has the focus.
  focused() {
    return this.page.evaluate(() => {
      const element = document.activeElement;
      return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
    });
  }

  // Waits until the element with this label has the focus.
  async hasFocus(label) {
    await this.page.waitForFunction((wanted) => {
      const element = document.activeElement;
      return (element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent) === wanted;
    }, label).catch(async () => assert.fail(`the focus is on ${await this.focused()} and not on ${label}`));
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
    return this.page.getByLabel('Files', { exact: true }).setInputFiles(chosen);
  }

  // Fails if anything went wrong that no test expects. Refused requests are expected if `refusals`.
  async check(refusals = false) {
    const found = this.errors.filter((error) => !(refusals && REFUSED.test(error)));
    assert.deepEqual(found, [], `errors in the console: ${found.join('\n')}`);
    assert.deepEqual(await this.page.evaluate('window.violations'), [], 'violations of the content security policy');
  }

  async close() {
    await this.context.close();
  }
}

// Calls the endpoints without the page.
function caller(address, token) {
  return async (method, path, { json, body = json && JSON.stringify(json), headers = {} } = {}) => {
    const base = /^\/v\d\//.test(path) ? '' : '/v1/experiments/default';
    const answer = await fetch(`http://${address}${base}${path}`, {
      method,
      body,
      headers: {
        authorization: `Bearer admin:${token}`,
        'x-eden-experiment-id': 'default',
        ...(json && { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    assert(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  };
}

// Does what makes the browser save a file, and returns its name and content.
async function saved(tab, action) {
  const [download] = await Promise.all([tab.page.waitForEvent('download'), action()]);
  return [download.suggestedFilename(), fs.readFileSync(await download.path())];
}

// Fails if anything is wider than the screen, or than the dialog or table that it is in.
async function fits(tab, where) {
  const [wide, screen] = await tab.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert(wide <= screen, `${where} is ${wide} pixels wide on a screen of ${screen}`);
  const scrolled = await tab.page.evaluate(() => {
    const boxes = [...document.querySelectorAll('dialog[open], .scroll')];
    return boxes.filter((each) => each.scrollWidth > each.clientWidth)
      .map((each) => `${each.scrollWidth} of ${each.clientWidth}: ${each.textContent.slice(0, 50)}`);
  });
  assert(scrolled.length === 0, `${where} on a screen of ${screen} pixels: ${scrolled}`);
  const cut = await tab.page.evaluate(() => {
    const shown = [...document.querySelectorAll('button, input, select, a, h1, h2, p, dd')];
    return shown.filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > window.innerWidth + 1
      && !each.closest('.skip')).map((each) => each.outerHTML.slice(0, 100));
  });
  assert.deepEqual(cut, [], `${where} on a screen of ${screen}`);
}

module.exports = { Tab, caller, fits, saved, sha256 };
