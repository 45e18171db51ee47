// The page at /ui/ in Chromium: only with the keyboard, on a phone, in light and dark, and with an accessibility checker.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { Tab } = require('./page_support.cjs');

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

async function fits(tab, where) {
  const [wide, screen] = await tab.page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert(wide <= screen, `${where} is ${wide} pixels wide on a screen of ${screen}`);
  const cut = await tab.page.evaluate(() => {
    const shown = [...document.querySelectorAll('button, input, select, a, h1, h2, p, dd')];
    return shown.filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > window.innerWidth + 1
      && !each.closest('.skip')).map((each) => each.outerHTML.slice(0, 100));
  });
  assert.deepEqual(cut, [], `${where} on a screen of ${screen}`);
}

// Looks at each view, each dialog and an error in one design.
async function tour(browser, origin, token, shots, design, options) {
  const tab = await Tab.open(browser, origin, { ...options, bypassCSP: true, reducedMotion: 'reduce' });
  const look = async (where) => {
    await fits(tab, `${design} ${where}`);
    await hasNoViolation(tab, `${design} ${where}`);
    await tab.page.screenshot({ path: path.join(shots, `${design}-${where}.png`) });
  };
  await tab.signIn('admin', 'wrong-token-wrong-token');
  await tab.page.getByRole('alert').waitFor();
  await look('sign-in');
  await tab.signIn('admin', token);
  await tab.page.getByText('50 artifacts shown').first().waitFor();
  await tab.choose([['report.pdf', 'x'.repeat(5000), 'application/pdf']]);
  await tab.stored('report.pdf');
  await tab.page.getByLabel('Name contains').fill('xxxx');
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
  await Promise.all([
    tour(browser, origin, token, shots, 'light', { colorScheme: 'light', viewport: { width: 1200, height: 800 } }),
    tour(browser, origin, token, shots, 'dark', { colorScheme: 'dark', viewport: { width: 1200, height: 800 } }),
    tour(browser, origin, token, shots, 'phone', { colorScheme: 'light', viewport: { width: 360, height: 740 } }),
  ]);
}

module.exports = { looks };
