import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createActiveTokens } from '../../lib/worker/active-tokens.js';

it('counts the prefill until the first token, and what is still to be generated', () => {
  const active = createActiveTokens();
  const share = active.begin(100, 20);
  expect(active.count).toBe(120);
  share.token();
  expect(active.count).toBe(19);
  share.token();
  expect(active.count).toBe(18);
  share.end();
  share.end();
  expect(active.count).toBe(0);
});

it('does not go astray where an engine tells no number of its prompt', () => {
  const active = createActiveTokens();
  const share = active.begin(Number.NaN, 20);
  expect(active.count).toBe(20);
  share.end();
  expect(active.count).toBe(0);
});

it('is never negative, and zero when all have ended, whatever engines generate', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(50), fc.nat(50), fc.nat(120)), { maxLength: 20 }), (requests) => {
      const active = createActiveTokens();
      const shares = requests.map(([prefill, decode]) => active.begin(prefill, decode));
      for (const [index, share] of shares.entries())
        for (let token = 0; token < requests[index]![2]; token += 1) {
          share.token();
          expect(active.count).toBeGreaterThanOrEqual(0);
        }
      for (const share of shares) share.end();
      expect(active.count).toBe(0);
    }),
  );
});
