import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DIFFERENCES, differenceRow } from './differences.js';
import { ENGINES, withProbeServer } from './probe-server.js';
import { openRaw, request } from './raw-client.js';

describe.each(ENGINES)('where engines differ, %s', (engine) => {
  test('answers as the table says', () =>
    withProbeServer(engine, async ({ port, errors }) => {
      for (const difference of DIFFERENCES) {
        const { status, closes } = difference[engine];
        const client = await openRaw(port);
        client.send(Buffer.from(difference.bytes, 'latin1'));
        if (status !== null) {
          const response = await client.response();
          expect({ name: difference.name, status: response.status }).toEqual({
            name: difference.name,
            status,
          });
          // The engine writes these itself, before our code sees a request.
          const isOwnRefusal = engine === 'uws' && [400, 431, 505].includes(status);
          expect(response.headers['cache-control']).toBe(isOwnRefusal ? undefined : 'no-store');
        }
        if (closes) await client.ended();
        else if (status === null)
          await expect(client.response({ timeoutMs: 200 })).rejects.toThrow('no response');
        else {
          client.send(request('GET', '/live'));
          expect((await client.response()).status).toBe(200);
        }
        client.close();
      }
      expect(await errors()).toEqual([]);
    }));
});

test('the table of differences in the docs is the tested one', () => {
  const docs = readFileSync(join(import.meta.dirname, '../../docs/http.md'), 'utf8');
  const rows = docs.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| request'));
  for (const difference of DIFFERENCES) expect(rows).toContain(differenceRow(difference));
});
