// Lets the suite start on Node 20: it imports fs.globSync, which came with Node
// 22, for a command that is not used here. Can go together with Node 20.

import fs from 'node:fs';
import { register } from 'node:module';

const module = (source) => `data:text/javascript,${encodeURIComponent(source)}`;

if (!fs.globSync) {
  const shim = module(`
    export * from 'node:fs';
    export { default } from 'node:fs';
    export function globSync() { throw new Error('fs.globSync: not before Node 22'); }`);
  register(module(`
    export const resolve = (specifier, context, next) =>
      specifier === 'fs' ? { url: ${JSON.stringify(shim)}, shortCircuit: true } : next(specifier, context);`));
}
