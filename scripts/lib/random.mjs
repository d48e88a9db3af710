import { createRequire } from 'node:module';

/** The generator of `inference-health/testing`. */
export const { createRandom } = createRequire(import.meta.url)('../../dist/cjs/testing/random.js');
