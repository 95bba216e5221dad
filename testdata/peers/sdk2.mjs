// @modelcontextprotocol/client 2.x. In mode "auto" it sends server/discover
// first, over stdio to a process of its own that it then terminates.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { capabilities, info } from './session.mjs';

// anything is the schema that every result conforms to.
const anything = { '~standard': { version: 1, vendor: 'peers', validate: (value) => ({ value }) } };

export function sdk2(mode) {
  const client = new Client(info, { capabilities, versionNegotiation: { mode } });
  return {
    client,
    remote: (kind, url) =>
      kind === 'sse' ? new SSEClientTransport(new URL(url)) : new StreamableHTTPClientTransport(new URL(url)),
    stdio: (command, args) => new StdioClientTransport({ command, args, stderr: 'inherit' }),
    onRequest: (method, handler) => client.setRequestHandler(method, handler),
    callTool: (params, options) => client.callTool(params, options),
    request: (request, options) => client.request(request, anything, options),
  };
}
