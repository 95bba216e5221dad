// Signs in at a server of the sandbox with an official client's own OAuth, and prints one line of JSON for each check:
//
//	node signin.mjs CLIENT URL
//
// CLIENT is sdk1 or sdk2. The person is played by plain HTTP: the consent page tells as JSON what its form is.
// A line is {check, ok, value, error}, as drive.mjs has it.

import assert from 'node:assert/strict';
import * as sdk1 from '@modelcontextprotocol/sdk/client/index.js';
import * as sdk1auth from '@modelcontextprotocol/sdk/client/auth.js';
import * as sdk1http from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as sdk2 from '@modelcontextprotocol/client';

const [name, server] = process.argv.slice(2);
const { Client, StreamableHTTPClientTransport, UnauthorizedError, auth } =
  name === 'sdk1' ? { ...sdk1, ...sdk1auth, ...sdk1http } : sdk2;

// provider keeps what the client wants kept, and where it sends the browser.
const provider = {
  kept: {},
  redirectUrl: 'http://127.0.0.1:3334/callback', // where nobody listens: the person reads the address
  clientMetadata: {
    client_name: `peer ${name}`,
    redirect_uris: ['http://127.0.0.1:3334/callback'],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  state: () => 'the state',
  clientInformation() { return this.kept.client; },
  saveClientInformation(client) { this.kept.client = client; },
  tokens() { return this.kept.tokens; },
  saveTokens(tokens) { this.kept.tokens = tokens; },
  codeVerifier() { return this.kept.verifier; },
  saveCodeVerifier(verifier) { this.kept.verifier = verifier; },
  redirectToAuthorization(url) { this.kept.sentTo = url; },
  invalidateCredentials(scope) { if (scope === 'all' || scope === 'tokens') delete this.kept.tokens; },
  discoveryState() { return this.kept.discovery; },
  saveDiscoveryState(discovery) { this.kept.discovery = discovery; },
};

// consent agrees to everything, and returns the address that the browser is sent back to.
async function consent(url) {
  const headers = { Accept: 'application/json' };
  let answer = await fetch(url, { headers, redirect: 'manual' });
  while (answer.status === 200) {
    const page = await answer.json();
    const form = new URLSearchParams({ request: page.request, decision: 'accept' });
    if (page.people) form.set('email', page.people[0].email);
    page.sites?.forEach((site) => form.append('site', site.id));
    page.products?.forEach((product) => form.append('product', product));
    answer = await fetch(new URL(page.action, url), { method: 'POST', body: form, headers, redirect: 'manual' });
  }
  return new URL(answer.headers.get('Location'));
}

async function tools() {
  const client = new Client({ name: 'peer', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(server), { authProvider: provider });
  await client.connect(transport);
  const { tools } = await client.listTools();
  await transport.terminateSession();
  await client.close();
  return tools.some((tool) => tool.name === 'atlassianUserInfo');
}

async function report(check, run) {
  const line = { check, ok: true };
  try {
    line.value = await run();
  } catch (e) {
    line.ok = false;
    line.error = `${e?.stack ?? e}`;
  }
  console.log(JSON.stringify(line));
}

await report('unauthorized', async () => {
  await assert.rejects(tools(), UnauthorizedError);
  const told = ['response_type', 'code_challenge_method', 'resource'];
  return Object.fromEntries([...provider.kept.sentTo.searchParams].filter(([name]) => told.includes(name)));
});
await report('signed in', async () => {
  const back = await consent(provider.kept.sentTo);
  assert.equal(back.searchParams.get('state'), 'the state');
  const transport = new StreamableHTTPClientTransport(new URL(server), { authProvider: provider });
  await transport.finishAuth(name === 'sdk1' ? back.searchParams.get('code') : back.searchParams);
  return { tools: await tools(), expires: provider.kept.tokens.expires_in };
});
const first = provider.kept.tokens;
await report('refreshed', async () => {
  assert.equal(await auth(provider, { serverUrl: server }), 'AUTHORIZED');
  assert.notEqual(provider.kept.tokens.access_token, first?.access_token);
  return { tools: await tools() };
});
await report('used again', async () => {
  provider.kept.tokens = first;
  return await auth(provider, { serverUrl: server });
});
process.exit();
