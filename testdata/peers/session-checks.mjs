// Checks of the session itself and of what the server says and asks unasked.

import assert from 'node:assert/strict';

const roots = [{ uri: 'file:///srv/project', name: 'project' }];

// fields are what the person at the client types into a form.
const fields = {
  name: 'Ada', check: true, email: 'ada@example.com', integer: 7, number: 2.5,
  favoriteColor: 'Green', agreeToTerms: true, interpretation: 'historical',
};

// person answers what the server asks of the client.
const person = {
  'roots/list': () => ({ roots }),
  'sampling/createMessage': () => ({
    role: 'assistant',
    model: 'none',
    stopReason: 'endTurn',
    content: { type: 'text', text: 'as you wish: é \u2028 😀' },
  }),
  'elicitation/create': ({ mode, requestedSchema }) => {
    if (mode === 'url') return { action: 'accept' };
    const wanted = Object.keys(fields).filter((name) => name in requestedSchema.properties);
    return { action: 'accept', content: Object.fromEntries(wanted.map((name) => [name, fields[name]])) };
  },
};

// connect returns all that the client has learnt of the server by then.
export async function connect({ client, peer, transport }) {
  for (const [method, answer] of Object.entries(person)) {
    peer.onRequest(method, async ({ params }, extra) => {
      const result = answer(params);
      if (!params?.task) return result;
      const task = await extra.taskStore.createTask({ ttl: params.task.ttl });
      await extra.taskStore.storeTaskResult(task.taskId, 'completed', result);
      return { task };
    });
  }
  await client.connect(transport);
  return {
    version: client.getNegotiatedProtocolVersion?.(), // which the older SDK keeps to itself
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  };
}

// listening waits until what the server sends of its own accord gets through:
// over Streamable HTTP it is lost for as long as the stream for it is not open.
export async function listening(session) {
  await session.client.setLoggingLevel('debug');
  for (let i = 0; ; i++) {
    const uri = `demo://listening/${i}`;
    await loggedSubscription(session, uri);
    try {
      return void await session.notified('notifications/message', about(uri), 250);
    } catch (e) {
      if (i === 60) throw e;
    }
  }
}

// loggedSubscription makes the server send a log message about a resource, which
// need not exist.
async function loggedSubscription({ client }, uri) {
  await client.subscribeResource({ uri });
  await client.unsubscribeResource({ uri });
}

const about = (uri) => ({ data }) => data.includes(`Subscribe Resource request for URI: ${uri} `);

export async function logging(session) {
  const { client, peer } = session;
  await client.setLoggingLevel('error');
  await loggedSubscription(session, 'demo://unheard');
  await client.setLoggingLevel('debug');
  await loggedSubscription(session, 'demo://heard');
  const heard = await session.notified('notifications/message', about('demo://heard'));
  const messages = session.notifications.filter((n) => n.method === 'notifications/message');
  const unheard = messages.filter(({ params }) => about('demo://unheard')(params));
  assert.deepEqual(unheard, [], 'messages below the level that was set');

  const toggle = () => peer.callTool({ name: 'toggle-simulated-logging', arguments: {} });
  const results = [await toggle()];
  // Its level is random.
  await session.notified('notifications/message', ({ data }) => data.includes('level'));
  results.push(await toggle());
  return { heard, results };
}

export async function rootsChanged(session) {
  roots.push({ uri: 'file:///srv/more', name: 'more' });
  await session.client.sendRootsListChanged();
  return session.notified('notifications/message', ({ data }) => data.startsWith('Roots updated: 2 '));
}

// asked are the requests that the server sent so far, each once: how often it
// asks after a task or the roots is a matter of time.
export function asked(session) {
  const requests = session.received.filter((m) => m.method !== undefined && m.id !== undefined);
  return [...new Set(requests.map(({ method, params }) => JSON.stringify({ method, params })))].sort();
}
