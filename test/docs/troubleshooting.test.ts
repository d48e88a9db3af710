import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { withChild } from '../helpers/child.js';
import { until } from '../helpers/package.js';
import { run } from '../helpers/program.js';
import { blocks } from './markdown.js';

describe('docs/troubleshooting.md', () => {
  it.each([
    ['a port of their own', 'own', ['serves', 'serves']],
    ['the same port', 'same', ['ERR_PORT_IN_USE', 'serves']],
  ])('cluster workers with %s', async (_name, mode, outcomes) => {
    const { stdout } = await run([process.execPath, 'test/docs/fixtures/cluster.cjs', mode]);
    expect(JSON.parse(stdout)).toEqual(outcomes);
  });

  it('the retry for pm2 reload starts once the port is free', async () => {
    const [snippet = ''] = blocks('docs/troubleshooting.md', 'js').filter((text) =>
      text.includes('startWhenFree'),
    );
    const occupant = createServer().listen(0, '127.0.0.1');
    await until(() => occupant.listening);
    const { port } = occupant.address() as { port: number };
    await withChild(
      `${snippet}
      setTimeout(() => say('waiting'), 600);
      const health = await startWhenFree({ port: ${port}, host: '127.0.0.1' });
      say(health.listeners);
      await health.close();`,
      async (child) => {
        expect(await child.message()).toBe('waiting');
        occupant.close();
        expect(await child.message()).toEqual([{ kind: 'tcp', host: '127.0.0.1', port }]);
        expect(await child.exit()).toBe(0);
      },
    );
  });
});
