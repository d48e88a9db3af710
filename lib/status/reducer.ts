import { judgeCpu } from './cpu.js';
import type { StatusEvent } from './events.js';
import { LOWEST } from './levels.js';
import { judgeMemory } from './memory.js';
import type { Component, Endpoint, GpuReport, Policy, State } from './types.js';

/** Components that every document lists, in its order. */
const DOCUMENTED = ['model', 'memory', 'inference_engine'] as const;

function component(
  partial: Partial<Component> & Pick<Component, 'name' | 'message' | 'observedAtMs'>,
): Component {
  return {
    status: 'unknown',
    reason: `${partial.name}.unknown`,
    detail: null,
    continuous: false,
    sinceMs: partial.observedAtMs,
    durationMs: null,
    critical: (DOCUMENTED as readonly string[]).includes(partial.name),
    owner: 'system',
    claimed: true,
    staleAfterMs: null,
    ...partial,
  };
}

export function initialState(startedAtMs: number, policy: Policy): State {
  const unmanaged = (name: string): Component =>
    component({
      name,
      status: 'healthy',
      reason: `${name}.unmanaged`,
      message: 'Not managed by this process',
      observedAtMs: startedAtMs,
      owner: 'application',
      claimed: false,
    });
  const sampled = (name: string): Component =>
    component({
      name,
      message: 'Not observed yet',
      observedAtMs: startedAtMs,
      staleAfterMs: policy.sampleStaleMs,
    });
  return {
    phase: 'starting',
    startedAtMs,
    mainReported: false,
    settled: false,
    sampled: false,
    loop: 'turning',
    loopSinceMs: startedAtMs,
    memory: LOWEST,
    cpu: LOWEST,
    components: [
      unmanaged('model'),
      sampled('memory'),
      unmanaged('inference_engine'),
      component({
        name: 'event_loop',
        message: 'The main thread has not completed a turn yet',
        observedAtMs: startedAtMs,
      }),
      sampled('cpu'),
    ],
    endpoints: [...policy.requiredEndpoints].sort().map((name) => ({
      name,
      status: policy.startingHealthStatus,
      reason: null,
      sinceMs: startedAtMs,
    })),
    holds: [],
    gpu: null,
    engine: null,
    canaries: [],
    policy,
  };
}

/** Pure: the same state and event give the same state, on every thread. Returns the same object when nothing changed. */
export function step(state: State, event: StatusEvent): State {
  return settlePhase(apply(state, event));
}

function apply(state: State, event: StatusEvent): State {
  switch (event.type) {
    case 'component':
      return put(state, {
        name: event.name,
        status: event.status,
        reason: event.status === 'healthy' ? null : event.reason,
        message: event.message,
        detail: event.detail ?? null,
        observedAtMs: event.atMs,
        durationMs: event.durationMs ?? null,
        claimed: true,
        ...(event.critical === undefined ? {} : { critical: event.critical }),
        ...(event.owner === undefined ? {} : { owner: event.owner }),
        ...(event.staleAfterMs === undefined ? {} : { staleAfterMs: event.staleAfterMs }),
      });
    case 'component-removed':
      return { ...state, components: state.components.filter(({ name }) => name !== event.name) };
    case 'endpoint': {
      const previous = state.endpoints.find(({ name }) => name === event.name);
      const { name, status, reason } = event;
      const sinceMs = previous?.status === status ? previous.sinceMs : event.atMs;
      return putEndpoint(state, { name, status, reason, sinceMs });
    }
    case 'endpoint-declared': {
      const { name, atMs: sinceMs } = event;
      if (state.endpoints.some((endpoint) => endpoint.name === name)) return state;
      return putEndpoint(state, { name, status: 'notready', reason: null, sinceMs });
    }
    case 'hold':
      if (state.holds.some(({ name }) => name === event.name)) return state;
      return { ...state, holds: [...state.holds, { name: event.name, sinceMs: event.atMs }] };
    case 'hold-released':
      return { ...state, holds: state.holds.filter(({ name }) => name !== event.name) };
    case 'phase':
      return state.phase === event.phase ? state : { ...state, phase: event.phase };
    case 'main-reported':
      if (state.mainReported) return state;
      return observeLoop({ ...state, mainReported: true }, event.atMs);
    case 'settled':
      return state.settled ? state : { ...state, settled: true };
    case 'sample': {
      const { facts } = event;
      const memory = judgeMemory(state.memory, facts, state.policy);
      const cpu = judgeCpu(state.cpu, facts);
      const observed = { observedAtMs: facts.atMs, durationMs: facts.durationMs };
      const { level: _memoryLevel, ...memoryFields } = memory;
      const { level: _cpuLevel, ...cpuFields } = cpu;
      const judged: State = { ...state, sampled: true, memory: memory.level, cpu: cpu.level };
      return put(put(judged, { name: 'memory', ...memoryFields, ...observed }), {
        name: 'cpu',
        ...cpuFields,
        ...observed,
      });
    }
    case 'gpu':
      return observeGpu(state, event.report);
    case 'engine':
      return state.engine === event.finding ? state : { ...state, engine: event.finding };
    case 'canary': {
      const others = state.canaries.filter(({ name }) => name !== event.name);
      if (event.report === null) return { ...state, canaries: others };
      const canaries = [...others, { ...event.report, name: event.name }];
      return { ...state, canaries: canaries.sort((a, b) => (a.name < b.name ? -1 : 1)) };
    }
    case 'sample-failed': {
      const failed = { status: 'unknown', message: event.message, observedAtMs: event.atMs } as const;
      return put(put(state, { name: 'memory', reason: 'memory.unknown', ...failed }), {
        name: 'cpu',
        reason: 'cpu.unknown',
        ...failed,
      });
    }
    case 'loop':
      if (state.loop === event.level) return state;
      return observeLoop({ ...state, loop: event.level, loopSinceMs: event.sinceMs }, event.atMs);
  }
}

