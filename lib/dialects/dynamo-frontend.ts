import { createSortedBytes } from './sorted-bytes.js';

/**
 * What Dynamo's frontend answers on `/live` and `/health`: compact JSON with the documents' keys in their order. Each
 * instance is rendered once, when it comes or changes; the whole is put together again only after a change.
 */
export type FrontendHealthMode =
  /** Always HTTP 200; `unhealthy` in the body while there is no endpoint. */
  | 'documented'
  /** The same bodies, but 503 while there is no endpoint and while draining. */
  | 'strict'
  /** Newer frontends: `healthy` with or without endpoints, 503 `not_ready` while draining. */
  | 'always-healthy';

export const FRONTEND_HEALTH_MODES: readonly FrontendHealthMode[] = [
  'documented',
  'strict',
  'always-healthy',
];

export interface FrontendInstance {
  readonly namespace: string;
  readonly component: string;
  readonly endpoint: string;
  /** 64 bits, unsigned: more than a JSON number holds in JavaScript, so it never is one here. */
  readonly instanceId: bigint;
  /** As `{ http: "http://host:port" }`. */
  readonly transport: Readonly<Record<string, string>>;
  /** Whether its endpoint serves a model. Default: the endpoint is called `generate`. */
  readonly hasModel?: boolean;
}

export interface FrontendAnswer {
  readonly status: 200 | 503;
  readonly body: Buffer;
}

export type FrontendStage = 'ready' | 'draining' | 'stopping';

export interface FrontendHealth {
  readonly mode: FrontendHealthMode;
  readonly stage: FrontendStage;
  /** Adds or replaces what is known under `key`. */
  set(key: string, instance: FrontendInstance): void;
  delete(key: string): void;
  setStage(stage: FrontendStage): void;
  health(): FrontendAnswer;
  live(): FrontendAnswer;
}

interface Entry {
  readonly order: string;
  /** Null: its endpoint serves no model. */
  readonly name: string | null;
}

const LIVE = answer(200, '{"message":"Service is live","status":"live"}');
const STOPPING = answer(503, '{"message":"Service is shutting down","status":"shutting_down"}');

/** @param onChange called whenever an answer may be another one; it must not ask in the same turn, for the sake of many */
export function createFrontendHealth(
  mode: FrontendHealthMode = 'documented',
  onChange: () => void = () => undefined,
): FrontendHealth {
  const instances = createSortedBytes();
  const entries = new Map<string, Entry>();
  const endpoints = new Map<string, number>();
  let stage: FrontendStage = 'ready';
  let rendered: FrontendAnswer | null = null;

  function count(name: string | null, by: 1 | -1): void {
    if (name === null) return;
    const left = (endpoints.get(name) ?? 0) + by;
    if (left > 0) endpoints.set(name, left);
    else endpoints.delete(name);
  }

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    instances.delete(entry.order);
    count(entry.name, -1);
    changed();
  }

  function changed(): void {
    rendered = null;
    onChange();
  }

  function render(): FrontendAnswer {
    if (mode !== 'documented' && stage !== 'ready') return notReady(stage);
    const list = instances.bytes();
    if (endpoints.size === 0 && mode !== 'always-healthy') {
      const end = '],"message":"No endpoints available","status":"unhealthy"}';
      return answer(mode === 'strict' ? 503 : 200, '{"instances":[', list, end);
    }
    const names = JSON.stringify([...endpoints.keys()].sort());
    return answer(200, `{"endpoints":${names},"instances":[`, list, '],"status":"healthy"}');
  }

  return {
    mode,
    get stage() {
      return stage;
    },
    set(key, instance) {
      const { namespace, component, endpoint, instanceId, hasModel = endpoint === 'generate' } = instance;
      const order = [namespace, component, endpoint, instanceId.toString().padStart(20, '0'), key].join('\0');
      const name = hasModel ? `dyn://${namespace}.${component}.${endpoint}` : null;
      const known = entries.get(key);
      const isNew = known?.order !== order || known.name !== name;
      if (isNew) {
        if (known !== undefined) {
          instances.delete(known.order);
          count(known.name, -1);
        }
        entries.set(key, { order, name });
        count(name, 1);
      }
      if (instances.set(order, instanceJson(instance)) || isNew) changed();
    },
    delete: remove,
    setStage(next) {
      stage = next;
      changed();
    },
    health() {
      rendered ??= render();
      return rendered;
    },
    live: () => liveAnswer(stage),
  };
}

function instanceJson({ namespace, component, endpoint, instanceId, transport }: FrontendInstance): string {
  const text = JSON.stringify;
  return (
    `{"component":${text(component)},"endpoint":${text(endpoint)},"instance_id":${instanceId},` +
    `"namespace":${text(namespace)},"transport":${text(transport)}}`
  );
}

/** What a frontend that drains says where the mode lets it. */
export function notReady(stage: FrontendStage): FrontendAnswer {
  return answer(503, `{"message":"Service is not ready","stage":"${stage}","status":"not_ready"}`);
}

export function liveAnswer(stage: FrontendStage): FrontendAnswer {
  return stage === 'stopping' ? STOPPING : LIVE;
}

function answer(status: 200 | 503, ...parts: readonly (string | Buffer)[]): FrontendAnswer {
  const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return { status, body: Buffer.concat(bytes) };
}
