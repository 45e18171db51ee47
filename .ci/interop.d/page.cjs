// The page at /ui/ in Chromium: what people do with it. The other files have the views that need more.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const http = require('node:http');
const { collections } = require('./page_collections.cjs');
const { hostile } = require('./page_hostile.cjs');
const { looks } = require('./page_looks.cjs');
const { sharing } = require('./page_sharing.cjs');
const { Tab, caller, saved, sha256 } = require('./page_support.cjs');

// Signs in with a wrong and the right token. The browser must never ask for a password by itself.
async function signsIn(tab, token) {
  const { page } = tab;
  const asked = [];
  const devtools = await tab.context.newCDPSession(page);
  devtools.on('Fetch.requestPaused', ({ requestId }) => devtools.send('Fetch.continueRequest', { requestId }));
  devtools.on('Fetch.authRequired', ({ requestId, request }) => {
    asked.push(request.url);
    devtools.send('Fetch.continueWithAuth', { requestId, authChallengeResponse: { response: 'CancelAuth' } });
  });
  await devtools.send('Fetch.enable', { handleAuthRequests: true });
  await tab.signIn('admin', 'wrong-token-wrong-token');
  await page.getByRole('alert').filter({ hasText: '401' }).waitFor();
  await tab.signIn('admin', token, 'nowhere');
  await page.getByRole('alert').filter({ hasText: 'does not host the experiment' }).waitFor();
  // An upload uses XMLHttpRequest, which would make the browser ask.
  const refusal = await page.evaluate(async () => {
    const { Api, readSettings } = await import('./api.js');
    const { upload } = await import('./upload.js');
    const api = new Api(await readSettings(), { experiment: 'default', principal: 'admin', token: 'wrong' });
    return upload(api, new File(['x'], 'x')).then(() => 'stored', (error) => `${error.name} ${error.status}`);
  });
  assert.equal(refusal, 'Problem 401');
  assert.deepEqual(asked, [], 'the browser asked for a password');
  // Without the field of upload.js it does ask, so this would be noticed.
  const bare = '/v1/experiments/default/artifacts';
  await page.evaluate((url) => new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open('GET', url);
    request.onloadend = done;
    request.send();
  }), bare);
  assert.equal(asked.length, 1);
  await devtools.detach();

  await tab.signIn('admin', token);
  await tab.heading('Artifacts');
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Artifacts');
  const kept = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length, location.href]);
  assert.deepEqual(kept, ['', 0, 0, `${tab.origin}/ui/`]);
}

