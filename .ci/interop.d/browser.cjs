// Chromium: no deposited file runs a script, a page uploads and downloads by a form and by fetch(), and the page at /ui/
// works. A small version of the proxy in docs/browsers.md gives the page and the endpoints one origin.
'use strict';
const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');
const { page } = require('./page.cjs');

const [host, port] = process.env.ORIGIN.split(':');
const ARTIFACTS = '/v0/experiments/default/artifacts';
const CREDENTIAL = {
  authorization: `Bearer admin:${process.env.TOKEN}`,
  'x-eden-experiment-id': 'default',
};

const PAGE = `<!doctype html><title>page</title>
<form method="post" action="${ARTIFACTS}" enctype="multipart/form-data">
  <input type="file" name="file"><button>up</button>
</form>`;

// Each deposited file tries every way to run a script that its type has.
const canary = (name) => `fetch('/canary/${name}');new Image().src='/canary/${name}';document.title='ran'`;
const FILES = {
  html: ['text/html', `<!doctype html><title>file</title><script>${canary('html')}</script>
    <img src="/nothing" onerror="${canary('html')}"><body onload="${canary('html')}">
    <iframe srcdoc="<script>parent.${'document'}.title='ran';${canary('html')}</script>"></iframe>
    <link rel="stylesheet" href="/canary/html"><meta http-equiv="refresh" content="0;url=/canary/html">`],
  svg: ['image/svg+xml', `<svg xmlns="http://www.w3.org/2000/svg" onload="${canary('svg')}">
    <script>${canary('svg')}</script><image href="/canary/svg"/></svg>`],
  xhtml: ['application/xhtml+xml', `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>file</title>
    <script>${canary('xhtml')}</script></head><body onload="${canary('xhtml')}"/></html>`],
  // HTML with another type: it would run only if the browser sniffed the content.
  txt: ['text/plain', `<!doctype html><script>${canary('txt')}</script>`],
  pdf: ['application/pdf', `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(app.launchURL('/canary/pdf'))>>>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj
trailer<</Root 1 0 R>>`],
};

// The proxy. It adds the credential, which a form and a link cannot send. Under /shown/ it removes Content-Disposition, so
// that the other protections must hold alone. Under /bare/ it removes all protections, to prove that the files would run.
// A real proxy does neither.
const canaries = [];
const proxy = http.createServer((request, response) => {
  const [, mode, rest] = /^\/(shown|bare)(\/.*)$/.exec(request.url) ?? [null, '', request.url];
  if (rest.startsWith('/canary/')) {
    canaries.push(rest);
    return response.end();
  }
  if (!rest.startsWith('/v0/')) {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    return response.end(rest === '/' ? PAGE : '');
  }
  const headers = { ...CREDENTIAL, ...request.headers };
  const asked = http.request({ host, port, path: rest, method: request.method, headers }, (answer) => {
    const kept = { ...answer.headers };
    if (mode) delete kept['content-disposition'];
    if (mode === 'bare') {
      delete kept['content-security-policy'];
      delete kept['x-content-type-options'];
    }
    response.writeHead(answer.statusCode, kept);
    answer.pipe(response);
  });
  asked.on('error', () => response.destroy());
  request.pipe(asked);
});

function deposit(name, type, content) {
  const boundary = 'b'.repeat(20);
  const body = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n` +
    `Content-Type: ${type}\r\n\r\n${content}\r\n--${boundary}--\r\n`;
  const headers = { ...CREDENTIAL, 'content-type': `multipart/form-data; boundary=${boundary}` };
  return fetch(`http://${host}:${port}${ARTIFACTS}`, { method: 'POST', headers, body })
    .then((answer) => answer.json()).then((answer) => answer.artifacts_uri);
}

