import { defineConfig } from 'vitest/config';
import { TestReporter } from './scripts/test-reporter.mjs';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    // Two cores: more files at once only make timing-sensitive process tests wait for each other.
    maxWorkers: 2,
    // Only a hang takes so long: a process starts in half a second, in many times that on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Most start processes, and may lose a race once on a machine that does much else. The reporter says which did.
    retry: 1,
    reporters: ['default', new TestReporter()],
  },
});