async function uploads(tab, files) {
  const { page } = tab;
  await tab.choose([['chosen.txt', 'chosen'], ['two.csv', 'a,b', 'text/csv']]);
  await tab.stored('chosen.txt');
  await tab.stored('two.csv');
  const dropped = files.map(([name, content]) => [name, content.toString('base64')]);
  await page.evaluate((given) => {
    const transfer = new DataTransfer();
    for (const [name, content] of given) {
      const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
      transfer.items.add(new File([bytes], name, { type: 'application/x-test' }));
    }
    const target = document.querySelector('.drop');
    for (const type of ['dragover', 'drop']) {
      target.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, dropped);
  for (const [name] of files) await tab.stored(name);

  // Cancelled in the middle, and sent again.
  const devtools = await tab.context.newCDPSession(page);
  const slow = (uploadThroughput) => devtools.send('Network.emulateNetworkConditions', {
    offline: false, latency: 0, downloadThroughput: -1, uploadThroughput,
  });
  await devtools.send('Network.enable');
  await slow(200_000);
  await tab.choose([['slow.bin', Buffer.alloc(2_000_000, 7)]]);
  const item = page.locator('.uploads li', { hasText: 'slow.bin' });
  await item.locator('.state', { hasText: '%' }).waitFor();
  await tab.button('Cancel the upload of slow.bin').click();
  await item.locator('.state', { hasText: 'cancelled' }).waitFor();
  await slow(-1);
  await tab.button('Try again: slow.bin').click();
  await tab.stored('slow.bin');
  await devtools.detach();

  await tab.choose([['large.bin', Buffer.alloc(9 << 20, 7)]]);
  await page.locator('.uploads li', { hasText: 'large.bin' }).getByText(/\(413\)|No response/).waitFor();
  await tab.button('Dismiss large.bin').click();
}

// Sends a file in parts over a connection that breaks, or in one request if the server has no resumable uploads.
async function sendsInParts(tab, content) {
  const { page } = tab;
  const sent = [];
  await page.route(/\/v1\/experiments\/default\/(uploads|artifacts)/, (route) => {
    const method = route.request().method();
    sent.push(method);
    const isThird = method === 'PATCH' && sent.filter((each) => each === method).length === 3;
    return isThird ? route.abort('connectionreset') : route.continue();
  });
  const stored = await page.evaluate(async ([token, encoded]) => {
    const { Api, readSettings } = await import('./api.js');
    const { upload } = await import('./upload.js');
    const api = new Api(await readSettings(), { experiment: 'default', principal: 'admin', token });
    const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
    const progress = [];
    const options = { maxWhole: 0, partSize: 65536, onProgress: (n) => progress.push(n), expiresIn: 86400 };
    const artifact = await upload(api, new File([bytes], 'p\u00e4rts.bin', { type: 'text/x-parts' }), options);
    return { ...artifact, sent: Math.max(...progress) };
  }, [process.env.TOKEN, content.toString('base64')]);
  await page.unrouteAll();
  assert.deepEqual([stored.sha256, stored.file_name, stored.content_type, stored.sent],
    [sha256(content), 'p\u00e4rts.bin', 'text/x-parts', content.length]);
  assert.notEqual(stored.expires_at, null);
  const parts = Array(Math.ceil(content.length / 65536)).fill('PATCH');
  const inParts = ['OPTIONS', 'POST', ...parts.slice(0, 3), 'HEAD', ...parts.slice(2), 'GET'];
  assert.deepEqual(sent, inParts);
}

async function listsAndFinds(tab, call) {
  const { page } = tab;
  const rows = page.locator('tbody tr');
  await Promise.all(Array.from({ length: 52 }, (_, n) => call('POST', '/artifacts', {
    body: `${n}`, headers: { 'content-disposition': `attachment; filename="many-${n}.txt"`, 'content-type': 'text/x-many' },
  })));
  await page.getByText('More filters').click();
  await page.getByLabel('Type').fill('text/x-many');
  await tab.button('Search').click();
  await page.getByText('50 artifacts shown; more follow.').first().waitFor();
  await tab.button('Show more').click();
  await page.getByText('52 artifacts shown').first().waitFor();
  assert.equal(await rows.count(), 52);
  assert(await page.evaluate(() => document.activeElement.closest('tr').rowIndex) === 51, 'focus on the first new row');
  await page.getByLabel('Name contains').fill('many-33');
  await page.getByLabel('Name contains').press('Enter');
  await page.getByText('1 artifact shown').first().waitFor();
  await page.getByLabel('Deposited before').fill('2020-01-01T00:00');
  await tab.button('Search').click();
  await page.getByText('No artifact fits the filters.').first().waitFor();
  await page.getByLabel('Type').fill('text');
  await tab.button('Search').click();
  await page.getByRole('alert').filter({ hasText: '`content_type` must' }).waitFor();
  await tab.button('Clear').click();
  await page.getByText('50 artifacts shown').first().waitFor();
}

async function find(tab, name) {
  await tab.page.getByLabel('Name contains').fill(name);
  await tab.button('Search').click();
  await tab.page.getByText('1 artifact shown').first().waitFor();
}

async function describesAndSaves(tab, call, [name, content]) {
  const { page } = tab;
  await find(tab, name);
  const [row] = (await call('GET', `/artifacts?name=${name}`)).artifacts;
  assert.deepEqual(await saved(tab, () => tab.button(`Download ${name}`).click()), [name, content]);
  await tab.button(name).click();
  const { dialog } = tab;
  await dialog.getByText(sha256(content)).waitFor();
  for (const text of [row.artifacts_uri, 'application/x-test', `(${content.length.toLocaleString('en')} bytes)`]) {
    assert(await dialog.getByText(text).isVisible(), text);
  }
  await tab.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await dialog.getByRole('button', { name: 'Copy URI' }).click();
  await tab.says('URI copied');
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), row.artifacts_uri);

  // A large artifact is written while it arrives; here the file is one of the browser's own.
  const streamed = await page.evaluate(async (artifact) => {
    const folder = await navigator.storage.getDirectory();
    window.showSaveFilePicker = ({ suggestedName }) => folder.getFileHandle(suggestedName, { create: true });
    const { Api, readSettings } = await import('./api.js');
    const { save } = await import('./download.js');
    const credential = { experiment: 'default', principal: 'admin', token: artifact.token };
    await save(new Api(await readSettings(), credential), artifact, { inMemory: 0 });
    const file = await (await folder.getFileHandle(artifact.file_name)).getFile();
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  }, { ...row, token: process.env.TOKEN });
  assert.equal(streamed, row.sha256);

  // A hold prevents the removal, and the page says so.
  await dialog.getByRole('button', { name: 'Place a hold' }).click();
  await tab.says('Hold placed');
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await tab.button('Delete').last().click();
  await tab.dialog.getByRole('alert').filter({ hasText: '409' }).waitFor();
  await tab.button('Cancel').click();
  await dialog.getByRole('button', { name: 'Release the hold' }).click();
  await tab.says('Hold released');
  await dialog.getByRole('button', { name: 'Close' }).click();

  await tab.button(`Delete ${name}`).click();
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate('document.activeElement.getAttribute("aria-label")'), `Delete ${name}`);
  await tab.button(`Delete ${name}`).click();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText('No artifact fits').first().waitFor();
  assert.deepEqual((await call('GET', `/artifacts?name=${name}`)).artifacts, []);
}