async function runsNoScript(browser, origin) {
  for (const [ext, [type, content]] of Object.entries(FILES)) {
    const query = `${ARTIFACTS}?uri=${encodeURIComponent(await deposit(`file.${ext}`, type, content))}`;
    for (const base of [`http://${host}:${port}`, origin, `${origin}/shown`, `${origin}/bare`]) {
      canaries.length = 0;
      const context = await browser.newContext({ acceptDownloads: true });
      // Without the proxy a navigation has no credential, so the browser driver adds it.
      if (!base.startsWith(origin)) await context.setExtraHTTPHeaders(CREDENTIAL);
      const page = await context.newPage();
      const downloading = page.waitForEvent('download', { timeout: 5000 }).catch(() => null);
      let shown = true;
      await page.goto(base + query, { waitUntil: 'load', timeout: 10000 }).catch((error) => {
        shown = false;
        assert.match(error.message, /Download is starting|ERR_ABORTED|ERR_BLOCKED_BY_RESPONSE/);
      });
      if (!shown) {
        const download = await downloading;
        if (download) assert.equal(fs.readFileSync(await download.path(), 'utf8'), content);
        assert(download || base.endsWith('/shown') || base.endsWith('/bare'), `${ext} was neither shown nor saved`);
      } else {
        // Waits for scripts that would run later. A timer in the page would not fire in a sandbox.
        await page.waitForTimeout(300);
      }
      const title = shown ? await page.title() : '';
      const ran = title === 'ran' || canaries.length > 0;
      const active = base.endsWith('/bare') && ['html', 'svg', 'xhtml'].includes(ext);
      assert.equal(ran, active, `${ext} from ${base}: ${title} ${canaries}`);
      // With the server's own fields the file is saved and never shown.
      assert(base.includes('/shown') || base.includes('/bare') || !shown, `${ext} was shown from ${base}`);
      await context.close();
    }
  }
  console.log(`chromium: ${Object.keys(FILES).join(', ')} run no script`);
}

async function goesUpAndDown(browser, origin) {
  const page = await (await browser.newContext()).newPage();
  const content = crypto.randomBytes(2_000_000);
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'interop-')), 'näme "q".bin');
  fs.writeFileSync(file, content);
  try {
    await page.goto(`${origin}/`);
    await page.setInputFiles('input', file);
    const [answer] = await Promise.all([page.waitForNavigation(), page.click('button')]);
    assert.equal(answer.status(), 201);
    const deposited = await answer.json();
    assert.equal(deposited.size_bytes, content.length);

    await page.goto(`${origin}/`);
    const found = await page.evaluate(async ([artifacts, uri]) => {
      const fetched = await fetch(`${artifacts}?uri=${encodeURIComponent(uri)}`);
      const blob = await fetched.blob();
      const form = new FormData();
      form.append('file', blob, 'again.bin');
      const again = await fetch(artifacts, { method: 'POST', body: form }).then((answer) => answer.json());
      const back = await fetch(`${artifacts}?uri=${encodeURIComponent(again.artifacts_uri)}`, {
        headers: { Range: 'bytes=10-19' },
      });
      const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
      return {
        name: fetched.headers.get('content-disposition'),
        digest: [...new Uint8Array(digest)],
        size: again.size_bytes,
        part: [back.status, ...new Uint8Array(await back.arrayBuffer())],
      };
    }, [ARTIFACTS, deposited.artifacts_uri]);
    assert.deepEqual(found.digest, [...crypto.createHash('sha256').update(content).digest()]);
    assert.equal(found.size, content.length);
    assert.deepEqual(found.part, [206, ...content.subarray(10, 20)]);
    // A form writes %22 for a quote (HTML, multipart/form-data); the server keeps it.
    assert(found.name.includes("filename*=UTF-8''n%C3%A4me%20%2522q%2522.bin"), found.name);

    // Another origin reads nothing: there is no CORS, and the resource policy is same-origin.
    await page.goto(`http://localhost:${new URL(origin).port}/`);
    const stranger = await page.evaluate(([url]) => fetch(url).then(() => 'read', () => 'refused'),
      [`${origin}${ARTIFACTS}?uri=${encodeURIComponent(deposited.artifacts_uri)}`]);
    assert.equal(stranger, 'refused');
  } finally {
    fs.rmSync(path.dirname(file), { recursive: true });
  }
  console.log('chromium: a form and fetch() upload and download; another origin reads nothing');
}

(async () => {
  await new Promise((listening) => proxy.listen(0, '127.0.0.1', listening));
  const origin = `http://127.0.0.1:${proxy.address().port}`;
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'interop-profile-'));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    env: { ...process.env, HOME: profile },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync'],
  });
  try {
    await runsNoScript(browser, origin);
    await goesUpAndDown(browser, origin);
    await page(browser, process.env.ORIGIN, process.env.TOKEN, process.env.SHOTS);
  } finally {
    await browser.close();
    proxy.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
})().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
