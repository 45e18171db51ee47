// The page at /ui/ in Chromium: only with the keyboard, on a phone, in light and dark, and with an accessibility checker.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { Tab, caller, fits } = require('./page_support.cjs');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// Signs in, finds an artifact, looks at it and signs out without a mouse.
async function keyboardOnly(browser, origin, token) {
  const tab = await Tab.open(browser, origin);
  const { keyboard } = tab.page;
  const focused = () => tab.page.evaluate(() => {
    const element = document.activeElement;
    return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
  });
  // Presses Tab until an element with this label has the focus. Each must be visibly focused.
  async function tabTo(label) {
    for (let presses = 0; presses < 40; presses += 1) {
      await keyboard.press('Tab');
      const style = await tab.page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      const found = await focused();
      assert.equal(style, 'solid', `the focus on ${found} is not visible`);
      if (found === label) return;
    }
    assert.fail(`no way to ${label} by the keyboard`);
  }
  // The first field gets the focus.
  await tab.heading('Sign in');
  await tab.page.locator('input[name=experiment]:focus').waitFor();
  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Skip to the content');
  await tabTo('Token');
  await keyboard.type(token);
  await keyboard.press('Enter');
  await tab.heading('Artifacts');
  await tabTo('Name contains');
  await keyboard.type('chosen.txt');
  await keyboard.press('Enter');
  await tab.page.getByText('1 artifact shown').first().waitFor();
  await tabTo('chosen.txt');
  await keyboard.press('Enter');
  await tab.dialog.getByText('SHA-256', { exact: true }).waitFor();
  await tabTo('Copy SHA-256');
  await keyboard.press('Escape');
  await tab.dialog.waitFor({ state: 'detached' });
  assert.equal(await focused(), 'chosen.txt');
  await tab.page.locator('#skip').focus();
  await keyboard.press('Enter');
  assert.equal(await tab.page.evaluate('document.activeElement.id'), 'main');
  await keyboard.press('Shift+Tab');
  await tab.page.locator('#skip').focus();
  await tabTo('Sign out');
  await keyboard.press('Enter');
  await tab.heading('Sign in');
  await tab.check();
  await tab.close();
}

