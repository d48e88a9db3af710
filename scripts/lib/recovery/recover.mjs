import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { fakeGpu } from './fake-gpus.mjs';
import { findSteps, RECOVERIES, renderSteps } from './scenarios.mjs';

const { runScenario } = createRequire(import.meta.url)('../../../dist/cjs/testing/index.js');
/** How long after the load the last step may come on a busy machine. */
const LIMIT_MS = 20_000;

/** Runs a recovery scenario; `holds` when nothing was lost and every step was seen, in its order. */
export async function recover(name) {
  const { title, scenario, steps } = RECOVERIES[name];
  const seen = (events) => findSteps(steps, events);
  const result = await runScenario(scenario, {
    fakeGpu,
    async after({ timeline }) {
      const deadline = Date.now() + LIMIT_MS;
      while (
        Date.now() < deadline &&
        !seen(timeline.events.filter(isOfRun)).every(({ event }) => event !== null)
      )
        await sleep(50);
      function isOfRun({ atMs }) {
        return atMs >= (timeline.events.find(({ source }) => source === 'fault')?.atMs ?? 0);
      }
    },
  });
  const fault = result.events.find(({ source }) => source === 'fault');
  const found = seen(result.events.filter(({ atMs }) => atMs >= fault.atMs));
  return {
    title,
    steps: found,
    table: renderSteps(found, fault.atMs),
    result,
    holds: result.holds && found.every(({ event }) => event !== null),
  };
}
