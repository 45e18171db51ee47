// Collections in the page: made, filled, looked at as folders, sealed and deleted, with the keyboard and the mouse.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { Tab, caller, saved, sha256 } = require('./page_support.cjs');

const rows = (tab) => tab.page.getByRole('region', { name: 'List of folders and files' }).locator('tbody th').allInnerTexts();

const breadcrumb = (tab) => tab.page.getByRole('navigation', { name: 'Breadcrumb' });

// Creates a collection only with the keyboard, and returns its id.
async function creates(tab, call) {
  const { page } = tab;
  await tab.view('Collections');
  await page.getByText('There are no collections yet.').first().waitFor();
  await tab.press('Title of the new collection', 'R');
  await page.keyboard.type('un 7');
  await page.keyboard.press('Enter');
  await tab.hasFocus('Run 7');
  await tab.says('Collection Run 7 created');
  const { collections: [created] } = await call('GET', '/collections');
  assert.deepEqual([created.title, created.state, created.created_by], ['Run 7', 'open', 'admin']);
  for (const text of [created.id, 'open', '0 files, 0 bytes']) await page.getByText(text, { exact: true }).waitFor();
  return created.id;
}

async function fills(tab, call, id) {
  const { page } = tab;
  await tab.choose([['loss.csv', '0.5\n', 'text/csv'], ['a b?#%.txt', 'odd']]);
  await tab.stored('loss.csv');
  await tab.stored('a b?#%.txt');
  // Into a folder that does not exist yet: its first file makes it.
  await page.getByLabel('Into the folder').fill('logs/day 1/');
  await tab.choose([['one.txt', 'one']]);
  await tab.stored('logs/day 1/one.txt');
  await page.getByLabel('Into the folder').fill('');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'interop-'));
  fs.mkdirSync(path.join(folder, 'plots/small'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'plots/all.svg'), '<svg/>');
  fs.writeFileSync(path.join(folder, 'plots/small/x.txt'), 'x');
  await page.getByLabel('Or a whole folder').setInputFiles(path.join(folder, 'plots'));
  await tab.stored('plots/all.svg');
  await tab.stored('plots/small/x.txt');
  fs.rmSync(folder, { recursive: true });
  const { files } = await call('GET', `/collections/${id}/files`);
  assert.deepEqual(files.map((file) => file.name),
    ['a b?#%.txt', 'logs/day 1/one.txt', 'loss.csv', 'plots/all.svg', 'plots/small/x.txt']);
  assert.equal(files[2].content_type, 'text/csv');
  assert.equal(files[2].sha256, sha256('0.5\n'));
  // The list has them without being loaded again, the folders first.
  assert.deepEqual(await rows(tab), ['logs/', 'plots/', 'a b?#%.txt', 'loss.csv']);
  await page.getByText(/^5 files, \d+ bytes$/).waitFor();

  // A name is given once. A second file under it is refused, and the page says so.
  await tab.choose([['loss.csv', 'other']]);
  const item = page.locator('.uploads li', { hasText: 'loss.csv' }).last();
  await item.getByRole('alert').filter({ hasText: '409' }).waitFor();
  await tab.button('Dismiss loss.csv').last().click();
  // No browser sends a name with dot segments to another path.
  await page.getByLabel('Into the folder').fill('../../artifacts');
  await tab.choose([['escaped.txt', 'x']]);
  await page.locator('.uploads li', { hasText: 'escaped.txt' }).getByText(/not \. or \.\./).waitFor();
  await tab.button('Dismiss ../../artifacts/escaped.txt').click();
  await page.getByLabel('Into the folder').fill('');
}

