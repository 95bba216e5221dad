// Runs the client scenarios of both releases of the suite, and fails unless each
// passes without a failure or a warning. A scenario that is neither scripted in
// scripts.mjs nor listed in not-applicable.txt fails, and so does a line there
// that no scenario matches.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { scriptFor } from './scripts.mjs';

const jobs = 3; // a run waits about as long as it computes, and CI has two cores

// What the authorization servers of the suite give out, and no log may contain.
const secrets = /(test|cc)-token|test-auth-code|(client|registered|test)-secret/;

const options = {};
try {
  const { values } = parseArgs({ options: { 'only': { type: 'string' }, 'no-auth': { type: 'boolean' } } });
  Object.assign(options, { only: new RegExp(values.only ?? ''), auth: !values['no-auth'] });
} catch (e) {
  console.error(`scripts/conformance/run: ${e.message}`);
  process.exit(2);
}

const suite = (module) => {
  const { version } = JSON.parse(readFileSync(`node_modules/${module}/package.json`));
  const command = ['--import', './globsync.mjs', `node_modules/${module}/dist/index.js`];
  const list = execFileSync('node', [...command, 'list', '--client'], { encoding: 'utf8' });
  const scenarios = [...list.matchAll(/^ *- (\S+) \[(.*)\]$/gm)].map(([, name, wires]) => ({ name, wires: wires.split(',') }));
  return { version, command, scenarios };
};

// wires returns those that a scenario is run on. Sign-in has to work with the
// servers of 2025-11-25 as with those of 2026-07-28, whatever release of the
// specification asks for what a scenario is about.
function wires({ version }, { name, wires }) {
  if (version.startsWith('0.1.')) {
    return [{ wire: '2025-11-25', flags: [] }]; // it knows no other
  }
  const earlier = name.startsWith('auth/') || wires.some((wire) => wire < '2026-07-28');
  return [
    ...(earlier ? [{ wire: '2025-11-25', flags: ['--spec-version', '2025-11-25', '--force'] }] : []),
    ...(wires.includes('2026-07-28') ? [{ wire: '2026-07-28', flags: ['--spec-version', '2026-07-28'] }] : []),
  ];
}

// attempt runs a scenario once and returns what is wrong, or nothing.
async function attempt({ suite, scenario, flags, results }) {
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const output = createWriteStream(join(results, 'suite.txt'));
  await once(output, 'open');
  const child = spawn(
    'node',
    [...suite.command, 'client', '--command', 'node driver.mjs', '--scenario', scenario.name, '--timeout', '45000', '-o', results, ...flags],
    { stdio: ['ignore', output, output] },
  );
  const [status] = await once(child, 'exit');

  const path = readdirSync(results, { recursive: true }).find((path) => path.endsWith('checks.json'));
  const checks = path ? JSON.parse(readFileSync(join(results, path))) : [];
  const count = (status) => checks.filter((check) => check.status === status).length;
  const [passed, failed, warnings] = ['SUCCESS', 'FAILURE', 'WARNING'].map(count);
  const wrong = checks
    .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
    .map(({ id, errorMessage, description }) => `${id}: ${errorMessage ?? description}`);

  const log = readFileSync(join(results, 'suite.txt'), 'utf8');
  const stderr = path ? readFileSync(join(results, path, '../stderr.txt'), 'utf8') : '';
  // The suite forgives some scenarios an exit status; the driver has no use for that.
  const exited = /^Client exited with code .*$/m.exec(log)?.[0];
  if (exited) {
    wrong.push(exited, ...stderr.split('\n').filter((line) => /^\w*Error\b|^driver: /.test(line)));
  }
  if (secrets.test(stderr)) {
    wrong.push(`a secret in the log: ${secrets.exec(stderr)[0]}`);
  }
  if (wrong.length === 0 && (status !== 0 || passed === 0)) {
    wrong.push(`the suite exited with status ${status}`);
  }
  return { counts: `${passed} passed, ${failed} failed, ${warnings} warnings`, wrong };
}

async function report(run) {
  const start = performance.now();
  let outcome = await attempt(run);
  // How late a client may resume is measured by the release of 0.1 alone, and a
  // busy machine is late too.
  for (let again = 0; again < 2 && run.timed && outcome.wrong.length > 0; again++) {
    outcome = await attempt(run);
  }
  const { counts, wrong } = outcome;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${wrong.length ? 'FAIL' : 'ok  '} ${run.label}: ${counts} (${seconds} s)`);
  for (const line of wrong) {
    console.log(`     ${line}`);
  }
  if (wrong.length) {
    console.log(`     see .cache/conformance/${run.results}`);
  }
  return wrong.length === 0;
}

const notApplicable = new Set(
  readFileSync('not-applicable.txt', 'utf8')
    .split('\n')
    .filter((line) => line && !line.startsWith('#'))
    .map((line) => line.slice(0, line.indexOf(': '))),
);
const unmatched = new Set(notApplicable);

const runs = [];
let failed = 0, skipped = 0;
for (const module of ['conformance-stable', '@modelcontextprotocol/conformance']) {
  const current = suite(module);
  for (const scenario of current.scenarios) {
    const listed = [scenario.name, `${current.version} ${scenario.name}`].filter((name) => notApplicable.has(name));
    listed.forEach((name) => unmatched.delete(name));
    for (const { wire, flags } of wires(current, scenario)) {
      const label = `${current.version} ${wire} ${scenario.name}`;
      if (listed.length || (!options.auth && scenario.name.startsWith('auth/')) || !options.only.test(label)) {
        skipped++;
      } else if (!scriptFor(scenario.name, {})) {
        console.log(`FAIL ${label}: new, and neither in scripts.mjs nor in not-applicable.txt`);
        failed++;
      } else {
        const results = join('results', ...label.split(' '));
        runs.push({ suite: current, scenario, flags, label, results, timed: scenario.name === 'sse-retry' });
      }
    }
  }
}
for (const name of unmatched) {
  console.log(`FAIL not-applicable.txt: no release has ${name}`);
  failed++;
}

let passed = 0;
const count = (ok) => (ok ? passed++ : failed++);
const untimed = runs.filter(({ timed }) => !timed);
await Promise.all(
  Array.from({ length: jobs }, async () => {
    for (let run; (run = untimed.shift()); ) {
      count(await report(run));
    }
  }),
);
for (const run of runs.filter(({ timed }) => timed)) {
  count(await report(run));
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
