import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { environmentName, OPTIONS } from '../../lib/config/schema.js';
import { routesOf } from '../../lib/dialects/index.js';
import { baseUrl, ROOT, withHealth } from '../helpers/package.js';
import { run } from '../helpers/program.js';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const variables = OPTIONS.map(({ name }) => environmentName(name));
const routes = Object.keys(routesOf('bitnet'));

describe('deploy/bitnet.yaml', () => {
  const text = read('deploy/bitnet.yaml');
  const { spec } = parse(text);
  const [container] = spec.containers;

  it("has the document's probes, to the number, and liveness on a path without grace", () => {
    expect(container.livenessProbe).toEqual({
      httpGet: { path: '/livez', port: 8080 },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 2,
      failureThreshold: 3,
    });
    expect(container.readinessProbe).toEqual({
      httpGet: { path: '/health/ready', port: 8080 },
      initialDelaySeconds: 5,
      periodSeconds: 5,
      timeoutSeconds: 2,
      failureThreshold: 2,
    });
    expect([container.name, container.image, container.ports[0].containerPort]).toEqual([
      'bitnet',
      'bitnet-server:latest',
      8080,
    ]);
  });

  it('names variables that exist, the port of its probes, and a kill later than the drain', () => {
    const environment = Object.fromEntries(
      container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
    );
    expect(Object.keys(environment).filter((name) => !variables.includes(name))).toEqual([]);
    expect(environment.INFERENCE_HEALTH_PORT).toBe('8080');
    // Without it the grace period is that of no signal handler.
    expect(environment.INFERENCE_HEALTH_SHUTDOWN).toBe('true');
    expect(spec.terminationGracePeriodSeconds * 1000).toBeGreaterThan(
      Number(environment.INFERENCE_HEALTH_SHUTDOWN_GRACE_PERIOD_MS),
    );
  });

  it('gives the model ten minutes to load by a start-up probe, on a path that exists', () => {
    const { startupProbe } = container;
    expect(routes).toContain(startupProbe.httpGet.path);
    expect(startupProbe.httpGet.port).toBe(8080);
    expect(startupProbe.periodSeconds * startupProbe.failureThreshold).toBe(600);
  });

  it("shortest grace of the library fits the liveness probe's patience", () => {
    const grace = OPTIONS.find(({ name }) => name === 'startupGraceMs')?.fallback;
    expect(container.livenessProbe.initialDelaySeconds * 1000).toBeGreaterThan(Number(grace));
  });
});

describe('deploy/Dockerfile', () => {
  const text = read('deploy/Dockerfile').replace(/\\\n\s*/g, '');
  const instructions = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const healthcheck = instructions.find((line) => line.startsWith('HEALTHCHECK')) ?? '';
  const command: string[] = JSON.parse(healthcheck.slice(healthcheck.indexOf('[')));
  const manifest = JSON.parse(read('package.json'));

  it('uses variables and Node versions that exist', () => {
    const set = instructions
      .filter((line) => line.startsWith('ENV INFERENCE'))
      .flatMap((line) => line.slice(4).split(' '));
    expect(set).toContain('INFERENCE_HEALTH_SHUTDOWN=true');
    expect(set.filter((entry) => !variables.includes(entry.split('=')[0]!))).toEqual([]);
    expect(instructions[0]).toMatch(/^FROM node:(20|22|24)-bookworm-slim$/);
    expect(instructions.at(-1)).toMatch(/^CMD \["node", "[\w.]+"\]$/);
  });

  it('checks with a command that this package installs, which gives up before Docker does', () => {
    expect(Object.keys(manifest.bin)).toContain(command[0]);
    expect(read(manifest.bin[command[0]!])).toMatch(/^#!\/usr\/bin\/env node\n/);
    const [, timeoutS] = /--timeout=(\d+)s/.exec(healthcheck) ?? [];
    expect(Number(command[command.indexOf('--timeout-ms') + 1])).toBeLessThan(Number(timeoutS) * 1000);
  });

  it('that command passes beside a live server with its environment, and fails with 1 beside none', async () => {
    const argv = [process.execPath, manifest.bin[command[0]!], ...command.slice(1)];
    const port = await withHealth({}, async (health) => {
      const [, bound = ''] = /:(\d+)$/.exec(baseUrl(health)) ?? [];
      expect(await run(argv, { env: { INFERENCE_HEALTH_PORT: bound } })).toMatchObject({ code: 0 });
      return bound;
    });
    expect(await run(argv, { env: { INFERENCE_HEALTH_PORT: port } })).toMatchObject({ code: 1 });
  });
});
