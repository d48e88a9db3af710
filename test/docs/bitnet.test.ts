import { describe, expect, it } from 'vitest';
import { collectBuildInfo } from '../../lib/config/build-info.js';
import { codes, firstCodes, readText, tableBelow } from './markdown.js';

const DOC = 'docs/bitnet.md';

describe('docs/bitnet.md', () => {
  it('names tests that exist', () => {
    const references = tableBelow(DOC, '## Rules and their tests').flatMap(([, tests = '']) =>
      [...tests.matchAll(/(test\/[\w/.]+\.test\.ts): ([^;]+)/g)].map(
        ([, file, name]) => [file!, name!.trim()] as const,
      ),
    );
    expect(references.length).toBeGreaterThan(12);
    const missing = references.filter(([file, name]) => {
      const source = readText(file);
      return !["'", '"', '`'].some((quote) => source.includes(quote + name + quote));
    });
    expect(missing).toEqual([]);
  });

  it('has every key of build, and the variables that are read for it', () => {
    const rows = tableBelow(DOC, '## build');
    expect(firstCodes(rows)).toEqual(Object.keys(collectBuildInfo(null)));
    const value = (key: string): string => rows.find(([cell]) => cell === `\`${key}\``)![1]!;
    for (const [key, pattern] of [
      ['git_sha', /SHA|COMMIT/],
      ['git_branch', /BRANCH|REF/],
    ] as const) {
      for (const name of codes(value(key)).filter((code) => pattern.test(code))) {
        expect(collectBuildInfo(null, { [name]: 'given' })).toHaveProperty(key, 'given');
      }
    }
    expect(collectBuildInfo(null, { BUILD_TIMESTAMP: 't', NODE_ENV: 'production' })).toMatchObject({
      build_timestamp: 't',
      cargo_profile: 'release',
      rustc_version: process.versions.node,
    });
  });
});
