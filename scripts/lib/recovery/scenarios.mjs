// The recovery scenarios: what happens, step by step, in what order, and which line of which process shows it.
// A step with `true` behind it only has to be there; the others come in this order.

const NOTHING_LOST = { differed: 0, failed: 0, rejected: 0 };
const steady = { streams: 9, tokens: 80 };

/** A line of a process. */
const says = (source, message, fields = {}) => ({ source, message, fields });

export const RECOVERIES = {
  'pod-restart': {
    title: 'Worker pod restart',
    scenario: {
      fleet: { workers: 3 },
      load: steady,
      faults: [{ atMs: 500, fault: 'sigterm', target: 'worker-0', leaves: 2 }],
      forMs: 2500,
      bounds: { ...NOTHING_LOST, moved: 1, strayExits: 0 },
    },
    steps: [
      ['the worker gets SIGTERM', says('worker-0', 'shutting down', { signal: 'SIGTERM' })],
      ['its endpoints take no new requests', says('frontend-0', 'worker drains')],
      ['what is in flight moves', says('frontend-0', 'stream moves', { outcome: 'draining' })],
      ['it cleans up', says('worker-0', 'clean-up hook done')],
      ['it ends with 0', says('worker-0', 'process ended', { code: 0 })],
      ['the pod is started anew', says('worker-0', 'serves again')],
      ['and serves with fresh state', says('frontend-0', 'worker found', { worker: 'worker-0' })],
    ],
  },
  crash: {
    title: 'Worker crash',
    scenario: {
      fleet: { workers: 3, etcd: 1, leaseTtlSeconds: 2, restart: false },
      load: steady,
      faults: [{ atMs: 500, fault: 'sigkill', target: 'busiest-worker' }],
      forMs: 5500,
      bounds: { ...NOTHING_LOST, moved: 1 },
    },
    steps: [
      ['the worker dies', says('fault', 'sigkill')],
      ['what was in flight there moves, at once', says('frontend-0', 'stream moves', { outcome: 'reset' })],
      ['new requests go to the others', says('frontend-0', 'worker ejected')],
      ['its lease expires: the watch tells its removal', says('frontend-0', 'worker no longer registered')],
    ],
  },
  partition: {
    title: 'Network partition',
    scenario: {
      fleet: { workers: 3, etcd: 1, leaseTtlSeconds: 4 },
      load: steady,
      faults: [
        { atMs: 500, fault: 'partition', target: 'worker-0', link: 'etcd', forMs: 7500 },
        { atMs: 500, fault: 'partition', target: 'worker-0', forMs: 7500 },
      ],
      forMs: 9000,
      bounds: { ...NOTHING_LOST, moved: 1, strayExits: 0 },
    },
    steps: [
      ['the worker loses etcd and the frontend', says('fault', 'partition worker-0')],
      ['what is in flight there moves', says('frontend-0', 'stream moves', { outcome: 'stalled' })],
      [
        'its lease is not renewed and expires',
        says('frontend-0', 'worker no longer registered', { worker: 'worker-0' }),
      ],
      ['the network is back', says('fault', 'partition is over')],
      ['it registers again, and serves on', says('frontend-0', 'worker found', { worker: 'worker-0' })],
    ],
  },
  'gpu-failure': {
    title: 'GPU failure',
    scenario: {
      fleet: { workers: 3, worker: { gpus: 1 } },
      load: steady,
      faults: [{ atMs: 500, fault: 'gpu-xid', target: 'worker-0', xid: 79 }],
      forMs: 3500,
      bounds: { ...NOTHING_LOST, moved: 1, strayExits: 0 },
    },
    steps: [
      ['the health check sees the error', says('worker-0', 'GPU failure')],
      ['the worker shuts down', says('worker-0', 'shutting down', { reason: 'GPU failure' })],
      ['what is in flight moves', says('frontend-0', 'stream moves', { outcome: 'draining' })],
      ['runtime and engine are cleaned up', says('worker-0', 'clean-up hook done')],
      ['the process ends with 1', says('worker-0', 'process ended', { code: 1 })],
      ['the pod is started anew', says('worker-0', 'serves again')],
    ],
  },
  'engine-failure': {
    title: 'Engine failure',
    scenario: {
      fleet: { workers: 3, worker: { engine: 'llama' } },
      load: { streams: 9, tokens: 300 },
      faults: [{ atMs: 500, fault: 'engine-kill', target: 'busiest-worker' }],
      forMs: 4000,
      bounds: { ...NOTHING_LOST, moved: 1, strayExits: 0 },
    },
    steps: [
      ['the engine process dies', says('fault', 'engine-kill')],
      ['the monitor sees it', says('worker', 'engine failure', { kind: 'dead' })],
      ['the worker shuts down', says('worker', 'shutting down', { reason: 'engine failure' })],
      // By the break of the stream or by the drain, whichever is told first.
      ['what is in flight moves', says('frontend-0', 'stream moves'), true],
      ['it cleans up', says('worker', 'clean-up hook done')],
      ['the process ends with 1', says('worker', 'process ended', { code: 1 })],
    ],
  },
};

/** The first event of each step, not before that of the step before; null: there is none. */
export function findSteps(steps, events) {
  const sorted = [...events].sort((a, b) => a.atMs - b.atMs);
  let sinceMs = 0;
  return steps.map(([words, wanted, isAnyTime]) => {
    const event = sorted.find((each) => (isAnyTime || each.atMs >= sinceMs) && fits(each, wanted)) ?? null;
    if (event !== null && !isAnyTime) sinceMs = event.atMs;
    return { words, event };
  });
}

function fits(event, { source, message, fields }) {
  return (
    event.source.startsWith(source) &&
    event.message.startsWith(message) &&
    Object.entries(fields).every(([name, value]) => event.fields[name] === value)
  );
}

/** The steps as a table, seconds since the fault. */
export function renderSteps(steps, fromMs) {
  const rows = steps.map(({ words, event }, index) => {
    if (event === null) return [`${index + 1}`, words, '', '', 'NOT SEEN'];
    const { atMs, source, message, fields } = event;
    const about = ['signal', 'code', 'outcome', 'worker', 'from', 'reason', 'hook']
      .flatMap((name) => (fields[name] === undefined ? [] : [`${name}=${fields[name]}`]))
      .join(' ');
    return [`${index + 1}`, words, ((atMs - fromMs) / 1000).toFixed(3), source, `${message} ${about}`.trim()];
  });
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  const widths = [0, 1, 2, 3].map(width);
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 2 ? cell.padStart(widths[2]) : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
