// What is to be run: each client scenario of both releases of the suite, on each
// wire that it has, unless not-applicable.txt says why not.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { scriptFor } from './scenarios.mjs';

const modules = ['conformance-stable', '@modelcontextprotocol/conformance'];

// release returns the version of an installed release, how to start it, and its
// scenarios with the versions of the specification that they are for.
function release(module) {
  const dir = `node_modules/${module}`;
  const { version } = JSON.parse(readFileSync(`${dir}/package.json`));
  const command = ['--import', './globsync.mjs', `${dir}/dist/index.js`];
  const list = execFileSync('node', [...command, 'list', '--client'], { encoding: 'utf8' });
  const scenarios = [...list.matchAll(/^ *- (\S+) \[(.*)\]$/gm)];
  return { version, command, scenarios: scenarios.map(([, name, versions]) => ({ name, versions: versions.split(',') })) };
}

// wires returns those to run a scenario on. Sign-in has to work with the servers
// of 2025-11-25 as with those of 2026-07-28, whichever version of the
// specification brought what a scenario is about.
function wires(release, { name, versions }) {
  if (release.version.startsWith('0.1.')) {
    return [{ wire: '2025-11-25', flags: [] }]; // it knows no other
  }
  const all = [
    { wire: '2025-11-25', flags: ['--spec-version', '2025-11-25', '--force'] },
    { wire: '2026-07-28', flags: ['--spec-version', '2026-07-28'] },
  ];
  const stateful = name.startsWith('auth/') || versions.some((version) => version < '2026-07-28');
  const stateless = versions.includes('2026-07-28');
  return all.filter(({ wire }) => (wire < '2026-07-28' ? stateful : stateless));
}

// notApplicable returns the names in not-applicable.txt, without the reasons.
function notApplicable() {
  const lines = readFileSync('not-applicable.txt', 'utf8').split('\n');
  return lines.filter((line) => line && !line.startsWith('#')).map((line) => line.slice(0, line.indexOf(': ')));
}

// plan returns the runs, how many more were left out, and what is wrong with the
// lists: a scenario that is neither scripted nor excused, an excuse for none.
export function plan({ only, auth }) {
  const excuses = new Set(notApplicable());
  const unused = new Set(excuses);
  const runs = [], problems = [];
  let skipped = 0;
  for (const current of modules.map(release)) {
    for (const scenario of current.scenarios) {
      const { name } = scenario;
      const excused = [name, `${current.version} ${name}`].filter((name) => excuses.has(name));
      excused.forEach((name) => unused.delete(name));
      if (excused.length > 0) {
        skipped++;
        continue;
      }
      const found = scriptFor(name, {}) ? wires(current, scenario) : [];
      if (found.length === 0) {
        problems.push(`${current.version} ${name} is neither scripted in scenarios.mjs nor listed in not-applicable.txt`);
      }
      for (const { wire, flags } of found) {
        const label = `${current.version} ${wire} ${name}`;
        if (only.test(label) && (auth || !name.startsWith('auth/'))) {
          runs.push({ label, name, command: current.command, flags });
        } else {
          skipped++;
        }
      }
    }
  }
  problems.push(...[...unused].map((name) => `no release has ${name}, which is in not-applicable.txt`));
  return { runs, skipped, problems };
}