async function hasNoViolation(tab, where) {
  const found = await tab.page.evaluate(async (source) => {
    // The checker is not part of the page.
    if (!window.axe) (0, eval)(source);
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    // Behind a dialog is what was looked at before.
    const shown = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document;
    const { violations } = await window.axe.run(shown, { runOnly: { type: 'tag', values: tags } });
    return violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).join(' ').slice(0, 300)}`);
  }, axe);
  assert(found.length === 0, `accessibility of ${where}: ${found.join('\n')}`);
}

async function lookAtSharing(tab, look, design) {
  await tab.button('Share').click();
  // Each design has a grantee of its own, so that one does not replace the grant of another.
  const grantee = tab.page.locator('datalist option', { hasText: new RegExp(`^${design} grantee$`) });
  await tab.dialog.getByLabel('Id of the worker or group').fill(await grantee.getAttribute('value'));
  await tab.dialog.getByLabel('May read until').fill('2099-12-31T12:30');
  await tab.button('Grant').click();
  await tab.says('Granted');
  await tab.dialog.getByLabel('Maximum downloads').fill('3');
  await tab.button('Make a link').click();
  await tab.dialog.locator('.token').waitFor();
  await look('link');
  await tab.button('Close').last().click();
  await tab.says('Link made');
  await look('sharing');
  await tab.button('Close').last().click();
}

async function lookAtCollections(tab, look, design) {
  await tab.view('Collections');
  await tab.page.getByLabel('Title of the new collection').fill(`${design} results`);
  await tab.button('Create').click();
  await tab.choose([['loss.csv', '0.5', 'text/csv'], ['model.bin', Buffer.alloc(200_000, 7)]]);
  await tab.stored('model.bin');
  await tab.page.getByLabel('Into the folder').fill('logs/day 1');
  await tab.choose([['one.txt', 'one']]);
  await tab.stored('logs/day 1/one.txt');
  const dismiss = tab.page.getByRole('button', { name: /^Dismiss/ });
  while (await dismiss.count() > 0) await dismiss.first().press('Enter');
  await tab.page.getByText(/^3 files, /).waitFor();
  await look('collection');
  await tab.button('Folder logs').click();
  await tab.button('Folder day 1').click();
  await tab.button('one.txt').waitFor();
  await look('folder');
  await tab.button(`${design} results`).click();
  await tab.button('Seal').click();
  await look('seal');
  await tab.dialog.getByRole('button', { name: 'Seal' }).click();
  await tab.button('Manifest').click();
  await tab.dialog.getByRole('table').waitFor();
  await look('manifest');
  await tab.button('Close').click();
  await tab.view('Usage');
  await tab.view('Collections');
  await tab.page.getByText(/collections? shown/).first().waitFor();
  await look('collections');
}

// Looks at each view, each dialog and an error in one design; in the light one at more sizes.
async function tour(browser, origin, token, shots, design, options) {
  const tab = await Tab.open(browser, origin, { ...options, bypassCSP: true, reducedMotion: 'reduce' });
  const look = async (where) => {
    await fits(tab, `${design} ${where}`);
    await hasNoViolation(tab, `${design} ${where}`);
    await tab.page.screenshot({ path: path.join(shots, `${design}-${where}.png`) });
    if (design !== 'light') return;
    const size = tab.page.viewportSize();
    for (const width of [1000, 600]) {
      await tab.page.setViewportSize({ ...size, width });
      await fits(tab, `${design} ${where}`);
      await tab.page.screenshot({ path: path.join(shots, `${design}-${where}-${width}.png`) });
    }
    await tab.page.setViewportSize(size);
  };
  await tab.signIn('admin', 'wrong-token-wrong-token');
  await tab.page.getByRole('alert').waitFor();
  await look('sign-in');
  await tab.signIn('admin', token);
  await tab.page.getByText('50 artifacts shown').first().waitFor();
  await tab.choose([['report.pdf', 'x'.repeat(5000), 'application/pdf']]);
  await tab.stored('report.pdf');
  await tab.page.getByLabel('Name contains').fill('WWWW');
  await tab.button('Search').click();
  await tab.page.getByText(/^\d artifacts? shown$/).first().waitFor();
  await look('long-name');
  await tab.button('Clear').click();
  await tab.page.getByText('50 artifacts shown').first().waitFor();
  await tab.page.getByText('More filters').click();
  await look('artifacts');
  await tab.button('chosen.txt').click();
  await tab.dialog.getByText('SHA-256', { exact: true }).waitFor();
  await look('details');
  await lookAtSharing(tab, look, design);
  await tab.dialog.getByRole('button', { name: 'Delete' }).click();
  await look('confirm');
  await tab.button('Cancel').click();
  await tab.button('Close').click();
  await tab.view('Workers');
  await tab.page.getByLabel('Name of the new worker').fill(`${design} worker`);
  await tab.button('Register').click();
  await tab.dialog.locator('.token').waitFor();
  await look('token');
  await tab.button('Close').click();
  await tab.button(`${design} worker`).click();
  await tab.button('Revoke the token').waitFor();
  await look('worker');
  await tab.button('Close').click();
  await tab.view('Groups');
  await tab.button('admins').click();
  await tab.dialog.getByLabel('Id of the new member').waitFor();
  await look('group');
  await tab.button('Close').click();
  await tab.view('Administrators');
  await tab.page.getByLabel('Name of the new administrator').fill(`${design} administrator`);
  await tab.button('Register').click();
  await tab.button('Close').click();
  await tab.button(`${design} administrator`).waitFor();
  await look('administrators');
  await tab.button(`${design} administrator`).click();
  await tab.button('Revoke the token').waitFor();
  await look('administrator');
  await tab.button('Close').click();
  await lookAtCollections(tab, look, design);
  for (const view of ['Usage', 'Experiments']) {
    await tab.view(view);
    await tab.page.getByRole('table').waitFor();
    await look(view.toLowerCase());
  }
  await tab.check(true);
  await tab.close();
}

async function looks(browser, address, token, shots) {
  const origin = `http://${address}`;
  fs.mkdirSync(shots, { recursive: true });
  await keyboardOnly(browser, origin, token);
  const call = caller(address, token);
  for (const design of ['light', 'dark', 'phone', 'phone-dark']) {
    await call('POST', '/workers', { json: { name: `${design} grantee` } });
  }
  await Promise.all([
    tour(browser, origin, token, shots, 'light', { colorScheme: 'light', viewport: { width: 1200, height: 800 } }),
    tour(browser, origin, token, shots, 'dark', { colorScheme: 'dark', viewport: { width: 1200, height: 800 } }),
    tour(browser, origin, token, shots, 'phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }),
    tour(browser, origin, token, shots, 'phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 } }),
  ]);
}

module.exports = { looks };
