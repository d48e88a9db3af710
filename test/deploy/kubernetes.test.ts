import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1.js';
import type { Container, Pod, Service } from 'kubernetes-types/core/v1.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { parseFleetFlags } from '../../lib/cli/fleet-flags.js';
import { FRONTEND_FLAGS } from '../../lib/cli/frontend-flags.js';
import { WORKER_FLAGS } from '../../lib/cli/worker-flags.js';
import { DYNAMO_NAMES } from '../../lib/config/dynamo-names.js';
import { environmentName, OPTIONS } from '../../lib/config/schema.js';
import { type DialectName, routesOf } from '../../lib/dialects/index.js';
import { ROOT } from '../helpers/package.js';

const tsc = join(ROOT, 'node_modules/typescript/lib/tsc.js');

type Resource = Pod | Deployment | StatefulSet | Service;

/** Every manifest, and the dialects that the listeners of its pods speak. Of others' software only the types are checked. */
const MANIFESTS: Readonly<Record<string, Readonly<Record<string, DialectName>>>> = {
  'bitnet.yaml': { 'bitnet-server': 'bitnet' },
  'fleet.yaml': { 'fleet-worker': 'bitnet', frontend: 'dynamo-frontend' },
  'llama.yaml': { llama: 'bitnet' },
  'worker.yaml': { worker: 'dynamo-worker' },
};
const PODS = Object.entries(MANIFESTS).flatMap(([file, pods]) =>
  Object.entries(pods).map(([name, dialect]) => ({ file, name, dialect })),
);
const TYPES = { Pod: 'core', Deployment: 'apps', StatefulSet: 'apps', Service: 'core' } as const;
const FLAGS = { worker: WORKER_FLAGS, frontend: FRONTEND_FLAGS };

const resourcesOf = (file: string): Resource[] =>
  parseAllDocuments(readFileSync(join(ROOT, 'deploy', file), 'utf8')).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Resource;
  });

function ownerOf(resources: readonly Resource[], name: string): Pod | Deployment {
  const owner = resources.find(({ kind, metadata }) => kind !== 'Service' && metadata?.name === name);
  return owner as Pod | Deployment;
}

function podOf(resources: readonly Resource[], name: string) {
  const owner = ownerOf(resources, name);
  const spec = owner.kind === 'Deployment' ? (owner as Deployment).spec?.template.spec : (owner as Pod).spec;
  return spec!;
}

it('there is a manifest for each use, and this test knows all', () => {
  const files = readdirSync(join(ROOT, 'deploy')).filter((file) => file.endsWith('.yaml'));
  expect(files).toEqual(Object.keys(MANIFESTS));
});

describe('types', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'inference-health-manifests-'));
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What tsc says about resources as literals, where unknown fields are errors as well. */
  async function check(sources: Readonly<Record<string, readonly object[]>>): Promise<string> {
    const files = Object.entries(sources).map(([name, resources]) => {
      const imports = Object.entries(TYPES).map(
        ([kind, group]) => `import type { ${kind} } from 'kubernetes-types/${group}/v1.js';`,
      );
      const checks = resources.map(
        (resource) =>
          `(${JSON.stringify(resource, null, 1)}) satisfies ${(resource as { kind: string }).kind};`,
      );
      writeFileSync(join(folder, `${name}.ts`), [...imports, ...checks].join('\n'));
      return `${name}.ts`;
    });
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      types: [],
      module: 'esnext',
      moduleResolution: 'bundler',
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const args = [tsc, '-p', folder];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    return stdout;
  }

  it('are those of Kubernetes, and a wrong type or an unknown field would be told', async () => {
    const [deployment] = resourcesOf('worker.yaml') as [Deployment];
    const wrong = structuredClone(deployment);
    Object.assign(wrong.spec!, { replicas: '2' });
    Object.assign(wrong.spec!.template.spec!.containers[0]!, { livenesProbe: {} });
    const files = Object.keys(MANIFESTS).map((file) => [file, resourcesOf(file)]);
    const lines = (await check({ ...Object.fromEntries(files), wrong: [wrong] })).trim().split('\n');
    expect(lines).toEqual([
      expect.stringMatching(/^wrong\.ts.+'string' is not assignable to type 'number'/),
      expect.stringMatching(/^wrong\.ts.+livenesProbe"?' does not exist/),
    ]);
  });
});

