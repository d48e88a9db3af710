import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { forgetFolder, keepFolder } from './keeper.js';
import { createMember, type Member } from './member.js';
import { pickPort } from './ports.js';
import { frontendNamesOf, parseScenario, workersOf } from './scenario.js';
import { type Etcd, startEtcd, startNats } from './servers.js';
import { createTimeline, type Timeline } from './timeline.js';
import type { FleetSpec, FrontendSpec } from './types.js';
import { CLI, createWorker, type FakeGpus, type FleetWorker } from './worker-member.js';

export interface FleetOptions extends FleetSpec {
  /** Which connections of the workers go through proxies, for network faults. Default none. */
  readonly links?: readonly ('frontend' | 'etcd' | 'nats')[];
  /** Makes the fake driver of a worker with `gpus`. */
  readonly fakeGpu?: (name: string, gpus: number) => FakeGpus;
}

export interface Fleet {
  readonly timeline: Timeline;
  readonly workers: readonly FleetWorker[];
  readonly frontends: readonly Member[];
  readonly etcd: Etcd | null;
  readonly nats: Member | null;
  /** Of the frontends. */
  readonly urls: readonly string[];
  /** Names of the workers that the first frontend has and that take requests. */
  routable(): Promise<readonly string[]>;
  /** Requests at each worker as the first frontend counts them. */
  inFlight(): Promise<ReadonlyMap<string, number>>;
  /** Resolves when every worker serves and every frontend has heard of each. */
  isWhole(limitMs?: number): Promise<void>;
  /** Ends every process, now. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const WHOLE_LIMIT_MS = 60_000;
/** The compiler would make a `require` of it, which older Node versions refuse for a module. */
const importModule = new Function('url', 'return import(url)') as (url: string) => Promise<unknown>;

/**
 * Starts real processes: etcd and NATS where they are wanted, workers, frontends. All end with `close`, or with this
 * process, however it ends.
 * @throws InferenceHealthError ERR_CONFIG_INVALID; Error with the output of what did not start
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { links = [], fakeGpu, ...spec } = options;
  const scenario = parseScenario({ fleet: spec, forMs: 1 });
  const timeline = createTimeline();
  const folder = mkdtempSync(join(tmpdir(), 'inference-health-fleet-'));
  keepFolder(folder);
  const members: Member[] = [];
  let model: Promise<string> | null = null;

  async function close(): Promise<void> {
    await Promise.all(members.map((member) => member.end()));
    rmSync(folder, { recursive: true, force: true });
    forgetFolder(folder);
  }

  try {
    const etcd = (spec.etcd ?? 0) > 0 ? await startEtcd(spec.etcd ?? 0, folder, timeline) : null;
    members.push(...(etcd?.members ?? []));
    const nats = spec.nats === true ? await startNats(timeline) : null;
    if (nats !== null) members.push(nats);
    const restart = spec.restart ?? true;
    const restartDelayMs = spec.restartDelayMs ?? 0;
    const leaseTtlSeconds = spec.leaseTtlSeconds ?? 10;
    const context = {
      ...{ timeline, folder, links, restart, restartDelayMs, leaseTtlSeconds, fakeGpu },
      etcd: etcd?.endpoints ?? [],
      nats: nats?.url ?? null,
      model() {
        model ??= writeTinyModel(folder);
        return model;
      },
    };
    const workers = await Promise.all(workersOf(scenario).map((worker) => createWorker(worker, context)));
    members.push(...workers);
    const frontends = await Promise.all(
      frontendsOf(spec, frontendNamesOf(scenario)).map((each) => createFrontend(each, workers, context)),
    );
    members.push(...frontends);
    await Promise.all([...workers, ...frontends].map((member) => member.start()));
    const fleet = createFleet({ timeline, workers, frontends, etcd, nats, close });
    await fleet.isWhole();
    return fleet;
  } catch (error) {
    await close();
    throw error;
  }
}

type Parts = Pick<Fleet, 'timeline' | 'workers' | 'frontends' | 'etcd' | 'nats' | 'close'>;
function createFleet(parts: Parts): Fleet {
  const { workers, frontends } = parts;
  const urls = frontends.map(({ url }) => url);
  const nameOf = (url: string): string | undefined =>
    workers.find((worker) => worker.routedUrl === url || worker.url === url)?.name;

  /** What a frontend says of its workers on `/metrics`: the values of a gauge by worker. */
  async function gauge(url: string, name: string): Promise<ReadonlyMap<string, number>> {
    const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) });
    const found = (await response.text()).matchAll(
      new RegExp(`^inference_health_worker_${name}\\{worker="([^"]+)"\\} (\\d+)`, 'gm'),
    );
    return new Map([...found].map(([, worker = '', value]) => [nameOf(worker) ?? worker, Number(value)]));
  }

  async function serving(url: string): Promise<string[]> {
    const values = await gauge(url, 'serving');
    return workers.map(({ name }) => name).filter((name) => values.get(name) === 1);
  }

  return {
    ...parts,
    urls,
    routable: async () => (urls[0] === undefined ? [] : serving(urls[0])),
    inFlight: async () => (urls[0] === undefined ? new Map() : gauge(urls[0], 'requests_in_flight')),
    async isWhole(limitMs = WHOLE_LIMIT_MS) {
      const deadline = Date.now() + limitMs;
      const isSo = async (): Promise<boolean> => {
        if (![...workers, ...frontends].every(({ isServing }) => isServing)) return false;
        const lists = await Promise.all(urls.map((url) => serving(url).catch(() => [])));
        return lists.every(({ length }) => length === workers.length);
      };
      while (!(await isSo())) {
        if (Date.now() > deadline) {
          const absent = [...workers, ...frontends].filter(({ isServing }) => !isServing);
          const who =
            absent.length > 0 ? `${absent.map(({ name }) => name)} do not serve` : 'a frontend knows fewer';
          throw new Error(`the fleet is not whole after ${limitMs} ms: ${who}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    [Symbol.asyncDispose]: parts.close,
  };
}

function frontendsOf({ frontends = 1, frontend = {} }: FleetSpec, names: readonly string[]): FrontendSpec[] {
  return names.map((name, index) => ({
    ...frontend,
    ...(typeof frontends === 'number' ? {} : frontends[index]),
    name,
  }));
}

async function createFrontend(
  { name = '', args = [], env = {} }: FrontendSpec,
  workers: readonly FleetWorker[],
  context: {
    readonly timeline: Timeline;
    readonly folder: string;
    readonly etcd: readonly string[];
    readonly nats: string | null;
    readonly restart: boolean;
    readonly restartDelayMs: number;
  },
): Promise<Member> {
  const port = await pickPort();
  const { timeline, folder, etcd, nats, restart, restartDelayMs } = context;
  const list = workers.map(({ routedUrl }) => routedUrl).join(',');
  return createMember(
    {
      name,
      kind: 'frontend',
      url: `http://127.0.0.1:${port}`,
      env: {
        XDG_RUNTIME_DIR: folder,
        ...(etcd.length === 0 ? {} : { DYN_DISCOVERY_BACKEND: 'etcd', ETCD_ENDPOINTS: etcd.join(',') }),
        ...(nats === null ? {} : { NATS_SERVER: nats }),
        ...env,
      },
      restarts: restart,
      restartDelayMs,
      command: () => [
        process.execPath,
        CLI,
        ...['frontend', '--http-port', String(port)],
        ...(etcd.length > 0 ? [] : ['--workers', list]),
        ...args,
      ],
      ready: (_, line) =>
        new Promise((resolve) => line((text) => text.includes('"msg":"serving"') && resolve())),
    },
    timeline,
  );
}

/** A model of half a megabyte whose words mean nothing: what counts is that the same prompt gives the same ones. */
async function writeTinyModel(folder: string): Promise<string> {
  const url = pathToFileURL(join(__dirname, '../../../examples/llama/tiny-gguf.mjs')).href;
  const { tinyGguf } = (await importModule(url)) as { tinyGguf(): Uint8Array };
  const path = join(folder, 'tiny.gguf');
  writeFileSync(path, tinyGguf());
  return path;
}