// A deposit whose response is lost is repeated, and the page finds that it succeeded. Another file under that name is refused.
async function survivesALostResponse(tab, id) {
  const { page } = tab;
  const found = await page.evaluate(async ([token, collection]) => {
    const { Api, readSettings } = await import('./api.js');
    const { uploadInto } = await import('./upload.js');
    const api = new Api(await readSettings(), { experiment: 'default', principal: 'admin', token });
    const put = (content, isRepeat) => uploadInto(api, collection, 'lost/it.txt', new File([content], 'it.txt'), { isRepeat })
      .then((file) => `${file.name} ${file.sha256}`, (error) => error.status);
    return [await put('it', false), await put('it', false), await put('it', true), await put('other', true)];
  }, [process.env.TOKEN, id]);
  const stored = `lost/it.txt ${sha256('it')}`;
  assert.deepEqual(found, [stored, 409, stored, 409]);
}

async function browses(tab) {
  const { page } = tab;
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: 'Collections' }).click();
  await page.getByRole('row', { name: /^Run 7 open 6/ }).waitFor();
  // Into two folders by the keyboard.
  await tab.press('Run 7');
  await tab.hasFocus('Run 7');
  await page.getByText('5 entries shown').first().waitFor();
  await tab.press('Folder logs');
  await tab.hasFocus('logs');
  await page.getByText('1 entry shown').first().waitFor();
  await tab.press('Folder day 1');
  await tab.hasFocus('day 1');
  await tab.button('one.txt').waitFor();
  assert.deepEqual(await rows(tab), ['one.txt']);
  assert.deepEqual(await breadcrumb(tab).getByRole('listitem').allInnerTexts(), ['Collections', 'Run 7', 'logs', 'day 1']);
  assert.equal(await breadcrumb(tab).locator('[aria-current=location]').innerText(), 'day 1');
  // The folder is where an upload goes, and neither its name nor the id of the collection is in the address.
  assert.equal(await page.getByLabel('Into the folder').inputValue(), 'logs/day 1/');
  assert.equal(page.url(), `${tab.origin}/ui/#collections`);
  await page.goBack();
  await tab.hasFocus('logs');
  await page.goForward();
  await tab.hasFocus('day 1');
  await breadcrumb(tab).getByRole('button', { name: 'Run 7' }).click();
  await tab.hasFocus('Run 7');
  // By the beginning of the name.
  await page.getByText('5 entries shown').first().waitFor();
  await page.getByLabel('Name begins with').fill('lo');
  await page.getByLabel('Name begins with').press('Enter');
  await page.getByText('3 entries shown').first().waitFor();
  assert.deepEqual(await rows(tab), ['logs/', 'lost/', 'loss.csv']);
  await page.getByLabel('Name begins with').fill('nothing');
  await tab.button('Search').click();
  await page.getByText('No name begins with this.').first().waitFor();
  await page.getByLabel('Name begins with').fill('');
  await tab.button('Search').click();
  await page.getByText('5 entries shown').first().waitFor();
}

async function savesAndDeletes(tab) {
  const { page } = tab;
  // The browser replaces what a file system may not have.
  assert.deepEqual(await saved(tab, () => tab.button('Download a b?#%.txt').click()), ['a b_#%.txt', Buffer.from('odd')]);
  await tab.button('loss.csv').click();
  await tab.dialog.getByText(sha256('0.5\n')).waitFor();
  await tab.button('Close').click();
  await tab.hasFocus('loss.csv');
  await tab.button('Delete a b?#%.txt').click();
  await tab.hasFocus('Delete the file?');
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('a b?#%.txt deleted');
  await tab.hasFocus('loss.csv');
  await page.getByText(/^5 files, \d+ bytes$/).waitFor();
}

