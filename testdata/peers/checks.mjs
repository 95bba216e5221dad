// The checks, in the order in which they run on one session.

import { completions, download, prompts, resources, subscription, templates } from './data-checks.mjs';
import { asked, connect, listening, logging, rootsChanged } from './session-checks.mjs';
import { cancellation, concurrent, echo, everyTool, mistakes, progress, research, tools } from './tool-checks.mjs';

const MiB = 1 << 20;

// checks reports on every one of them. Those that follow the cancellation would
// meet what arrives too late for it.
export async function checks(session, report) {
  await report('connect', () => connect(session));
  await report('listening', () => listening(session));

  await tools(session, report);
  await report('requests of the server', () => asked(session));
  await report('tool as a task', () => research(session));
  await report('progress', () => progress(session));
  await report('mistakes', () => mistakes(session));
  await report('logging', () => logging(session));
  await report('roots changed', () => rootsChanged(session));

  await report('resources', () => resources(session));
  await report('resource templates', () => templates(session));
  await report('subscription', () => subscription(session));
  await report('prompts', () => prompts(session));
  await report('completions', () => completions(session));

  await report('echo of 3 MiB', () => echo(session, 3 * MiB));
  await report('download of 5 MiB', () => download(session, 5 * MiB));
  await report('cancellation', () => cancellation(session));
  await report('500 concurrent calls', () => concurrent(session, 500));

  await report('every tool called', () => everyTool(session));
  await report('echo of 5 MiB', () => echo(session, 5 * MiB),
    'server-everything reads request bodies of at most 4 MiB');
}
