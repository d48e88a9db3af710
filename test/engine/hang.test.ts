import { describe, expect, it } from 'vitest';
import { NO_HANG, stepHang } from '../../lib/engine/policy-hang.js';
import { withChild } from '../helpers/child.js';

/** Milliseconds of looks every 500 ms until it is over; null if never within two minutes. */
function overAfter(
  active: number,
  graceMs: number,
  isStalled: (atMs: number) => boolean = () => true,
): number | null {
  let state = NO_HANG;
  for (let atMs = 0; atMs < 120_000; atMs += 500) {
    const stepped = stepHang(state, { atMs, isStalled: isStalled(atMs), active }, graceMs);
    if (stepped.isOver) return atMs;
    state = stepped.state;
  }
  return null;
}

describe('a main thread that is stalled', () => {
  it('has three seconds, and the grace period where requests are in flight', () => {
    expect(overAfter(0, 30_000)).toBe(3000);
    expect(overAfter(2, 30_000)).toBe(30_000);
  });

  it('that turns again begins anew', () => {
    expect(overAfter(0, 30_000, (atMs) => atMs % 2500 !== 0)).toBeNull();
  });

  it('gets its chance after the whole process was frozen', () => {
    const { state } = stepHang(NO_HANG, { atMs: 0, isStalled: false, active: 0 }, 0);
    expect(stepHang(state, { atMs: 3_600_000, isStalled: true, active: 0 }, 0).isOver).toBe(false);
  });

  it.concurrent('for ever ends the process with 1 where onEngineFailure is shutdown', async () => {
    const source = `
      await startHealth({ port: 0, host: '127.0.0.1', onEngineFailure: 'shutdown', liveStallMs: 1000, stallStackAfterMs: 0 });
      setTimeout(function stuckForEver() { for (;;); }, 100);
    `;
    await withChild(source, async (child) => {
      expect(await child.exit()).toBe(1);
      expect(child.stderr()).toMatch(/main thread blocked for \d+ ms and given up/);
    });
  });

  it.concurrent.each([
    ['is only not live by default', '', []],
    ['is left alone under a debugger', "onEngineFailure: 'shutdown',", ['--inspect=127.0.0.1:0']],
  ])('%s', async (_what, option, args) => {
    const source = `
      const health = await startHealth({ port: 0, host: '127.0.0.1', ${option} liveStallMs: 1000, stallStackAfterMs: 0 });
      say(health.listeners[0].port);
      setTimeout(() => block(20_000), 100);
    `;
    await withChild(
      source,
      async (child) => {
        const port = await child.message<number>();
        await new Promise((resolve) => setTimeout(resolve, 7000));
        expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(503);
      },
      { args },
    );
  });
});
