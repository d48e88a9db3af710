import { expect, it } from 'vitest';
import { loadNative } from '../../lib/native/loader.js';

it.each(['bun', 'deno'])(
  'the addon is left alone under %s, which would crash or not be watched',
  (runtime) => {
    expect(loadNative({ node: '26.3.0', [runtime]: '1.0.0' })).toEqual({
      native: null,
      path: null,
      report: `The addon needs libuv, which ${runtime} does not run on.`,
    });
  },
);
