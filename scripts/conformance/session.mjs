// A session of the official TypeScript SDK's client with the program over stdio:
// SDK 1.x on the wire of 2025-11-25, SDK 2.x on that of 2026-07-28.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client as Client2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const info = { name: 'conformance-driver', version: '1.0.0' };
const capabilities = { elicitation: { form: { applyDefaults: true } } };

// SDK 2.x asks a process of its own which era the server is of, unless the
// transport is of a class that it doesn't know.
class OneProcess extends Stdio2 {}

function sdk1(session) {
  const client = new Client1(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, session.elicit);
  client.setNotificationHandler(ToolListChangedNotificationSchema, session.listChanged);
  return { client, Stdio: Stdio1 };
}

function sdk2(session) {
  const client = new Client2(info, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  client.setRequestHandler('elicitation/create', session.elicit);
  client.setNotificationHandler('notifications/tools/list_changed', session.listChanged);
  return { client, Stdio: OneProcess };
}

export class Session {
  received = []; // messages, as the program sent them
  #changes = 0; // of the tool list
  #wake = () => {};

  constructor(wire, process) {
    const { client, Stdio } = wire === '2026-07-28' ? sdk2(this) : sdk1(this);
    this.client = client;
    this.transport = new Stdio({ ...process, stderr: 'inherit' });
    this.browserLog = process.env.CONFORMANCE_BROWSER_LOG;

    // misled rejects when the SDK can't make sense of what the program sent, say of
    // a line that is no message.
    this.misled = new Promise((_, reject) => {
      client.onerror = (e) => reject(new Error(`the SDK can't use a message: ${e.message.replace(/\s+/g, ' ')}`));
    });

    // The SDKs hand out no process, and forget it when the handshake fails.
    const start = this.transport.start.bind(this.transport);
    this.transport.start = async () => {
      await start();
      this.process = this.transport._process;
    };
  }

  elicit = () => ({ action: 'accept', content: { ...this.answer } });

  listChanged = () => {
    this.#changes++;
    this.#wake();
  };

  async connect() {
    await this.client.connect(this.transport);
    const deliver = this.transport.onmessage;
    this.transport.onmessage = (message, extra) => {
      this.received.push(message);
      deliver(message, extra);
    };
    return this.client;
  }

  // tools lists the tools of the server. As long as the program says that a person
  // must sign in, by listing sign_in alone, it waits for the list to change.
  async tools() {
    for (;;) {
      const seen = this.#changes;
      const { tools } = await this.client.listTools();
      if (!tools.some(({ name }) => name === 'sign_in')) {
        return tools;
      }
      if (seen === this.#changes) {
        await new Promise((resolve) => (this.#wake = resolve));
      }
    }
  }

  // call calls a tool and returns the text of its result.
  async call(name, args = {}) {
    const result = await this.client.callTool({ name, arguments: args });
    assert(!result.isError, `${name}: ${JSON.stringify(result)}`);
    return result.content.map(({ text }) => text).join('\n');
  }

  // browsed waits until the browser has shown a page, and returns what it was.
  async browsed() {
    for (;;) {
      try {
        return readFileSync(this.browserLog, 'utf8');
      } catch (e) {
        assert.equal(e.code, 'ENOENT');
      }
      await sleep(50);
    }
  }

  // close ends the process as a client does, and wants it to go by itself.
  async close() {
    const { process } = this;
    process.stdin.end();
    if (process.exitCode === null && process.signalCode === null) {
      await once(process, 'exit');
    }
    assert.deepEqual({ status: process.exitCode, signal: process.signalCode }, { status: 0, signal: null });
  }
}
