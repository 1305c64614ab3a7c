import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/.darkroom/**', '**/dist/**'],
    passWithNoTests: true,
    testTimeout: 90_000,
    hookTimeout: 180_000,
    reporters: ['default', ['json', { outputFile: '.turbo/vitest.json' }]],
  },
});
