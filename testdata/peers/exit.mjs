import assert from 'node:assert/strict';
import { once } from 'node:events';
import { within } from './session.mjs';

// exit closes the standard input of the process that the client started, and
// checks how the process ends and what the session came to. The process promises
// to be gone within 2 s; the bound is wider because the machine may be busy, and
// the time is printed for people to read.
export async function exit(session) {
  const child = session.transport._process; // the SDKs hand out no exit status
  const ended = once(child, 'exit');
  const start = performance.now();
  child.stdin.end();
  const [status, signal] = await within(5000, ended);
  console.error(`gone ${Math.round(performance.now() - start)} ms after the end of stdin`);
  assert.deepEqual({ status, signal }, { status: 0, signal: null });

  // Each request was answered once, the cancelled one never.
  const cancelled = session.sent.filter((m) => m.method === 'notifications/cancelled').map((m) => m.params.requestId);
  const wrong = session.requests().filter(({ id }) => session.answers(id).length !== (cancelled.includes(id) ? 0 : 1));
  assert.deepEqual(wrong, []);

  // The client couldn't make sense of something, say of a line that is no message.
  // Progress that comes after a cancellation is the server's doing.
  const complaints = session.errors.filter((e) => !e.includes('progress'));
  assert.deepEqual(complaints, []);
}