async function managesWorkersAndGroups(browser, tab) {
  const { page } = tab;
  await tab.view('Workers');
  await page.getByLabel('Name of the new worker').fill('<b>worker</b>');
  await tab.button('Register').click();
  const token = await tab.dialog.locator('.token').textContent();
  const principal = await tab.dialog.locator('dd code').first().textContent();
  await tab.button('Close').click();
  await tab.says('registered');
  assert(!(await page.content()).includes(token), 'the token is still in the page');

  // A worker sees its own artifacts, and no views of administrators.
  const worker = await Tab.open(browser, tab.origin);
  await worker.signIn(principal, token);
  await worker.heading('Artifacts');
  await worker.page.getByText('There are no artifacts yet.').first().waitFor();
  assert.deepEqual(await worker.page.getByRole('navigation').getByRole('link').allTextContents(),
    ['Artifacts', 'Collections', 'Usage']);
  await worker.choose([['mine.txt', 'mine']]);
  await worker.stored('mine.txt');
  // The list has it without being loaded again.
  await worker.button('mine.txt').waitFor();
  await worker.check();

  await tab.view('Groups');
  await page.getByLabel('Name of the new group').fill('readers');
  await tab.button('Create').click();
  await tab.says('Group readers created');
  const group = await page.getByRole('row', { name: /^readers/ }).locator('code').textContent();
  await tab.button('readers').click();
  const add = async (member) => {
    await tab.dialog.getByLabel('Id of the new member').fill(member);
    await tab.dialog.getByRole('button', { name: 'Add' }).click();
    await tab.dialog.locator('.members', { hasText: member }).waitFor();
  };
  await add(principal);
  await tab.dialog.getByLabel('Id of the new member').fill(group);
  await tab.dialog.getByRole('button', { name: 'Add' }).click();
  await tab.dialog.getByRole('alert').filter({ hasText: '409' }).waitFor();
  await tab.dialog.locator('.members', { hasText: '<b>worker</b>' }).waitFor();
  await tab.button('Close').click();
  // By a group in `admins`, the worker reads what every depositor has, but changes nothing.
  await tab.button('admins').click();
  await add(group);
  await tab.button('Close').click();
  await worker.page.reload();
  await worker.signIn(principal, token);
  await worker.heading('Artifacts');
  await worker.page.getByText('50 artifacts shown').first().waitFor();
  await worker.view('Groups');
  await worker.button('readers').click();
  await worker.dialog.locator('.members', { hasText: principal }).waitFor();
  assert.equal(await worker.dialog.getByRole('button', { name: /Remove|Add|Delete/ }).count(), 0);
  await worker.button('Close').click();
  await tab.button('readers').click();
  await tab.button(`Remove ${principal}`).click();
  await tab.dialog.getByText('The group has no members.').waitFor();
  await tab.button('Delete the group').click();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('Group readers deleted');

  // A new token, and the session with the old one ends.
  await tab.view('Workers');
  await tab.button('<b>worker</b>').click();
  await tab.button('Issue a new token').click();
  const second = await tab.dialog.locator('.token').textContent();
  await tab.button('Close').last().click();
  assert.notEqual(second, token);
  await worker.page.getByRole('link', { name: 'Usage' }).click();
  await worker.heading('Sign in');
  await worker.page.getByRole('alert').filter({ hasText: '401' }).waitFor();
  await worker.signIn(principal, second);
  await worker.heading('Usage');
  await tab.button('Revoke the token').click();
  await tab.dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await tab.dialog.getByText('revoked', { exact: true }).waitFor();
  await tab.button('Delete the worker').click();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('deleted');
  assert.equal(await tab.button('<b>worker</b>').count(), 0);
  await worker.check(true);
  await worker.close();
}

