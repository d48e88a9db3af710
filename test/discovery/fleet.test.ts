import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startFrontend } from '../../dist/cjs/frontend/frontend.js';
import { endToy, post, startToy, stream, type ToyWorker } from '../frontend/fleet.js';
import { until } from '../helpers/package.js';

let runtime: string;
let before: string | undefined;
let toys: ToyWorker[] = [];
beforeEach(() => {
  runtime = mkdtempSync(join(tmpdir(), 'ih-'));
  before = process.env.XDG_RUNTIME_DIR;
  process.env.XDG_RUNTIME_DIR = runtime;
});
afterEach(() => {
  for (const toy of toys) endToy(toy);
  toys = [];
  if (before === undefined) delete process.env.XDG_RUNTIME_DIR;
  else process.env.XDG_RUNTIME_DIR = before;
  rmSync(runtime, { recursive: true, force: true });
});
const start = async (name: string, port = 0): Promise<ToyWorker> => {
  const toy = await startToy(name, { port });
  toys.push(toy);
  return toy;
};
const request = { prompt: 'a', max_tokens: 200, temperature: 0 };

describe('a frontend of one machine that was told nothing', () => {
  it('finds workers, lists them, moves their streams when they drain, and forgets them', async () => {
    await using frontend = await startFrontend({ port: 0 });
    const health = async () => (await fetch(`${frontend.url}/health`)).text();
    expect(await health()).toBe('{"instances":[],"message":"No endpoints available","status":"unhealthy"}');
    expect((await post(frontend.url, request)).status).toBe(503);

    const one = await start('one');
    await until(() => frontend.workers().some(({ state }) => state === 'serving'));
    expect(await health()).toMatch(
      /^{"endpoints":\["dyn:\/\/dynamo.backend.generate"\],"instances":\[{"component":"backend","endpoint":"generate","instance_id":\d+,"namespace":"dynamo","transport":{"http":"http:\/\/127.0.0.1:\d+"}}\],"status":"healthy"}$/,
    );
    const whole = await stream(frontend.url, request);
    const two = await start('two');
    await until(() => frontend.workers().length === 2);
    let isDrained = false;
    const moved = await stream(frontend.url, request, (text) => {
      if (text.length < 20 || isDrained) return;
      isDrained = true;
      const busy = frontend.workers().find(({ inFlight }) => inFlight > 0);
      (busy?.url === one.url ? one : two).child.kill('SIGTERM');
    });
    expect(moved.text).toBe(whole.text);
    await until(() => frontend.workers().length === 1 && frontend.discovery()?.instances === 1);
    for (const { child } of [one, two]) child.kill('SIGKILL');
    await until(async () => (await health()).includes('No endpoints available'));
    expect((await post(frontend.url, request)).headers.get('retry-after')).toMatch(/^\d+$/);
  });

  it('takes the next life of a worker at the same address for another one, and keeps serving', async () => {
    const one = await start('one');
    const port = Number(new URL(one.url).port);
    await using frontend = await startFrontend({ port: 0 });
    await until(() => frontend.workers().some(({ state }) => state === 'serving'));
    const first = frontend.workers()[0]?.ref?.incarnation;
    one.child.kill('SIGKILL');
    await until(() => one.child.signalCode !== null);
    await start('one', port);
    await until(() =>
      frontend.workers().some(({ state, ref }) => state === 'serving' && ref?.incarnation !== first),
    );
    expect((await stream(frontend.url, request)).isDone).toBe(true);
    await until(() => readdirSync(join(runtime, 'inference-health')).length === 1);
    expect(frontend.workers()).toHaveLength(1);
  });

  it('routes only to the endpoint that it is for, and lists all', async () => {
    process.env.DYN_NAMESPACE = 'other';
    try {
      await start('one');
    } finally {
      delete process.env.DYN_NAMESPACE;
    }
    await using frontend = await startFrontend({ port: 0 });
    await until(() => frontend.discovery()?.instances === 1);
    expect(frontend.workers()).toEqual([]);
    expect(await (await fetch(`${frontend.url}/health`)).text()).toContain('dyn://other.backend.generate');
    await using right = await startFrontend({ port: 0, discovery: { namespace: 'other' } });
    await until(() => right.workers().some(({ state }) => state === 'serving'));
  });
});
