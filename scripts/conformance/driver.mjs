// The MCP client that the conformance suite starts as "node driver.mjs URL" for
// one scenario: the official SDK in front of "$ATLASSIAN_MCP URL". The program gets
// a home directory of its own, and of the environment no more than the SDK passes
// on. The exit status is 0 if all went as the scenario wants, whether that is
// success or refusal.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Session } from './session.mjs';
import { scriptFor } from './scenarios.mjs';

const {
  MCP_CONFORMANCE_SCENARIO: scenario,
  MCP_CONFORMANCE_PROTOCOL_VERSION: wire, // not set by 0.1, which knows one only
  MCP_CONFORMANCE_CONTEXT: context = '{}',
} = process.env;
const url = process.argv[2];
const sdk = await import(wire === '2026-07-28' ? './sdk2.mjs' : './sdk1.mjs');

const { run, flags, env } = scriptFor(scenario, JSON.parse(context));
const home = mkdtempSync(join(tmpdir(), 'conformance-'));
process.on('exit', clear);

// clear removes home. The browser outlives the program, and may write to its log meanwhile: rmSync does not look again for what is new.
function clear() {
  for (let left = 5; ; left--) {
    try {
      return rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    } catch (e) {
      if (e.code !== 'ENOTEMPTY' || left === 0) throw e;
    }
  }
}

const session = new Session(sdk, {
  command: process.env.ATLASSIAN_MCP,
  args: [url, '--debug', ...flags],
  env: {
    ...sdk.environment,
    HOME: home,
    PATH: `${fileURLToPath(new URL('bin', import.meta.url))}:${process.env.PATH}`,
    ATLASSIAN_MCP_TOKEN_STORE: 'file',
    CONFORMANCE_BROWSER_LOG: join(home, 'browser.log'),
    ...env,
  },
});

// The suite would kill the driver later, and leave the program behind.
setTimeout(() => {
  console.error('driver: no end in sight');
  session.process?.kill('SIGKILL');
  process.exit(1);
}, 60_000).unref();

// removed removes a directory into which a browser that outlives the program may still write how that went. What rmSync
// tries again by itself is to remove the directory, not what has come into it since it looked.
function removed(dir) {
  for (let tries = 5; tries > 0; tries--) {
    try {
      return rmSync(dir, { recursive: true, force: true });
    } catch (e) {
      if (e.code !== 'ENOTEMPTY' || tries === 1) {
        throw e;
      }
    }
  }
}

try {
  await Promise.race([session.misled, run(session, JSON.parse(context)).then(() => session.close())]);
} catch (e) {
  console.error(e);
  session.process?.kill('SIGKILL');
  process.exit(1);
}
