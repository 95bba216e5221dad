// @modelcontextprotocol/sdk 1.x.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { InMemoryTaskStore } from '@modelcontextprotocol/sdk/experimental/tasks';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  ResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { capabilities, info } from './session.mjs';

const requests = {
  'elicitation/create': ElicitRequestSchema,
  'roots/list': ListRootsRequestSchema,
  'sampling/createMessage': CreateMessageRequestSchema,
};

export function sdk1() {
  const client = new Client(info, {
    capabilities: {
      ...capabilities,
      // Only this client can run what the server asks for as a task.
      tasks: { requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
    },
    taskStore: new InMemoryTaskStore(),
  });
  return {
    client,
    remote: (kind, url) =>
      kind === 'sse' ? new SSEClientTransport(new URL(url)) : new StreamableHTTPClientTransport(new URL(url)),
    stdio: (command, args) => new StdioClientTransport({ command, args, stderr: 'inherit' }),
    onRequest: (method, handler) => client.setRequestHandler(requests[method], handler),
    callTool: (params, options) => client.callTool(params, undefined, options),
    request: (request, options) => client.request(request, ResultSchema, options),
  };
}
