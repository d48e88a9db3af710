import { defineConfig } from 'vitest/config';

const { TEST_REPORT } = process.env;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Two cores: more files at once only make timing-sensitive process tests wait for each other.
    maxWorkers: 2,
    // Only a hang takes so long: a process starts in half a second, in many times that on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // For .ci/run, which counts.
    reporters: TEST_REPORT ? ['default', ['json', { outputFile: TEST_REPORT }]] : ['default'],
  },
});
