import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { parseAst } from 'vite';
import { describe, expect, it } from 'vitest';
import { FLAG_OPTIONS } from '../../lib/cli/flags.js';
import { environmentName, flagName, OPTIONS, OTHER_ENVIRONMENT } from '../../lib/config/schema.js';
import { ROOT } from '../helpers/package.js';
import { run } from '../helpers/program.js';
import { anchors, blocks, codes, DOCS, readText } from './markdown.js';

describe.each(DOCS)('%s', (path) => {
  const text = readText(path);

  it('links to files and headings that exist', () => {
    const broken: string[] = [];
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const resolved = file === '' ? path : normalize(join(dirname(path), file));
      if (!existsSync(join(ROOT, resolved))) broken.push(target);
      else if (anchor !== undefined && !anchors(resolved).has(anchor)) broken.push(target);
    }
    expect(broken).toEqual([]);
  });

  it('names files of the repository that exist', () => {
    const named = codes(text).filter((code) =>
      /^(lib|native|test|bench|docs|examples|deploy|scripts)\/[\w./-]+$/.test(code),
    );
    expect(named.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
  });

  it('names variables and flags that exist', () => {
    const variables = [...OPTIONS.map(({ name }) => environmentName(name)), ...OTHER_ENVIRONMENT];
    const named = [...text.matchAll(/\bINFERENCE_HEALTH_[A-Z_]*[A-Z]/g)].map(([name]) => name);
    // One is a typing mistake on purpose, to show the message; the other what Kubernetes makes of a Service.
    const others = ['INFERENCE_HEALTH_PROT', 'INFERENCE_HEALTH_SERVICE'];
    expect(named.filter((name) => ![...variables, ...others].includes(name))).toEqual([]);
    const flags = [...FLAG_OPTIONS.map(({ name }) => flagName(name)), '--help', '--version'];
    for (const [, command, rest = ''] of text.matchAll(/inference-health (serve|check)\b([^`\n#]*)/g)) {
      const known = command === 'serve' ? flags : ['--live', '--ready', '--timeout-ms', '--help'];
      expect(
        [...rest.matchAll(/--[a-z][a-z-]*/g)].map(([flag]) => flag).filter((flag) => !known.includes(flag)),
      ).toEqual([]);
    }
  });

  it('has snippets that parse', () => {
    for (const snippet of blocks(path, 'js')) expect(() => parseAst(snippet), snippet).not.toThrow();
  });
});

it('the tables that come from the code are those of this code', async () => {
  expect(await run([process.execPath, 'scripts/docs.mjs', '--check'])).toMatchObject({ code: 0, stderr: '' });
});
