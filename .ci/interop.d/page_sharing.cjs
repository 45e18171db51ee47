// Sharing and named administrators in the page, and what its rows say about holds and retention.
'use strict';
const assert = require('node:assert');
const { Tab, caller } = require('./page_support.cjs');

async function deposit(call, name) {
  return call('POST', '/artifacts', { body: name, headers: { 'content-disposition': `attachment; filename="${name}"` } });
}

// Returns the status of a fetch by a worker.
async function fetched(tab, artifact, worker) {
  const url = `${tab.origin}/v1/experiments/default/artifacts/${artifact.id}/content`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${worker.worker_id}:${worker.registration_token}` } });
  await answer.arrayBuffer();
  return answer.status;
}

async function grants(tab, call) {
  const { page } = tab;
  const artifact = await deposit(call, 'shared.txt');
  const worker = await call('POST', '/workers', { json: { name: 'reader' } });
  await tab.view('Usage');
  await tab.view('Artifacts');
  await page.getByLabel('Name contains').fill('shared.txt');
  await page.getByLabel('Name contains').press('Enter');
  await page.getByText('1 artifact shown').first().waitFor();
  // By the keyboard into the dialog, and a grant with an end.
  await tab.press('shared.txt');
  await tab.dialog.getByText('SHA-256', { exact: true }).waitFor();
  await tab.press('Share');
  await tab.hasFocus('Share shared.txt');
  const part = tab.dialog.getByRole('region', { name: 'Workers and groups' });
  await part.getByText('No worker and no group has a grant.').waitFor();
  await tab.press('Id of the worker or group', 'w');
  await page.keyboard.type(worker.worker_id.slice(1));
  await part.getByLabel('May read until').fill('2099-12-31T12:30');
  assert.equal(await fetched(tab, artifact, worker), 403);
  await part.getByRole('button', { name: 'Grant' }).click();
  await tab.says('Granted');
  assert.equal(await fetched(tab, artifact, worker), 200);
  const { grants: [made] } = await call('GET', `/artifacts/${artifact.id}/grants`);
  const end = await page.evaluate(() => new Date('2099-12-31T12:30').toISOString());
  assert.deepEqual([made.worker, Date.parse(made.expires_at)], [worker.worker_id, Date.parse(end)]);
  await part.getByRole('row', { name: `reader ${worker.worker_id} 2099-12-31 12:30` }).waitFor();

  // A group, without an end; it is known by its name.
  const [group] = (await groupsOf(tab)).filter((each) => each.name === 'orchestrators');
  assert.equal(await page.locator(`datalist option[value="${group.group_id}"]`).textContent(), 'orchestrators');
  await part.getByLabel('Id of the worker or group').fill(group.group_id);
  await part.getByLabel('May read until').fill('');
  await part.getByRole('button', { name: 'Grant', exact: true }).click();
  await part.getByRole('row', { name: `orchestrators ${group.group_id} no end` }).waitFor();
  await part.getByText('2 grants').waitFor();
  // What does not exist is refused, and the page says so.
  await part.getByLabel('Id of the worker or group').fill(`wkr_${'0'.repeat(26)}`);
  await part.getByRole('button', { name: 'Grant', exact: true }).click();
  await part.getByRole('alert').filter({ hasText: '404' }).waitFor();

  await tab.button(`Revoke the grant to ${worker.worker_id}`).click();
  await tab.hasFocus('Revoke the grant?');
  await page.keyboard.press('Escape');
  await tab.hasFocus(`Revoke the grant to ${worker.worker_id}`);
  await page.keyboard.press('Enter');
  await tab.dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await tab.says('Grant revoked');
  await tab.hasFocus('Workers and groups');
  assert.equal(await fetched(tab, artifact, worker), 403);
  await part.getByText('1 grant', { exact: true }).waitFor();
  return artifact;
}

async function groupsOf(tab) {
  const answer = await fetch(`${tab.origin}/v0/experiments/default/groups`, {
    headers: { authorization: `Bearer admin:${process.env.TOKEN}`, 'x-eden-experiment-id': 'default' },
  });
  return (await answer.json()).groups;
}

// Goes on in the dialog for sharing.
async function links(tab, call, artifact) {
  const { page } = tab;
  const part = tab.dialog.getByRole('region', { name: 'Links' });
  await part.getByText('No link works now.').waitFor();
  await part.getByLabel('Expires').selectOption('In 7 days');
  await part.getByLabel('Maximum downloads').fill('2');
  await part.getByRole('button', { name: 'Make a link' }).click();
  const url = await tab.dialog.locator('.token').textContent();
  await tab.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await tab.hasFocus('New link');
  await tab.press('Copy the URL');
  await tab.says('URL copied');
  assert.equal(await page.evaluate('navigator.clipboard.readText()'), url);
  await page.keyboard.press('Escape');
  await tab.says('Link made');
  assert(!(await page.content()).includes(url.split('/').at(-1)), 'the secret of the link is still in the page');
  const { links: [made] } = await call('GET', `/artifacts/${artifact.id}/links`);
  const days = (Date.parse(made.expires_at) - Date.parse(made.created_at)) / 86_400_000;
  assert.deepEqual([made.max_downloads, Math.round(days)], [2, 7]);
  assert.equal(await (await fetch(url)).text(), 'shared.txt');
  await tab.dialog.getByRole('button', { name: 'Close' }).click();
  await tab.button('Share').click();
  await part.getByText('1 of 2').waitFor();
  await tab.button(`Revoke the link of ${made.created_at}`).click();
  await tab.dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await tab.says('Link revoked');
  await tab.hasFocus('Links');
  await part.getByText('No link works now.').waitFor();
  assert.equal((await fetch(url)).status, 404);
  // Without a limit of downloads.
  await part.getByRole('button', { name: 'Make a link' }).click();
  await tab.dialog.locator('.token').waitFor();
  await tab.button('Close').last().click();
  await part.getByText('not limited', { exact: true }).waitFor();
  await tab.button('Close').last().click();
  await tab.hasFocus('Share');
  await tab.button('Close').click();
}

// A depositor shares its own artifact.
async function workersShareTheirOwn(browser, tab, call) {
  const worker = await call('POST', '/workers', { json: { name: 'depositor' } });
  const own = await Tab.open(browser, tab.origin);
  await own.signIn(worker.worker_id, worker.registration_token);
  await own.heading('Artifacts');
  await own.choose([['own.txt', 'own']]);
  await own.stored('own.txt');
  await own.button('own.txt').click();
  await own.button('Share').click();
  await own.button('Make a link').click();
  const url = await own.dialog.locator('.token').textContent();
  assert.equal(await (await fetch(url)).text(), 'own');
  // The sign-in looks for a deleted group that is still in `admins`.
  await own.check(true);
  await own.close();
}

// The rows say how long an artifact is kept, and whether it is held.
async function rowsSayWhatIsKept(tab, call) {
  const { page } = tab;
  const [held, short] = await Promise.all(['kept-1.txt', 'kept-2.txt'].map((name) => deposit(call, name)));
  await call('PUT', `/artifacts/${held.id}/hold`);
  const find = async () => {
    await page.getByLabel('Name contains').fill('kept-');
    await page.getByLabel('Name contains').press('Enter');
    await page.getByText('2 artifacts shown').first().waitFor();
  };
  await tab.view('Artifacts');
  await find();
  const row = (name) => page.getByRole('row', { name: new RegExp(`^${name}`) });
  await row('kept-1.txt').getByText('on hold').waitFor();
  assert.match(await row('kept-2.txt').innerText(), /for ever/);
  await call('PUT', '/retention', { json: { keep_seconds: 864_000 } });
  await find();
  await row('kept-2.txt').getByText('until').waitFor();
  const end = new Date(Date.parse(short.created_at) + 864_000_000).toISOString();
  assert.equal(await row('kept-2.txt').locator('time').last().getAttribute('datetime'), end);
  await call('PUT', '/retention', { json: { keep_seconds: null } });
  assert.equal(await row('kept-2.txt').getByText('on hold').count(), 0);
  // A hold that is placed in the details is in the row.
  await tab.button('kept-2.txt').click();
  await tab.button('Place a hold').click();
  await tab.says('Hold placed');
  await tab.button('Close').click();
  await row('kept-2.txt').getByText('on hold').waitFor();
  await tab.button('Delete kept-2.txt').click();
  await tab.hasFocus('Delete the artifact?');
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.dialog.getByRole('alert').filter({ hasText: '409' }).waitFor();
  await tab.button('Cancel').click();
  await call('DELETE', `/artifacts/${short.id}/hold`);
  await tab.button('Delete kept-2.txt').click();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('kept-2.txt deleted');
  await tab.hasFocus('kept-1.txt');
  await call('DELETE', `/artifacts/${held.id}/hold`);
  await call('DELETE', `/artifacts/${held.id}`);
}

async function administrators(browser, tab) {
  const { page } = tab;
  await tab.view('Administrators');
  await page.getByText('There are no named administrators.').first().waitFor();
  await tab.press('Name of the new administrator', 'A');
  await page.keyboard.type('lex');
  await page.getByLabel('Token expires').selectOption('In 30 days');
  await tab.press('Register');
  const token = await tab.dialog.locator('.token').textContent();
  const id = await tab.dialog.locator('dd code').first().textContent();
  assert.match(id, /^adm_/);
  await page.keyboard.press('Escape');
  await tab.says('Alex registered');
  await page.getByRole('row', { name: new RegExp(`^Alex \\d{4}-.* ${id}`) }).waitFor();
  assert(!(await page.content()).includes(token), 'the token is still in the page');

  // The new one is an administrator.
  const other = await Tab.open(browser, tab.origin);
  await other.signIn(id, token);
  await other.view('Administrators');
  await other.button('Alex').click();
  await other.dialog.getByText('You are signed in by it.').waitFor();
  await other.button('Close').click();
  await other.hasFocus('Alex');

  await tab.button('Alex').click();
  await tab.dialog.getByText(id).waitFor();
  await tab.button('Issue a new token').click();
  const second = await tab.dialog.locator('.token').textContent();
  assert.notEqual(second, token);
  await tab.button('Close').last().click();
  await other.page.getByRole('link', { name: 'Usage' }).click();
  await other.heading('Sign in');
  await other.signIn(id, second);
  await other.heading('Usage');
  await tab.button('Revoke the token').click();
  await tab.dialog.getByRole('button', { name: 'Revoke', exact: true }).click();
  await tab.says('Token revoked');
  await tab.button('Close').click();
  await tab.hasFocus('Alex');
  await page.getByRole('row', { name: `Alex revoked ${id}` }).waitFor();
  await other.page.getByRole('link', { name: 'Artifacts' }).click();
  await other.heading('Sign in');
  await other.check(true);
  await other.close();
  await tab.button('Alex').click();
  await tab.button('Delete the administrator').click();
  await tab.dialog.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.says('Alex deleted');
  await page.getByText('There are no named administrators.').first().waitFor();
  await tab.hasFocus('Administrators');
}

// Runs everything with a tab that is signed in.
async function sharing(browser, tab, address, token) {
  const call = caller(address, token);
  await links(tab, call, await grants(tab, call));
  await workersShareTheirOwn(browser, tab, call);
  await rowsSayWhatIsKept(tab, call);
  await administrators(browser, tab);
}

module.exports = { sharing };
