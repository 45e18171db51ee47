// tus-js-client, a client by others, in its three protocols: creates, is interrupted, resumes, and sends with the creation.
// Environment: ORIGIN (host:port), AUTHORIZATION.

const assert = require('node:assert');
const crypto = require('node:crypto');
const tus = require('tus-js-client');

const origin = `http://${process.env.ORIGIN}`;
const headers = { Authorization: process.env.AUTHORIZATION };
const content = crypto.randomBytes(3_000_000);
const metadata = { filename: 'naïve 文件.bin', filetype: 'image/png' };

// Sends the content, or stops after two chunks. Returns the path of the artifact, and the URL of the upload.
function send(options, stop) {
  return new Promise((resolve, reject) => {
    let artifact;
    let chunks = 0;
    const upload = new tus.Upload(content, {
      endpoint: `${origin}/v1/experiments/default/uploads`,
      headers,
      metadata,
      retryDelays: null,
      chunkSize: 700_000,
      onAfterResponse: (_, response) => {
        artifact = response.getHeader('Artifact-Location') ?? artifact;
      },
      onChunkComplete: () => {
        chunks += 1;
        if (stop && chunks === 2) {
          upload.abort().then(() => resolve({ url: upload.url }), reject);
        }
      },
      onError: reject,
      onSuccess: () => resolve({ url: upload.url, artifact }),
      ...options,
    });
    upload.start();
  });
}

async function check(artifact) {
  const stored = await fetch(`${origin}${artifact}/content`, { headers });
  assert.strictEqual(stored.status, 200);
  assert.strictEqual(stored.headers.get('content-type'), 'image/png');
  assert.match(stored.headers.get('content-disposition'), /filename\*=UTF-8''na%C3%AFve%20/);
  assert.ok(content.equals(Buffer.from(await stored.arrayBuffer())), 'the bytes are the same');
}

async function main() {
  for (const protocol of ['tus-v1', 'ietf-draft-03', 'ietf-draft-05']) {
    const first = await send({ protocol }, true);
    // Another process knows only the URL of the upload.
    const second = await send({ protocol, uploadUrl: first.url }, false);
    await check(second.artifact);
    // The artifacts are another way in for the draft.
    const endpoints = protocol === 'tus-v1' ? ['uploads'] : ['uploads', 'artifacts'];
    for (const endpoint of endpoints) {
      const url = `${origin}/v1/experiments/default/${endpoint}`;
      await check((await send({ protocol, endpoint: url }, false)).artifact);
      const whole = { protocol, endpoint: url, uploadDataDuringCreation: true };
      await check((await send(whole, false)).artifact);
      await send({ ...whole, chunkSize: Infinity }, false);
    }
  }
  console.log('tus-js-client: tus-v1, ietf-draft-03 and ietf-draft-05, each resumed in another process');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
