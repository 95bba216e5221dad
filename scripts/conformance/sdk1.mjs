// @modelcontextprotocol/sdk 1.x, for the wire of 2025-11-25.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { ElicitRequestSchema, ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

export const Transport = StdioClientTransport;
export const environment = getDefaultEnvironment();

export function newClient(info, capabilities, { elicit, listChanged }) {
  const client = new Client(info, { capabilities });
  client.setRequestHandler(ElicitRequestSchema, elicit);
  client.setNotificationHandler(ToolListChangedNotificationSchema, listChanged);
  return client;
}
