// What a hostile name or file cannot do in the page: names are text, and files are bytes.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const { Tab, caller, fits, saved } = require('./page_support.cjs');

const IMAGE = '<img src=x onerror=window.ran=1>';
const QUOTES = `"'\`><img src=x onerror='window.ran=1'><b onclick="window.ran=1">`;
const MARKS = '\u202egnp.exe\u2066 \u05d0\u05d1\u200f';
const LONG = 'W'.repeat(255);
const TYPE = 'text/x"><img src=x onerror=window.ran=1>';
const NAMES = [IMAGE, QUOTES, MARKS, LONG];

// How the page shows a text: what no one sees, or changes the direction, as its number.
const shown = (text) => text.replace(/[\u200b-\u200f\u202a-\u202e\u2066-\u2069]/gu,
  (c) => `[U+${c.codePointAt(0).toString(16).toUpperCase()}]`);

// A display name has at most 128 characters.
const short = (text) => text.slice(0, 128);

// Gives everything that has a name a hostile one. Returns the names that the server has recorded.
async function plant(call) {
  const planted = { workers: [], groups: [], administrators: [], artifacts: [] };
  for (const text of NAMES) {
    const labels = { [short(text)]: text };
    planted.workers.push(await call('POST', '/workers', { json: { name: short(text), labels } }));
    planted.groups.push(await call('POST', '/v0/experiments/default/groups', {
      json: { name: short(text), members: [planted.workers[0].worker_id] },
    }));
    planted.administrators.push(await call('POST', '/v1/administrators', { json: { name: short(text) } }));
    const [depositor] = planted.workers;
    planted.artifacts.push(await call('POST', '/artifacts', {
      body: text,
      headers: {
        authorization: `Bearer ${depositor.worker_id}:${depositor.registration_token}`,
        'content-type': TYPE,
        'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(text).replace(/'/g, '%27')}`,
      },
    }));
  }
  const [artifact] = planted.artifacts;
  for (const { worker_id: worker } of planted.workers) {
    await call('POST', `/artifacts/${artifact.id}/grants`, { json: { worker } });
  }
  for (const { group_id: group } of planted.groups) {
    await call('POST', `/artifacts/${artifact.id}/grants`, { json: { group } });
  }
  const titles = [];
  for (const text of NAMES) titles.push((await call('POST', '/collections', { json: { title: short(text) } })).title);
  const { id } = await call('POST', '/collections', { json: { title: `sealed ${IMAGE}` } });
  for (const text of NAMES) {
    const segment = encodeURIComponent(text);
    for (const path of [segment, `in/${segment}/${segment}`]) {
      await call('PUT', `/collections/${id}/files/${path}`, { body: text, headers: { 'content-type': TYPE } });
    }
  }
  await call('POST', `/collections/${id}/seal`);
  return { ...planted, titles };
}

// Looks at all names in all views. Without the content security policy, so that nothing but the page itself keeps a name from being
// markup.
async function namesAreText(browser, origin, token, planted, viewport) {
  const tab = await Tab.open(browser, origin, { bypassCSP: true, viewport });
  const { page } = tab;
  const isPhone = viewport.width < 500;
  await tab.signIn('admin', token);
  await tab.heading('Artifacts');
  // Waits for texts, and for what they would run.
  const look = async (where, texts) => {
    const top = (await page.locator('dialog[open]').count()) > 0 ? tab.dialog : page.locator('main');
    for (const text of texts) await top.getByText(shown(text), { exact: true }).first().waitFor();
    assert.deepEqual([await page.locator('img').count(), await page.locator('main b, dialog b').count()], [1, 0], where);
    await fits(tab, where);
  };
  const open = async (label, where, texts) => {
    await tab.button(label).first().click();
    await look(where, texts);
  };
  const close = () => tab.button('Close').last().click();

  // What is chosen is shown before the server has a say.
  await tab.choose(NAMES.map((name) => [name, name, TYPE]));
  for (const name of NAMES) await tab.stored(shown(name));
  await page.getByText('More filters').click();
  await page.getByLabel('Depositor').fill(planted.workers[0].worker_id);
  await tab.button('Search').click();
  await page.getByText('4 artifacts shown').first().waitFor();
  const names = planted.artifacts.map((artifact) => artifact.file_name);
  assert.deepEqual([names[0], names[1], names[3]], [IMAGE, QUOTES, LONG]);
  await look('artifacts', isPhone ? names : [...names, TYPE, planted.workers[0].name]);
  await open(shown(names[0]), 'details', [names[0], TYPE, planted.workers[0].name]);
  const all = [...planted.workers, ...planted.groups].map((each) => each.name);
  await open('Share', 'sharing', all);
  await tab.dialog.getByRole('button', { name: /^Revoke the grant/ }).first().click();
  await look('revoke', []);
  await tab.button('Cancel').click();
  await close();
  await close();
  await open(shown(names[3]), 'details of a long name', [names[3]]);
  await tab.dialog.getByRole('button', { name: 'Delete' }).click();
  await look('delete', [names[3]]);
  await tab.button('Cancel').click();
  await close();

  await tab.view('Workers');
  await look('workers', planted.workers.map((worker) => worker.name));
  for (const { name, labels } of planted.workers) {
    await open(shown(name), 'worker', [`Label ${Object.keys(labels)[0]}`, Object.values(labels)[0]]);
    await close();
  }
  await tab.view('Groups');
  await look('groups', planted.groups.map((group) => group.name));
  for (const { name } of planted.groups) {
    await open(shown(name), 'group', [name, planted.workers[0].name]);
    await close();
  }
  await tab.view('Administrators');
  await look('administrators', planted.administrators.map((each) => each.name));
  for (const { name } of planted.administrators) {
    await open(shown(name), 'administrator', [name]);
    await close();
  }
  await tab.view('Usage');
  await look('usage', [planted.workers[0].name]);

  await tab.view('Collections');
  await look('collections', planted.titles);
  for (const title of planted.titles) {
    await open(shown(title), 'collection', []);
    await page.getByRole('heading', { level: 2, name: shown(title), exact: true }).waitFor();
    await look('collection', []);
    await tab.button('Delete the collection').click();
    await look('delete collection', [title]);
    await tab.button('Cancel').click();
    await tab.button('Collections').click();
  }
  await open(`sealed ${IMAGE}`, 'files', isPhone ? NAMES : [...NAMES, TYPE]);
  for (const name of NAMES) {
    await tab.button('Folder in').click();
    await look('folders', NAMES);
    await tab.button(`Folder ${shown(name)}`).click();
    await page.getByRole('heading', { level: 2, name: shown(name), exact: true }).waitFor();
    await look('folder', [name]);
    await open(shown(name), 'file', [name, `in/${name}/${name}`, TYPE]);
    await close();
    await tab.button(`sealed ${IMAGE}`).click();
  }
  await open('Manifest', 'manifest', NAMES.flatMap((name) => [name, `in/${name}/${name}`]));
  await close();
  assert.equal(await page.evaluate('window.ran ?? null'), null, 'a name ran as a script');
  // The name of a depositor that was deleted is not found.
  await tab.check(true);
  await tab.close();
}

// Files are saved and never shown.
async function filesAreBytes(browser, tab, call) {
  const { page } = tab;
  const script = "parent.ran=top.ran=window.ran=true;fetch('/healthz?ran')";
  const files = {
    html: `<!doctype html><title>file</title><script>${script}</script><body onload="${script}">`,
    svg: `<svg xmlns="http://www.w3.org/2000/svg" onload="${script}"><script>${script}</script></svg>`,
  };
  const reached = [];
  tab.context.on('request', (request) => request.url().includes('?ran') && reached.push(request.url()));
  for (const [kind, content] of Object.entries(files)) {
    const type = { html: 'text/html', svg: 'image/svg+xml' }[kind];
    await tab.choose([[`active.${kind}`, content, type]]);
    await tab.stored(`active.${kind}`);
    // Saved by the page, under a URL of the page's origin: the browser must not take it for a document.
    await page.getByLabel('Name contains').fill(`active.${kind}`);
    await tab.button('Search').click();
    await page.getByText('1 artifact shown').first().waitFor();
    await page.evaluate(() => {
      const create = URL.createObjectURL;
      URL.createObjectURL = (blob) => {
        window.made = blob.type;
        return create(blob);
      };
    });
    const [, bytes] = await saved(tab, () => tab.button(`Download active.${kind}`).click());
    assert.equal(bytes.toString(), content);
    assert.equal(await page.evaluate('window.made'), 'application/octet-stream');
    // Opened from the server, with the credential.
    const { artifacts: [row] } = await call('GET', `/artifacts?name=active.${kind}`);
    const context = await browser.newContext({ extraHTTPHeaders: { authorization: `Bearer admin:${process.env.TOKEN}` } });
    context.on('request', (request) => request.url().includes('?ran') && reached.push(request.url()));
    const other = await context.newPage();
    const url = `${tab.origin}/v1/experiments/default/artifacts/${row.id}/content`;
    const [download] = await Promise.all([other.waitForEvent('download'), other.goto(url).catch(() => null)]);
    assert.equal(fs.readFileSync(await download.path(), 'utf8'), content);
    await context.close();
  }
  assert.deepEqual([reached, await page.evaluate('window.ran ?? null')], [[], null]);
}

// Runs everything with a tab that is signed in and shows the artifacts.
async function hostile(browser, tab, address, token) {
  const call = caller(address, token);
  await filesAreBytes(browser, tab, call);
  const planted = await plant(call);
  const sizes = [1200, 360].map((width) => ({ width, height: 800 }));
  await Promise.all(sizes.map((size) => namesAreText(browser, tab.origin, token, planted, size)));
  for (const each of planted.administrators) await call('DELETE', `/v1/administrators/${each.administrator_id}`);
}

module.exports = { hostile };
