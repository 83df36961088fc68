import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // Two files at a time: the machine that CI runs on has two cores, and trainers use both.
    maxWorkers: 2,
    // Ends what hangs. It measures nothing: beside other work a trainer takes many times as long.
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
