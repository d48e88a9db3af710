import { expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';

it('a model claimed right after the start keeps readiness and /startupz at 503 until it is ready, from the first answer on', async () => {
  await withChild(
    `
    const { get } = require('node:http');
    const seen = new Set();
    const health = await startHealth({ port: 0, host: '127.0.0.1' });
    const { port } = health.listeners[0];
    health.model.loading();
    const probe = (path) => new Promise((resolve) => {
      get({ port, path, agent: false }, (response) => { seen.add(path + ' ' + response.statusCode); response.resume(); response.on('end', resolve); });
    });
    const end = Date.now() + 1200;
    while (Date.now() < end) { await probe('/readyz'); await probe('/startupz'); seen.add(health.status().phase); }
    say([...seen].sort());
    health.model.ready();
    while (health.status().phase === 'starting') await new Promise((resolve) => setTimeout(resolve, 10));
    do { seen.clear(); await probe('/readyz'); await probe('/startupz'); } while ([...seen].some((each) => each.endsWith('503')));
    say([...seen].sort());
    await health.close();
    `,
    async (child) => {
      expect(await child.message()).toEqual(['/readyz 503', '/startupz 503', 'starting']);
      expect(await child.message()).toEqual(['/readyz 200', '/startupz 200']);
    },
  );
});
