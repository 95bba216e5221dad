// Checks of tools.

import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { outcome } from './session.mjs';

// calls are the arguments for each tool that has no check of its own.
const calls = {
  'echo': { message: 'é \u2028 😀 "quoted" \\ </script>' },
  'get-annotated-message': { messageType: 'error', includeImage: true },
  'get-env': {},
  'get-resource-links': { count: 4 },
  'get-resource-reference': { resourceType: 'Blob', resourceId: 3 },
  'get-roots-list': {},
  'get-structured-content': { location: 'Chicago' },
  'get-sum': { a: 0.1, b: -7e20 },
  'get-tiny-image': {},
  'gzip-file-as-resource': { name: `${randomUUID()}.gz`, data: 'data:text/plain,peers', outputType: 'resource' },
  'trigger-elicitation-request': {},
  'trigger-elicitation-request-async': {},
  'trigger-sampling-request': { prompt: 'anything', maxTokens: 10 },
  'trigger-sampling-request-async': { prompt: 'anything', maxTokens: 10 },
  'trigger-url-elicitation': { url: 'https://example.com/go', elicitationId: 'e-1' },
};

const longOperation = 'trigger-long-running-operation';
const taskOnly = 'simulate-research-query';

// tools lists the tools and calls all of them at once but those that are checked
// elsewhere, so that the server asks the client things while calls are under way.
export async function tools(session, report) {
  const listed = [];
  await report('tools/list', async () => {
    const { tools } = await session.client.listTools();
    listed.push(...tools.map(({ name }) => name));
    return tools;
  });
  await Promise.all(listed.filter((name) => name in calls).map((name) =>
    report(`tools/call ${name}`, () => session.peer.callTool({ name, arguments: calls[name] }))));
}

// everyTool tells whether there is a tool that none of the checks called.
export async function everyTool(session) {
  const { tools } = await session.client.listTools();
  const called = session.requests().filter((m) => m.method === 'tools/call').map((m) => m.params.name);
  const left = tools.map(({ name }) => name).filter((name) => !called.includes(name));
  assert.deepEqual(left, []);
}

// progress is what arrived at the client: it doesn't give out a step that it reads
// together with the result, be the process at the other end what it may.
export async function progress(session) {
  const call = { name: longOperation, arguments: { duration: 0.5, steps: 10 } };
  const given = [];
  const result = await session.peer.callTool(call, { onprogress: (step) => given.push(step) });
  const { progressToken } = session.requests().at(-1).params._meta;
  const steps = session.received
    .filter((m) => m.method === 'notifications/progress' && m.params.progressToken === progressToken)
    .map(({ params: { progress, total } }) => ({ progress, total }));
  assert.deepEqual(steps.slice(0, given.length), given);
  return { steps, result };
}

export async function cancellation(session) {
  const { client, peer } = session;
  const controller = new AbortController();
  const call = { name: longOperation, arguments: { duration: 6, steps: 60 } };
  const options = { signal: controller.signal, onprogress: () => controller.abort() };
  await assert.rejects(peer.callTool(call, options));
  const { id } = session.requests().findLast((m) => m.method === 'tools/call');
  const told = session.sent.filter((m) => m.method === 'notifications/cancelled');
  assert.deepEqual(told.map((m) => m.params.requestId), [id]);
  await client.ping();
}

// research runs a tool as a task. Its question to the client comes on the stream
// of the request for the task's result.
export async function research({ peer }) {
  const { task } = await peer.request({
    method: 'tools/call',
    params: { name: taskOnly, arguments: { topic: 'Go', ambiguous: true }, task: { ttl: 60_000 } },
  });
  const { taskId } = task;
  const seen = [];
  for (let status = task.status; status === 'working'; await sleep(200)) {
    ({ status } = await peer.request({ method: 'tasks/get', params: { taskId } }));
    if (seen.at(-1) !== status) seen.push(status);
  }
  const result = await peer.request({ method: 'tasks/result', params: { taskId } });
  const { tasks } = await peer.request({ method: 'tasks/list' });
  return { task, seen, result, tasks };
}

// mistakes are refused by the server, in its own words.
export async function mistakes({ client, peer }) {
  return Promise.all([
    peer.callTool({ name: 'no-such-tool', arguments: {} }),
    peer.callTool({ name: 'get-sum', arguments: { a: 'one' } }),
    peer.callTool({ name: taskOnly, arguments: { topic: 'Go' } }),
    peer.callTool({ name: 'trigger-url-elicitation', arguments: { url: 'https://example.com/', errorPath: true } }),
    client.readResource({ uri: 'demo://no/such/resource' }),
    client.getPrompt({ name: 'no-such-prompt' }),
    client.getPrompt({ name: 'args-prompt', arguments: {} }),
    peer.request({ method: 'no/such/method', params: { some: ['thing'] } }),
    peer.request({ method: 'tasks/get', params: { taskId: 'no-such-task' } }),
  ].map(outcome));
}

// echo sends about n bytes and wants them all back.
export async function echo({ peer }, n) {
  const message = `é \u2028 😀 ${randomBytes((n * 3) / 4).toString('base64')}`;
  const { content } = await peer.callTool({ name: 'echo', arguments: { message } });
  // Not assert.equal, which would print them.
  assert.ok(content[0].text === `Echo: ${message}`, 'the text that came back is another');
}

export async function concurrent({ peer }, n) {
  const messages = Array.from({ length: n }, (_, i) => `${i} ${'x'.repeat(i)}`);
  const results = await Promise.all(messages.map((message) =>
    peer.callTool({ name: 'echo', arguments: { message } })));
  assert.deepEqual(results.map(({ content }) => content[0].text), messages.map((m) => `Echo: ${m}`));
}
