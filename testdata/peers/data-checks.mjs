// Checks of resources, prompts and completions.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';

export async function resources({ client }) {
  const { resources } = await client.listResources();
  const contents = await Promise.all(resources.map(({ uri }) => client.readResource({ uri })));
  return { resources, contents };
}

export async function templates({ client }) {
  const { resourceTemplates } = await client.listResourceTemplates();
  const contents = await Promise.all(resourceTemplates.map(({ uriTemplate }) =>
    client.readResource({ uri: uriTemplate.replace('{resourceId}', '7') })));
  return { resourceTemplates, contents };
}

export async function subscription(session) {
  const { client, peer } = session;
  const uri = 'demo://resource/static/document/features.md';
  await client.subscribeResource({ uri });
  const toggle = () => peer.callTool({ name: 'toggle-subscriber-updates', arguments: {} });
  const results = [await toggle()];
  const updated = await session.notified('notifications/resources/updated');
  results.push(await toggle());
  await client.unsubscribeResource({ uri });
  return { updated, results };
}

export async function prompts({ client }) {
  const values = { city: 'Sydney', state: 'NSW', department: 'Sales', name: 'Eve', resourceType: 'Text', resourceId: '2' };
  const { prompts } = await client.listPrompts();
  const got = await Promise.all(prompts.map(({ name, arguments: wanted }) => {
    const given = wanted?.map((argument) => [argument.name, values[argument.name]]);
    return client.getPrompt({ name, arguments: given && Object.fromEntries(given) });
  }));
  return { prompts, got };
}

export async function completions({ client }) {
  const prompt = { type: 'ref/prompt', name: 'completable-prompt' };
  const template = { type: 'ref/resource', uri: 'demo://resource/dynamic/text/{resourceId}' };
  return Promise.all([
    client.complete({ ref: prompt, argument: { name: 'department', value: 'S' } }),
    client.complete({ ref: prompt, argument: { name: 'name', value: '' }, context: { arguments: { department: 'Support' } } }),
    client.complete({ ref: template, argument: { name: 'resourceId', value: '42' } }),
  ]);
}

// download has the server fetch n random bytes from here and gets them back as a
// resource, gzipped and in base64.
export async function download(session, n) {
  const bytes = randomBytes(n);
  const origin = createServer((_, response) => response.end(bytes));
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  try {
    const { content: [link] } = await session.peer.callTool({
      name: 'gzip-file-as-resource',
      arguments: { name: `${randomUUID()}.gz`, data: `http://127.0.0.1:${origin.address().port}/`, outputType: 'resourceLink' },
    });
    await session.notified('notifications/resources/list_changed');
    const { contents: [{ blob }] } = await session.client.readResource({ uri: link.uri });
    assert.ok(gunzipSync(Buffer.from(blob, 'base64')).equals(bytes), 'the bytes that came back are others');
    return link;
  } finally {
    origin.close();
    origin.closeAllConnections();
  }
}