describe.each(PODS)('deploy/$file, $name', ({ file, name, dialect }) => {
  const resources = resourcesOf(file);
  const spec = podOf(resources, name);
  const [container] = spec.containers as [Container];
  const environment = new Map(container.env?.map((each) => [each.name, each.value]));

  it('probes paths that exist, on ports that the container names, and liveness at /livez', () => {
    const { startupProbe, livenessProbe, readinessProbe } = container;
    const paths = Object.keys(routesOf(dialect));
    const ports = container.ports!.flatMap((port) => [port.name, port.containerPort]);
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      expect(paths).toContain(probe?.httpGet?.path);
      expect(ports).toContain(probe?.httpGet?.port);
    }
    expect(startupProbe?.httpGet?.path).toBe('/startupz');
    expect(livenessProbe?.httpGet?.path).toBe('/livez');
  });

  it('sets variables that exist, and drains within the grace of the pod', () => {
    const others = ['MODEL', 'ETCD_ENDPOINTS', 'POD_IP'];
    const known = [...OPTIONS.map((option) => environmentName(option.name)), ...DYNAMO_NAMES, ...others];
    expect([...environment.keys()].filter((variable) => !known.includes(variable))).toEqual([]);
    const graceMs = Number(environment.get('INFERENCE_HEALTH_SHUTDOWN_GRACE_PERIOD_MS'));
    expect(graceMs).toBeGreaterThan(0);
    expect(spec.terminationGracePeriodSeconds! * 1000).toBeGreaterThanOrEqual(graceMs + 5000);
    const lameDuckMs =
      Number(environment.get('INFERENCE_HEALTH_SHUTDOWN_LAME_DUCK_MS') ?? 0) +
      1000 * Number(environment.get('DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS') ?? 0);
    expect(lameDuckMs).toBeLessThan(graceMs / 2);
  });

  it('starts a command of this package with flags that it has, and reads only what is mounted', () => {
    const [program, command] = container.command ?? [];
    if (program !== 'inference-health') return;
    const args = container.args!;
    const { values } = parseFleetFlags(args, FLAGS[command as keyof typeof FLAGS], {});
    expect(Object.keys(values)).toHaveLength(args.length);
    expect(container.ports!.map(({ containerPort }) => containerPort)).toContain(values['--http-port']);
    const mounts = container.volumeMounts!.map(({ mountPath }) => `${mountPath}/`);
    const paths = Object.values(values).filter((value) => String(value).startsWith('/'));
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(mounts.some((mount) => String(path).startsWith(mount))).toBe(true);
    expect(container.volumeMounts!.map((each) => each.name)).toEqual(spec.volumes!.map((each) => each.name));
  });

  it('selects pods that it labels', () => {
    const owner = ownerOf(resources, name) as Deployment;
    if (owner.spec?.selector !== undefined)
      expect(owner.spec.template.metadata?.labels).toMatchObject(owner.spec.selector.matchLabels!);
  });
});

it.each(Object.keys(MANIFESTS))('the Services of deploy/%s lead to ports of pods that it has', (file) => {
  const resources = resourcesOf(file);
  const pods = (resources as Deployment[]).flatMap((each) => each.spec?.template ?? []);
  for (const { kind, spec } of resources as Service[]) {
    if (kind !== 'Service') continue;
    const chosen = pods.find(({ metadata }) =>
      Object.entries(spec!.selector!).every(([label, value]) => metadata?.labels?.[label] === value),
    );
    for (const { targetPort } of spec!.ports!)
      expect(chosen?.spec?.containers[0]?.ports?.map((port) => port.name)).toContain(targetPort);
  }
});

it('the worker turns the status server and the canary on, as the documents name them', () => {
  const [container] = podOf(resourcesOf('worker.yaml'), 'worker').containers as [Container];
  const environment = new Map(container.env?.map(({ name, value }) => [name, value]));
  expect(environment.get('DYN_HEALTH_CHECK_ENABLED')).toBe('true');
  const system = container.ports!.find(({ name }) => name === 'system');
  expect(environment.get('DYN_SYSTEM_PORT')).toBe(String(system?.containerPort));
  expect(JSON.parse(environment.get('DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS')!)).toEqual(['generate']);
});
