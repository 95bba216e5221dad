// Runs what plan.mjs says, and fails unless each run passes without a failure or a
// warning.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { plan } from './plan.mjs';

const jobs = 3; // a run waits about as long as it computes, and CI has two cores

// What the authorization servers of the suite give out, and no log may contain.
const secrets = /(test|cc)-token|test-auth-code|(client|registered|test)-secret/;

// attempt runs a scenario once and returns how many checks came out how, and what
// is wrong.
async function attempt({ label, name, command, flags }) {
  const results = resultsOf(label);
  rmSync(results, { recursive: true, force: true });
  mkdirSync(results, { recursive: true });
  const output = createWriteStream(join(results, 'suite.txt'));
  await once(output, 'open');
  const run = ['client', '--command', 'node driver.mjs', '--scenario', name, '--timeout', '90000', '-o', results];
  const child = spawn('node', [...command, ...run, ...flags], { stdio: ['ignore', output, output] });
  const [status] = await once(child, 'exit');

  // The suite puts its files in a directory of its own, if it gets that far.
  const path = readdirSync(results, { recursive: true }).find((path) => path.endsWith('checks.json'));
  const read = (file) => (path ? readFileSync(join(results, dirname(path), file), 'utf8') : '');
  const checks = JSON.parse(read('checks.json') || '[]');
  const stderr = read('stderr.txt');
  const count = (status) => checks.filter((check) => check.status === status).length;
  const counts = { passed: count('SUCCESS'), failed: count('FAILURE'), warnings: count('WARNING') };

  const wrong = checks
    .filter(({ status }) => status === 'FAILURE' || status === 'WARNING')
    .map(({ id, errorMessage, description }) => `${id}: ${errorMessage ?? description}`);
  // In some scenarios the suite doesn't mind how the driver ends.
  if (/^Client exited with code /m.test(readFileSync(join(results, 'suite.txt'), 'utf8'))) {
    wrong.push(...stderr.split('\n').filter((line) => /^\w*Error\b|^driver: /.test(line)), 'the driver failed');
  }
  if (secrets.test(stderr)) {
    wrong.push(`a secret in the log: ${secrets.exec(stderr)[0]}`);
  }
  if (wrong.length === 0 && (status !== 0 || counts.passed === 0)) {
    wrong.push(`the suite exited with status ${status}`);
  }
  return { counts, wrong };
}

const resultsOf = (label) => join('results', ...label.split(' '));

// How late a client may resume is measured by release 0.1, and a busy machine is
// late too: such a run has the machine to itself, and more than one try.
const isTimed = ({ name }) => name === 'sse-retry';

async function report(run) {
  const start = performance.now();
  let outcome = await attempt(run);
  for (let tries = isTimed(run) ? 3 : 1; tries > 1 && outcome.wrong.length > 0; tries--) {
    outcome = await attempt(run);
  }
  const { counts, wrong } = outcome;
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${wrong.length ? 'FAIL' : 'ok  '} ${run.label}: ` +
      `${counts.passed} passed, ${counts.failed} failed, ${counts.warnings} warnings (${seconds} s)`,
  );
  if (wrong.length) {
    wrong.forEach((line) => console.log(`     ${line}`));
    console.log(`     see .cache/conformance/${resultsOf(run.label)}`);
  }
  return wrong.length === 0;
}

// reportAll works through runs, jobs at a time, and returns how many were right.
async function reportAll(runs, jobs) {
  const queue = [...runs];
  let right = 0;
  const work = async () => {
    for (let run; (run = queue.shift()); ) {
      const ok = await report(run);
      right += ok;
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return right;
}

function options() {
  try {
    const { values } = parseArgs({ options: { 'only': { type: 'string' }, 'no-auth': { type: 'boolean' } } });
    return { only: new RegExp(values.only ?? ''), auth: !values['no-auth'] };
  } catch (e) {
    console.error(`scripts/conformance/run: ${e.message}`);
    process.exit(2);
  }
}

const { runs, skipped, problems } = plan(options());
problems.forEach((problem) => console.log(`FAIL ${problem}`));
const passed =
  (await reportAll(runs.filter((run) => !isTimed(run)), jobs)) + (await reportAll(runs.filter(isTimed), 1));
const failed = runs.length - passed + problems.length;
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
