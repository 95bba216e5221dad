// The checks of a session at protocol version 2026-07-28, with the server of
// TestPeersGo. There is no initialize, and what the server wants of the client is
// in its results.

import assert from 'node:assert/strict';
import { connect } from './session-checks.mjs';
import { outcome } from './session.mjs';
import { concurrent, echo } from './tool-checks.mjs';

export async function modernChecks(session, report) {
  const { client, peer } = session;
  const call = (name, args = {}, options) => peer.callTool({ name, arguments: args }, options);

  await report('connect', () => connect(session));
  await report('tools/list', () => client.listTools());
  await report('resources', async () => [
    await client.listResources(),
    await client.readResource({ uri: 'peer://r' }),
  ]);
  await report('prompts', async () => [
    await client.listPrompts(),
    await client.getPrompt({ name: 'p' }),
  ]);
  await report('mistakes', () => Promise.all([
    call('no-such-tool'),
    client.readResource({ uri: 'peer://no/such/resource' }),
    client.getPrompt({ name: 'no-such-prompt' }),
  ].map(outcome)));

  await report('input', () => call('ask'));
  await report('subscription', async () => {
    const subscription = await client.listen({ toolsListChanged: true });
    await call('announce');
    await session.notified('notifications/tools/list_changed');
    await subscription.close();
    return subscription.honoredFilter;
  });
  await report('cancellation', async () => {
    const controller = new AbortController();
    const options = { signal: controller.signal, onprogress: () => controller.abort() };
    await assert.rejects(call('wait', {}, options));
  });
  await report('echo of 5 MiB', () => echo(session, 5 << 20));
  await report('500 concurrent calls', () => concurrent(session, 500));
}
