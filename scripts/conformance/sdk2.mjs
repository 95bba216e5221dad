// @modelcontextprotocol/client 2.x, for the wire of 2026-07-28.

import { Client } from '@modelcontextprotocol/client';
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio';

// The SDK sends server/discover to a process of its own, unless the transport is
// of a class that it doesn't know.
export class Transport extends StdioClientTransport {}
export const environment = getDefaultEnvironment();
export const pinned = true;

export function newClient(info, capabilities, { elicit, listChanged }) {
  const client = new Client(info, { capabilities, versionNegotiation: { mode: { pin: '2026-07-28' } } });
  client.setRequestHandler('elicitation/create', elicit);
  client.setNotificationHandler('notifications/tools/list_changed', listChanged);
  return client;
}
