import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENGINES } from './probe-server.js';
import { exchange, openRaw, request } from './raw-client.js';

describe.each(ENGINES)('%s in a process that runs out of descriptors', (engine) => {
  test('serves who is connected, and everybody once there are descriptors again', async () => {
    const script = join(import.meta.dirname, 'teardown.cjs');
    const child = spawn(
      'sh',
      ['-c', `ulimit -n 120; exec "$0" "$@"`, process.execPath, script, engine, 'SIGTERM'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const ended = once(child, 'exit');
    try {
      const [line] = (await once(child.stdout, 'data')) as [Buffer];
      const port = Number(line);
      const kept = await openRaw(port);
      // Beyond its descriptors these wait in the backlog, or are closed by node:http.
      const crowd = await Promise.all(Array.from({ length: 300 }, () => openRaw(port)));
      for (let probe = 0; probe < 3; probe += 1) {
        kept.send(request('GET', '/live'));
        expect((await kept.response()).status).toBe(200);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      for (const client of crowd) client.close('reset');
      expect((await exchange(port, request('GET', '/live'))).status).toBe(200);
      kept.close();
    } finally {
      child.kill('SIGTERM');
    }
    expect(await ended).toEqual([null, 'SIGTERM']);
  });
});