async function pages(tab, call) {
  const { page } = tab;
  const { id } = await call('POST', '/collections', { json: { title: 'Many' } });
  const names = Array.from({ length: 103 }, (_, n) => `f${String(n).padStart(3, '0')}`);
  // A principal may have 64 deposits at the same time.
  while (names.length > 0) {
    await Promise.all(names.splice(0, 50).map((name) => call('PUT', `/collections/${id}/files/${name}`, { body: name })));
  }
  await tab.view('Usage');
  await tab.view('Collections');
  await tab.button('Many').click();
  await page.getByText('100 entries shown; more follow.').first().waitFor();
  await tab.button('Show more').click();
  await page.getByText('103 entries shown').first().waitFor();
  await tab.hasFocus('f100');
  await tab.button('Delete the collection').click();
  await tab.dialog.getByText('This deletes its files too: 103 files. This cannot be undone.').waitFor();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('Collection Many deleted');
  assert.equal(await tab.button('Many').count(), 0);
  // Back to what is gone: an explanation, and no empty page.
  await page.goBack();
  await page.getByRole('alert').filter({ hasText: '404' }).waitFor();
}

async function seals(browser, tab, call, id) {
  const { page } = tab;
  await tab.view('Usage');
  await tab.view('Collections');
  await tab.button('Run 7').click();
  await tab.press('Seal');
  await tab.hasFocus('Seal the collection?');
  await page.keyboard.press('Escape');
  await tab.hasFocus('Seal');
  await page.keyboard.press('Enter');
  await tab.press('Seal');
  await tab.says('Collection sealed');
  const { files, total } = await call('GET', `/collections/${id}/manifest`);
  assert.equal(files.length, 5);
  // Nothing is left that the server would refuse.
  assert.deepEqual([await page.locator('.drop').count(), await page.getByRole('button', { name: /^(Seal|Delete .*csv)$/ }).count()], [0, 0]);
  await tab.button('Manifest').click();
  await tab.dialog.getByText(total.sha256).waitFor();
  assert.deepEqual(await tab.dialog.locator('tbody th').allInnerTexts(), files.map((file) => file.name));
  const [name, list] = await saved(tab, () => tab.button('Save the list').click());
  assert.equal(name, 'SHA256SUMS');
  // The saved list is what the digest of the manifest is of.
  assert.equal(sha256(list), total.sha256);
  await tab.button('Close').click();
  await tab.hasFocus('Manifest');
  await tab.button('loss.csv').click();
  await tab.dialog.getByText(sha256('0.5\n')).waitFor();
  assert.equal(await tab.dialog.getByRole('button', { name: 'Delete' }).count(), 0);
  await tab.button('Close').click();

  // Another session does not show the steps of this one.
  await tab.button('Sign out').click();
  await tab.heading('Sign in');
  await tab.signIn('admin', process.env.TOKEN);
  await tab.heading('Collections');
  await page.getByText('1 collection shown').first().waitFor();
}

// A worker has collections of its own, and sees no others.
async function belongsToAWorker(browser, tab, call) {
  const { worker_id: id, registration_token: token } = await call('POST', '/workers', { json: { name: 'collector' } });
  const worker = await Tab.open(browser, tab.origin);
  await worker.signIn(id, token);
  await worker.view('Collections');
  await worker.page.getByText('There are no collections yet.').first().waitFor();
  await worker.button('Create').click();
  const heading = worker.page.getByRole('heading', { level: 2, name: /^col_/ });
  await heading.waitFor();
  await worker.choose([['mine.txt', 'mine']]);
  await worker.stored('mine.txt');
  await worker.button('Seal').click();
  await worker.dialog.getByRole('button', { name: 'Seal' }).click();
  await worker.says('Collection sealed');
  const own = await heading.textContent();
  assert.equal((await call('GET', `/collections/${own}`)).state, 'sealed');
  // The sign-in looks for a deleted group that is still in `admins`.
  await worker.check(true);
  await worker.close();
  await call('DELETE', `/collections/${own}`);
}

// Runs everything with a tab that is signed in.
async function collections(browser, tab, address, token) {
  const call = caller(address, token);
  const id = await creates(tab, call);
  await fills(tab, call, id);
  await survivesALostResponse(tab, id);
  await browses(tab);
  await savesAndDeletes(tab);
  await pages(tab, call);
  await seals(browser, tab, call, id);
  await belongsToAWorker(browser, tab, call);
  await call('DELETE', `/collections/${id}`);
}

module.exports = { collections };
