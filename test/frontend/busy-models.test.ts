import { expect, it } from 'vitest';
import { createBusyModels } from '../../lib/frontend/busy-models.js';

const full = { kvRatio: 0.9, prefillTokens: Number.NaN, maxBatchedTokens: Number.NaN };

it('judges the workers of each model by its own thresholds', () => {
  const busy = createBusyModels({ activeDecodeBlocks: 0.8 });
  busy.report('a', 'one', full);
  busy.report('b', 'two', full);
  expect([busy.room('a').hasRoom, busy.room('b').hasRoom, busy.room().hasRoom]).toEqual([
    false,
    false,
    false,
  ]);
  busy.set('b', { activeDecodeBlocks: 0.95 });
  expect([busy.isBusy('one'), busy.isBusy('two')]).toEqual([true, false]);
  expect([busy.room('a').hasRoom, busy.room('b').hasRoom, busy.room().hasRoom]).toEqual([false, true, true]);
  expect(busy.thresholds('a')).toMatchObject({ activeDecodeBlocks: 0.8 });
});

it('keeps what was set for a model that has no workers, and knows only models that came', () => {
  const busy = createBusyModels();
  busy.set('late', { activeDecodeBlocks: 0.5 });
  expect([busy.models(), busy.thresholds('late'), busy.room('late').hasRoom]).toEqual([[], null, true]);
  busy.report('late', 'one', full);
  expect([busy.models(), busy.isBusy('one')]).toEqual([['late'], true]);
  busy.forget('one');
  expect(busy.thresholds('late')).toMatchObject({ activeDecodeBlocks: 0.5 });
});

it('moves a worker that serves another model now', () => {
  const busy = createBusyModels({ activeDecodeBlocks: 0.8 });
  busy.report('a', 'one', full);
  busy.report('b', 'one', full);
  expect([busy.room('a').hasRoom, busy.room('b').hasRoom]).toEqual([true, false]);
});

it('finds no room at a model whose workers have left, while those of another one are full', () => {
  const busy = createBusyModels({ activeDecodeBlocks: 0.8 });
  busy.report('old', 'one', full);
  busy.set('never seen', { activeDecodeBlocks: 0.5 });
  busy.report('new', 'two', full);
  busy.forget('one');
  expect([busy.room().hasRoom, busy.room().roomTokens]).toEqual([false, 0]);
  busy.forget('two');
  expect(busy.room().hasRoom).toBe(true);
});
