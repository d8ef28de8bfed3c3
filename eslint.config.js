import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

export default defineConfig(
  globalIgnores([
    'dist/',
    'build/',
    'node_modules/',
    '.libtorch/',
    'data/',
    'snapshots/',
    'logs/',
    'eval_results/',
    '**/*.js',
    '**/*.mjs',
  ]),
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.lint.json' } },
    rules: {
      // A lost promise is a lost batch.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/require-await': 'off',
      'no-console': 'error',
    },
  },
  {
    files: ['tests/**/*.ts', 'src/conformance/*.ts'],
    rules: {
      '@typescript-eslint/await-thenable': 'off',
      // node:test's describe and test return promises that the runner awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['describe', 'test', 'it', 'suite'], package: 'node:test' },
          ],
        },
      ],
    },
  },
)
