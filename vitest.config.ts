import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/.darkroom/**', '**/dist/**'],
    passWithNoTests: true,
    setupFiles: [fileURLToPath(new URL('test/harness/seed.ts', import.meta.url))],
    testTimeout: 90_000,
    hookTimeout: 180_000,
    reporters: ['default', ['json', { outputFile: '.turbo/vitest.json' }]],
  },
});
