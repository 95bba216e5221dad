// A session of an official TypeScript SDK's client with the program over stdio.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const info = { name: 'conformance-driver', version: '1.0.0' };
const capabilities = { elicitation: { form: { applyDefaults: true } } };

export class Session {
  received = []; // messages, as the program sent them
  #changes = 0; // of the tool list
  #wake = () => {};

  constructor(sdk, program) {
    this.program = program;
    this.pinned = sdk.pinned;
    this.client = sdk.newClient(info, capabilities, this);
    this.transport = new sdk.Transport({ ...program, stderr: 'inherit' });
    this.browserLog = program.env.CONFORMANCE_BROWSER_LOG;

    // misled rejects when the SDK can't make sense of what the program sent, say of
    // a line that is no message.
    this.misled = new Promise((_, reject) => {
      this.client.onerror = (e) => reject(new Error(`the SDK can't use a message: ${e.message.replace(/\s+/g, ' ')}`));
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

  // login has the program sign in beforehand if the client pins 2026-07-28: such a client has nothing else to say when server/discover is
  // not answered in time, and the program has no client wait for a person with that. Any other first request waits.
  async login() {
    if (!this.pinned) {
      return;
    }
    const { command, args, env } = this.program;
    const first = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': info,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
    };
    first.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } })}\n`);
    await once(first.stdout, 'data');
    first.stdin.end();
    await once(first, 'exit');
  }

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
