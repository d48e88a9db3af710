import { describe, expect, it } from 'vitest';
import { recover } from '../../scripts/lib/recovery/recover.mjs';
import { RECOVERIES } from '../../scripts/lib/recovery/scenarios.mjs';
import { HAS_ENGINE } from '../llama/helpers.js';

const NAMES = Object.keys(RECOVERIES).filter((name) => HAS_ENGINE || name !== 'engine-failure');

describe.concurrent('the fleet recovers step by step, and no stream is lost, from', () => {
  it.each(NAMES)('%s', { timeout: 60_000 }, async (name) => {
    const { table, result, holds } = await recover(name);
    expect(table).not.toContain('NOT SEEN');
    expect(result.text).not.toContain('FAILS');
    expect(holds).toBe(true);
  });
});
