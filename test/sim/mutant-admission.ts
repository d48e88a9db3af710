/** Admission with the defects of the table in mutants.ts. */
import { createPoolAdmission, DEFAULT_CLASSES } from '../../lib/fleet/admission/admission.js';
import { createBusyWorkers } from '../../lib/fleet/admission/busy-workers.js';
import { override } from './override.js';

/** Everything is let in at once. */
export const createOpenAdmission: typeof createPoolAdmission = () => createPoolAdmission();

/** Who waits waits for as long as it takes. */
export const createPatientAdmission: typeof createPoolAdmission = (options = {}) => {
  const { classes = DEFAULT_CLASSES } = options;
  const endless = classes.map((each) => ({ ...each, queueTimeoutMs: 1e9 }));
  const inner = createPoolAdmission({ ...options, classes: endless, feasibility: false });
  return override(inner, {
    arrive: (arrival, room) => inner.arrive({ ...arrival, deadlineMs: Number.POSITIVE_INFINITY }, room),
  });
};

/** One line for all, first come first served. */
export const createOneLine: typeof createPoolAdmission = (options) => {
  const inner = createPoolAdmission(options);
  return override(inner, { arrive: (arrival, room) => inner.arrive({ ...arrival, tenant: '' }, room) });
};

/** Who is refused is not told when to come again. */
export const createCurtAdmission: typeof createPoolAdmission = (options) => {
  const inner = createPoolAdmission(options);
  return override(inner, {
    arrive: (arrival, room) =>
      inner
        .arrive(arrival, room)
        .map((each) => (each.type === 'reject' ? { ...each, retryAfterSeconds: 0 } : each)),
  });
};

/** While a worker's report is overdue, by those that came from others, the pool counts as full. */
export const createSaturatedWhenStale: typeof createBusyWorkers = (initial) => {
  const inner = createBusyWorkers(initial);
  const last = new Map<string, number>();
  let reports = 0;
  return override(inner, {
    report(worker, pressure) {
      last.set(worker, ++reports);
      inner.report(worker, pressure);
    },
    forget(worker) {
      last.delete(worker);
      inner.forget(worker);
    },
    get hasRoom() {
      const isOverdue = [...last.values()].some((each) => reports - each > 1.5 * last.size);
      return inner.hasRoom && !isOverdue;
    },
  });
};