async function showsUsageAndExperiments(tab) {
  const { page } = tab;
  await tab.view('Usage');
  await page.locator('svg.bar').first().waitFor();
  assert.match(await page.getByRole('row', { name: /^admin/ }).innerText(), /MiB\s+\d+(\.\d)? %/);
  await page.getByLabel('Keep for').selectOption('2592000');
  await tab.button('Change').click();
  await page.getByText('are kept for 30 days').waitFor();
  await page.getByLabel('Keep for').selectOption('');
  await tab.button('Change').click();
  await page.getByText('are kept for ever').waitFor();
  await tab.view('Experiments');
  await page.getByLabel('Name of the new experiment').fill('second');
  await tab.button('Create').click();
  await tab.button('Open second').click();
  await page.getByText('There are no artifacts yet.').first().waitFor();
  assert.match(await page.locator('#account').innerText(), /admin in second/);
  await tab.button('Sign out').click();
  await tab.heading('Sign in');
  assert(!(await page.content()).includes(process.env.TOKEN), 'the token is still in the page');
}

// Behind a proxy that removes a prefix from the path.
async function worksUnderAPrefix(browser, address, token) {
  const [host, port] = address.split(':');
  const proxy = http.createServer((request, response) => {
    const path = request.url.replace(/^\/files(?=\/)/, '');
    const asked = http.request({ host, port, path, method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    request.pipe(asked);
  });
  await new Promise((listening) => proxy.listen(0, '127.0.0.1', listening));
  const tab = await Tab.open(browser, `http://127.0.0.1:${proxy.address().port}/files`);
  try {
    await tab.page.goto(`${tab.origin}/ui`);
    assert.equal(tab.page.url(), `${tab.origin}/ui/`);
    await tab.signIn('admin', token);
    await tab.page.getByText('50 artifacts shown').first().waitFor();
    await tab.choose([['prefixed.txt', 'x']]);
    await tab.stored('prefixed.txt');
    await tab.check();
  } finally {
    await tab.close();
    proxy.closeAllConnections();
    proxy.close();
  }
}

// Runs everything. `shots` is a folder for screenshots.
async function page(browser, address, token, shots) {
  const began = Date.now();
  const call = caller(address, token);
  const tab = await Tab.open(browser, `http://${address}`);
  const files = [['dropped.bin', Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31) % 251))],
    ['empty', Buffer.alloc(0)]];
  await signsIn(tab, token);
  await uploads(tab, files);
  await sendsInParts(tab, files[0][1]);
  await listsAndFinds(tab, call);
  await describesAndSaves(tab, call, files[0]);
  await managesWorkersAndGroups(browser, tab);
  await collections(browser, tab, address, token);
  await sharing(browser, tab, address, token);
  await tab.view('Artifacts');
  await hostile(browser, tab, address, token);
  await showsUsageAndExperiments(tab);
  await tab.check(true);
  await tab.close();
  await worksUnderAPrefix(browser, address, token);
  await looks(browser, address, token, shots);
  console.log(`chromium: the page works, ${Math.round((Date.now() - began) / 1000)} s`);
}

module.exports = { page };
