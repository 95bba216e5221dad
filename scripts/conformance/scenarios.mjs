// What the client does in each scenario. Some need flags or the environment too,
// which come from the context that the suite gives with the scenario.

import assert from 'node:assert/strict';

const none = () => ({});

async function listTools(session) {
  await session.connect();
  await session.tools();
}

async function addNumbers(session) {
  await session.connect();
  await session.tools();
  assert.equal(await session.call('add_numbers', { a: 2, b: 3 }), 'The sum of 2 and 3 is 5');
}

async function acceptDefaults(session) {
  await session.connect();
  await session.tools();
  await session.call('test_client_elicitation_defaults');
}

async function resumeCall(session) {
  await session.connect();
  await session.tools();
  assert.equal(await session.call('test_reconnection'), 'Reconnection test completed successfully');
}

async function everyNamedRequest(session) {
  const client = await session.connect();
  for (const { name } of await session.tools()) {
    await session.call(name);
  }
  for (const { uri } of (await client.listResources()).resources) {
    await client.readResource({ uri });
  }
  for (const { name } of (await client.listPrompts()).prompts) {
    await client.getPrompt({ name });
  }
}

async function callsOfContext(session, { toolCalls }) {
  await session.connect();
  await session.tools();
  for (const { name, arguments: args } of toolCalls) {
    await session.call(name, args);
  }
}

// The SDK drops invalid tools as well, so the list that counts is the one that
// the program sent.
async function onlyValidTools(session) {
  await session.connect();
  await session.tools();
  const { tools } = session.received.findLast(({ result }) => result?.tools).result;
  for (const { name } of tools) {
    await session.call(name, { region: 'us-west1' });
  }
}

async function echoSchema(session) {
  await session.connect();
  const tools = await session.tools();
  const { inputSchema } = tools.find(({ name }) => name === 'json_schema_2020_12_tool');
  await session.call('json_schema_echo', { schema: inputSchema });
}

async function inputRequired(session) {
  session.answer = { confirmed: true };
  await session.connect();
  await session.tools();
  const echoed = session.call('test_mrtr_echo_state');
  assert.equal(await session.call('test_mrtr_unrelated'), 'unrelated-ok');
  assert.equal(await echoed, 'echo-state-ok');
  assert.equal(await session.call('test_mrtr_no_state'), 'no-state-ok');
  // The SDK refuses what comes without a resultType, the suite doesn't: the result
  // must have come as the server sent it.
  await session.call('test_mrtr_no_result_type').catch((e) => assert.match(e.message, /resultType/));
  assert.deepEqual(session.received.at(-1).result, { content: [{ type: 'text', text: 'no-result-type-test-ok' }] });
}

async function signIn(session) {
  await session.login();
  await session.connect();
  await session.tools();
  assert.equal(await session.call('test-tool'), 'test');
}

// signInAgain has the first sign-in be over by the time of the client's own.
async function signInAgain(session) {
  await session.login();
  await signIn(session);
}

// refused wants the program to get nowhere and to say so. It may say so in answer
// to any request.
async function refused(session) {
  let tools = [];
  await session.login();
  try {
    const client = await session.connect();
    ({ tools } = await client.listTools());
  } catch (e) {
    console.error(`refused: ${e.message}`);
  }
  assert(!tools.some(({ name }) => name === 'test-tool'), 'signed in all the same');
}

async function refusedAfterBrowser(session) {
  await refused(session);
  console.error(`browser: ${await session.browsed()}`);
}

const given = ({ client_id, client_secret }) => ({
  flags: ['--client-id', client_id],
  env: { ATLASSIAN_MCP_CLIENT_SECRET: client_secret },
});

// The port that goes with the document is by default the same each time, and may be taken by one of the suite's servers: this one is below those that
// the system hands out, and no other driver's.
const documentURL = () => ({
  flags: [
    '--client-metadata-url', 'https://conformance-test.local/client-metadata.json',
    '--callback-port', String(20_000 + (process.pid % 10_000)),
  ],
});

const service = (context) => ({ ...given(context), flags: ['--client-credentials', ...given(context).flags] });

const scripts = {
  'initialize': [listTools],
  'tools_call': [addNumbers],
  'elicitation-sep1034-client-defaults': [acceptDefaults],
  'sse-retry': [resumeCall],
  'request-metadata': [listTools],
  'http-standard-headers': [everyNamedRequest],
  'http-custom-headers': [callsOfContext],
  'http-invalid-tool-headers': [onlyValidTools],
  'json-schema-ref-no-deref': [listTools],
  'json-schema-2020-12-preservation': [echoSchema],
  'sep-2322-client-request-state': [inputRequired],

  'auth/metadata-default': [signIn],
  'auth/metadata-var1': [signIn],
  'auth/metadata-var2': [signIn],
  'auth/metadata-var3': [signIn],
  'auth/2025-03-26-oauth-metadata-backcompat': [signIn],
  'auth/2025-03-26-oauth-endpoint-fallback': [signIn],
  'auth/basic-cimd': [signIn, documentURL],
  'auth/pre-registration': [signIn, given],
  'auth/token-endpoint-auth-basic': [signIn],
  'auth/token-endpoint-auth-post': [signIn],
  'auth/token-endpoint-auth-none': [signIn],
  'auth/scope-from-www-authenticate': [signIn],
  'auth/scope-from-scopes-supported': [signIn],
  'auth/scope-omitted-when-undefined': [signIn],
  'auth/scope-step-up': [signIn],
  'auth/scope-retry-limit': [refusedAfterBrowser],
  'auth/offline-access-scope': [signIn],
  'auth/offline-access-not-supported': [signIn],
  'auth/authorization-server-migration': [signInAgain],
  'auth/iss-supported': [signIn],
  'auth/iss-not-advertised': [signIn],
  'auth/iss-supported-missing': [refusedAfterBrowser],
  'auth/iss-wrong-issuer': [refusedAfterBrowser],
  'auth/iss-unexpected': [refusedAfterBrowser],
  'auth/iss-normalized': [refusedAfterBrowser],
  'auth/metadata-issuer-mismatch': [refused],
  'auth/resource-mismatch': [refused],
  'auth/client-credentials-basic': [signIn, service],
};

// scriptFor returns what to run in a scenario and how to start the program for it,
// or undefined for a scenario that is not known here.
export function scriptFor(scenario, context) {
  const [run, start = none] = scripts[scenario] ?? [];
  return run && { run, flags: [], env: {}, ...start(context) };
}
