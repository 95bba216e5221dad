// Drives a server with one of the official TypeScript clients and prints one line
// of JSON for each check:
//
//	node drive.mjs CLIENT KIND URL [COMMAND]
//
// CLIENT is sdk1, sdk2 or sdk2-auto. KIND is streamableHttp or sse for
// server-everything in one of these modes, modern for the server of TestPeersGo at
// protocol version 2026-07-28. With a COMMAND the client starts "COMMAND URL" and talks to it over stdio; without
// one it uses its own transport for URL. The checks are the same, so that what
// they print can be compared.
//
// A line is {check, ok, value, error, why}. The value is what the client got,
// less what differs between two sessions by nature (clock times, session ids).
// A check with a "why" can't pass even directly, and why says for what reason.

import { Session, settle } from './session.mjs';
import { checks } from './checks.mjs';
import { exit } from './exit.mjs';
import { modernChecks } from './modern-checks.mjs';
import { sdk1 } from './sdk1.mjs';
import { sdk2 } from './sdk2.mjs';

const clients = {
  'sdk1': () => sdk1(),
  'sdk2': () => sdk2('legacy'),
  'sdk2-auto': () => sdk2('auto'),
};

const [name, kind, url, command] = process.argv.slice(2);
const peer = clients[name]();
const transport = command ? peer.stdio(command, [url]) : peer.remote(kind, url);
const session = new Session(peer, transport);

async function report(check, run, why) {
  const line = { check, ok: true, why };
  try {
    line.value = settle(await run());
  } catch (e) {
    line.ok = false;
    line.error = `${e?.stack ?? e}`;
  }
  console.log(JSON.stringify(line));
}

await (kind === 'modern' ? modernChecks : checks)(session, report);
if (command) {
  await report('exit', () => exit(session));
} else {
  await transport.terminateSession?.();
}
await peer.client.close();
// Without this the SDKs go on trying to resume the stream of the call that was
// cancelled.
process.exit();
