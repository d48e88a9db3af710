import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, sleep, until } from '../helpers/package.js';
import { type Program, withProgram } from '../helpers/program.js';

const EXAMPLES = readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.mjs'));
const ANY_PORT = { PORT: '0', INFERENCE_HEALTH_PORT: '0', INFERENCE_HEALTH_HOST: '127.0.0.1' };

/** Starts an example and hands over the base URLs of the application and of the probes. */
function withExample(
  file: string,
  use: (program: Program, app: string, probes: string) => Promise<void>,
): Promise<void> {
  return withProgram([process.execPath, `examples/${file}`], { env: ANY_PORT }, async (program) => {
    const [, app, probes] = await program.prints(/app on port (\d+), probes on port (\d+)/);
    await use(program, `http://127.0.0.1:${app}`, `http://127.0.0.1:${probes}`);
    expect(program.stderr()).toBe('');
  });
}

const status = async (url: string): Promise<number> => (await fetch(url)).status;
const document = async (probes: string) =>
  (await fetch(`${probes}/health`)).json() as Promise<HealthDocument>;

interface HealthDocument {
  readonly metrics: Record<string, number>;
  readonly components: Record<string, { readonly status: string }>;
}

describe('every example', () => {
  it.each(EXAMPLES)('%s imports only what a copy of it can import', (file) => {
    const source = readFileSync(join(ROOT, 'examples', file), 'utf8');
    const imported = [...source.matchAll(/from '([^']+)'/g)].map((match) => match[1]!);
    expect(imported).toContain('inference-health');
    const known =
      /^(node:\w+(\/\w+)?|inference-health(\/(express|fastify|hono|node-http))?|express|fastify|hono|@hono\/node-server|hono\/streaming)$/;
    const others = imported.filter((name) => !known.test(name));
    expect(others).toEqual(
      file === 'llama.mjs' ? ['./llama/engine-client.mjs', './llama/tiny-gguf.mjs'] : [],
    );
  });
});

describe.each(['http.mjs', 'express.mjs', 'fastify.mjs', 'hono.mjs'])('examples/%s', (file) => {
  it('counts a generation and its tokens, and is ready', async () => {
    await withExample(file, async (_program, app, probes) => {
      await until(async () => (await status(`${probes}/health/ready`)) === 200);
      expect(await (await fetch(`${app}/generate`)).text()).toMatch(/\w+ \w+ \w+/);
      const { metrics } = await until(async () => {
        const current = await document(probes);
        return current.metrics.active_requests === 0 ? current : null;
      });
      expect(metrics.total_requests).toBe(1);
      expect(metrics.tokens_per_second).toBeGreaterThan(0);
      expect(metrics.error_rate_percent).toBe(0);
    });
  });

  it('answers probes while the main thread is blocked, and says that it is', async () => {
    await withExample(file, async (_program, app, probes) => {
      await until(async () => (await status(`${probes}/readyz`)) === 200);
      let isDone = false;
      const blocked = fetch(`${app}/block?ms=3000`).then((response) => {
        isDone = true;
        return response.text();
      });
      const readyz = await until(async () => {
        const answer = await fetch(`${probes}/readyz?verbose`);
        return answer.status === 503 && (await answer.text());
      });
      expect(readyz).toContain('[-]event_loop failed: event_loop.blocked');
      expect(await status(`${probes}/livez`)).toBe(200);
      expect(isDone).toBe(false);
      expect(await blocked).toMatch(/^done/);
      await until(async () => (await status(`${probes}/readyz`)) === 200);
    });
  });

  it('counts a client that went away as a failed request', async () => {
    await withExample(file, async (_program, app, probes) => {
      const gone = new AbortController();
      const request = fetch(`${app}/generate`, { signal: gone.signal }).catch(() => 'aborted');
      await until(async () => (await document(probes)).metrics.active_requests === 1);
      gone.abort();
      await request;
      const { metrics } = await until(async () => {
        const current = await document(probes);
        return current.metrics.active_requests === 0 ? current : null;
      });
      expect([metrics.total_requests, metrics.error_rate_percent]).toEqual([1, 100]);
    });
  });

  it('finishes what is in flight on SIGTERM and exits with 0', async () => {
    await withExample(file, async (program, app, probes) => {
      const answer = fetch(`${app}/generate`).then((response) => response.text());
      await until(async () => (await document(probes)).metrics.active_requests === 1);
      program.process.kill('SIGTERM');
      expect(await answer).toMatch(/\w/);
      expect(await program.exit()).toBe(0);
    });
  });
});

describe.each(['http.mjs', 'express.mjs', 'fastify.mjs', 'hono.mjs'])('examples/%s', (file) => {
  it("answers the health paths on the application's port too, without counting them", async () => {
    await withExample(file, async (_program, app, probes) => {
      await until(async () => (await status(`${app}/health/ready`)) === 200);
      const body = (await (await fetch(`${app}/health`)).json()) as HealthDocument;
      expect(Object.keys(body.components)).toContain('model');
      if (file === 'express.mjs') expect(body.components.prompt_cache?.status).toMatch(/healthy|degraded/);
      expect(await status(`${app}/nothing`)).toBe(404);
      expect((await document(probes)).metrics.total_requests).toBe(1);
    });
  });
});

describe('examples/health-endpoints.mjs', () => {
  const lines = [
    'curl http://localhost:8080/health | jq',
    'curl -w "%{http_code}\\n" http://localhost:8080/health/live',
    'curl -w "%{http_code}\\n" http://localhost:8080/health/ready',
  ];

  it('quotes the lines of the document', () => {
    const source = readFileSync(join(ROOT, 'examples/health-endpoints.mjs'), 'utf8');
    for (const line of lines) expect(source).toContain(`//   ${line}\n`);
    expect(source).toContain('process.env.PORT ?? 8080');
  });

  it('is live after the grace, ready with the model, and answers those lines', async () => {
    await withProgram(
      [process.execPath, 'examples/health-endpoints.mjs'],
      { env: { ...ANY_PORT, INFERENCE_HEALTH_STARTUP_GRACE_MS: '2000' } },
      async (program) => {
        const [, port] = await program.prints(/health on port (\d+)/);
        const base = `http://127.0.0.1:${port}`;
        expect(await status(`${base}/health/live`)).toBe(503);
        await until(async () => (await status(`${base}/health/ready`)) === 200);
        await until(async () => (await status(`${base}/health/live`)) === 200);
        const { metrics, components } = await until(async () => {
          const current = await document(base);
          return current.metrics.total_requests! > 1 ? current : null;
        });
        expect(metrics.tokens_per_second).toBeGreaterThan(0);
        for (const name of ['model', 'memory', 'inference_engine'])
          expect(components[name]?.status).toBe('healthy');
        for (const line of lines) {
          const command = line
            .replace('8080', String(port))
            .replace('localhost', '127.0.0.1')
            .replace(' | jq', '');
          const { status: code, stdout, error } = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
          if (error !== undefined || code === 127) continue; // no curl here
          expect([line, code]).toEqual([line, 0]);
          if (line.includes('%{http_code}')) expect(stdout).toMatch(/200\n$/);
          else expect(JSON.parse(stdout)).toMatchObject({ status: 'healthy' });
        }
        program.process.kill('SIGINT');
        await sleep(0);
        expect(await program.exit()).toBe(0);
      },
    );
  });
});
