import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

export default defineConfig(
  globalIgnores(['dist/', 'coverage/', 'test/consumers/', 'test/docs/setups/']),
  {
    files: ['**/*.{ts,mts}'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // A number in a message reads as one would write it.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `this: void` says that a method may be destructured.
      '@typescript-eslint/no-invalid-void-type': ['error', { allowAsThisParameter: true }],
      // `() => next()` is how Express middleware is written.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
    },
  },
  {
    files: ['test/**/*.ts'],
    rules: {
      // What a test has just put in place is there; if not, the test fails, which is its job.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // supertest types response bodies as any, and expect() is what checks them.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      // supertest requests are thenables, and callbacks given as doubles need not await.
      '@typescript-eslint/require-await': 'off',
      // The modules of NestJS are such classes.
      '@typescript-eslint/no-extraneous-class': ['error', { allowWithDecorator: true }],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "CallExpression[callee.object.name='vi'][callee.property.name=/^wait(For|Until)$/]:not(:has(Property[key.name='timeout']))",
          message: 'A busy machine may stand still for longer than its default second: use expect.poll().',
        },
      ],
    },
  },
  {
    files: ['tools/**/*.ts'],
    // Maintainers run these programs on this source, whose form is known.
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  { files: ['**/*.{js,mjs}'], extends: [tseslint.configs.recommended] },
)
