import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readCorpus } from './corpus.js';
import { simulate } from './simulate.js';

const corpus = readCorpus(fileURLToPath(new URL('./corpus', import.meta.url)));

describe('a scenario that once failed', () => {
  it.each(corpus)('$name ($invariant: $detail) passes', ({ scenario }) => {
    expect(simulate(scenario).violation).toBeNull();
  });
});
