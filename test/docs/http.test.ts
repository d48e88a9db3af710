import { describe, expect, it } from 'vitest';
import { routesOf } from '../../lib/dialects/index.js';
import { METRICS_PATH } from '../../lib/probe/routes.js';
import { until, withHealth } from '../helpers/package.js';
import { codes, firstCodes, tableBelow } from './markdown.js';

const DOC = 'docs/http.md';

describe('docs/http.md', () => {
  it('has every route, and no other', () => {
    expect(firstCodes(tableBelow(DOC, '## Routes')).sort()).toEqual(
      [...Object.keys(routesOf('bitnet')), METRICS_PATH].sort(),
    );
  });

  it('has the bodies that are sent', async () => {
    const rows = tableBelow(DOC, '## Routes').filter(([path]) => /z`$/.test(path!));
    expect(rows).toHaveLength(3);
    await withHealth({}, async (health, base) => {
      await until(async () => (await fetch(`${base}/readyz`)).status === 200);
      for (const [path = '', , , body = ''] of rows) {
        expect(await (await fetch(base + codes(path)[0])).text()).toBe(codes(body)[0]);
      }
      health.hold('test');
      const refused = await until(async () => {
        const answer = await fetch(`${base}/readyz`);
        return answer.status === 503 ? answer.text() : null;
      });
      expect(refused).toBe(codes(rows.find(([path]) => path === '`/readyz`')![3]!)[1]);
    });
  });

  it('has what other methods and paths get, on both engines', async () => {
    for (const httpEngine of ['uws', 'http'] as const) {
      await withHealth({ httpEngine }, async (_health, base) => {
        const answer = async (method: string, path: string) => {
          const { status, headers } = await fetch(base + path, { method });
          return `${status} ${headers.get('allow') ?? ''}`.trim();
        };
        const allow = 'GET, HEAD, OPTIONS';
        expect(await answer('OPTIONS', '/anything')).toBe(`204 ${allow}`);
        expect(await answer('DELETE', '/livez')).toBe(`405 ${allow}`);
        expect(await answer('POST', '/anything')).toBe('404');
        expect(await answer('GET', '/livez?a=b')).toBe('200');
        for (const path of ['/', '/health/', '/livez/', '/LIVEZ', '/%6civez'])
          expect(await answer('GET', path)).toBe('404');
        expect(tableBelow(DOC, '## Methods and other paths').map(([, text]) => text)).toEqual([
          expect.anything(),
          `204, \`Allow: ${allow}\``,
          `405, \`Allow: ${allow}\``,
          '404',
        ]);
      });
    }
  });

  it('has every key of the document, and no other', async () => {
    const documented = firstCodes(tableBelow(DOC, '## /health')).flatMap((key) =>
      key.startsWith('…') ? [key.replace('…', 'metrics.').replace('…', '_response_time_ms')] : [key],
    );
    await withHealth({ sampleHz: 10, limits: { maxConcurrent: 1 } }, async (health, base) => {
      health.endpoint('generate');
      const document = await until(async () => {
        const current = (await (await fetch(`${base}/health`)).json()) as Record<string, object>;
        return 'cpu_usage_percent' in current.metrics! && 'endpoints' in current ? current : null;
      });
      const keys = Object.keys(document).flatMap((key) =>
        key === 'metrics' ? Object.keys(document.metrics!).map((name) => `metrics.${name}`) : [key],
      );
      expect(documented.sort()).toEqual(keys.sort());
    });
  });
});