/** Documented behind `inference_engine`; where there is no GPU the component does not exist. */
function observeGpu(state: State, gpu: GpuReport | null): State {
  if (gpu === null) {
    if (state.gpu === null) return state;
    return { ...state, gpu, components: state.components.filter(({ name }) => name !== 'gpu') };
  }
  const { status, reason, message, atMs: observedAtMs } = gpu;
  const known = state.components.some(({ name }) => name === 'gpu');
  const next = known ? state : { ...state, components: withGpu(state.components, observedAtMs) };
  return put({ ...next, gpu }, { name: 'gpu', status, reason, message, observedAtMs });
}

function withGpu(components: readonly Component[], observedAtMs: number): readonly Component[] {
  const behind = components.findIndex(({ name }) => name === 'inference_engine') + 1;
  const gpu = component({ name: 'gpu', message: 'The driver is being asked', observedAtMs });
  return [...components.slice(0, behind), gpu, ...components.slice(behind)];
}

function putEndpoint(state: State, endpoint: Endpoint): State {
  const others = state.endpoints.filter(({ name }) => name !== endpoint.name);
  return { ...state, endpoints: [...others, endpoint].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

function observeLoop(state: State, atMs: number): State {
  const { loop, policy } = state;
  if (loop === 'turning' && !state.mainReported) return state;
  if (loop === 'turning') {
    return put(state, {
      name: 'event_loop',
      status: 'healthy',
      reason: null,
      message: 'Event loop responsive',
      continuous: true,
      observedAtMs: atMs,
    });
  }
  const limitMs = loop === 'stalled' ? policy.liveStallMs : policy.loopUnreadyMs;
  return put(state, {
    name: 'event_loop',
    status: loop === 'stalled' ? 'unhealthy' : 'degraded',
    reason: loop === 'stalled' ? 'event_loop.stalled' : 'event_loop.blocked',
    message: `Event loop blocked for more than ${limitMs} ms`,
    continuous: true,
    observedAtMs: atMs,
  });
}

function put(
  state: State,
  change: Partial<Component> & Pick<Component, 'name' | 'message' | 'observedAtMs'>,
): State {
  const index = state.components.findIndex(({ name }) => name === change.name);
  const previous = state.components[index];
  const components = state.components.slice();
  if (previous === undefined) {
    components.push(component({ owner: 'application', ...change }));
  } else {
    const same =
      previous.status === (change.status ?? previous.status) &&
      previous.reason === (change.reason === undefined ? previous.reason : change.reason);
    components[index] = { ...previous, ...change, sinceMs: same ? previous.sinceMs : change.observedAtMs };
  }
  return { ...state, components };
}

/** `starting` ends by itself once the process turns its loop, is sampled, and what it claimed to load is loaded. */
function settlePhase(state: State): State {
  if (state.phase !== 'starting' || !state.settled || !state.mainReported || !state.sampled) return state;
  const loaded = state.components.every(
    ({ name, claimed, status }) =>
      !(name === 'model' || name === 'inference_engine') || !claimed || status === 'healthy',
  );
  return loaded ? { ...state, phase: 'serving' } : state;
}
