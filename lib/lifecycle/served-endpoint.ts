import { rejectUnknown } from '../config/keys.js';
import { invalid } from '../config/values.js';
import { InferenceHealthError } from '../errors.js';
import type { StatusEvent } from '../status/events.js';
import { checkName, createEndpoint as createReadiness } from './claims.js';
import type { EndpointHandle, Handler, ServedEndpoint, ServeOptions } from './serve.js';
import { createCall, type ServePorts } from './serve-call.js';

/** Whoever tests endpoints while they are served; see `lib/canary`. */
export interface EndpointCanaries {
  add(endpoint: ServedEndpoint<never, unknown>, payload: object | null): void;
  traffic(name: string): void;
  remove(name: string): void;
}

export interface EndpointPorts extends Omit<ServePorts, 'answered'> {
  /** Null while canaries are off. */
  readonly canaries: EndpointCanaries | null;
  dispatch(event: StatusEvent): void;
  /** Makes the endpoint count, with the status that endpoints start with. */
  declare(name: string): void;
  now(): number;
}

const SERVE_KEYS = ['ready', 'deadlineMs', 'escalateMs', 'canaryPayload', 'onDisconnect'];

/** One handle a name, however often it is asked for: a second `health.endpoint(name)` must not unready the first. */
export function createEndpoints(ports: EndpointPorts): (name: string) => EndpointHandle {
  const known = new Map<string, EndpointHandle>();
  return (name) => {
    const handle = known.get(checkName('endpoint', name)) ?? createEndpoint(name, ports);
    known.set(name, handle);
    return handle;
  };
}

function createEndpoint(name: string, ports: EndpointPorts): EndpointHandle {
  const answered = (): void => ports.canaries?.traffic(name);
  const callPorts: ServePorts = { ...ports, answered };
  const readiness = createReadiness(name, ports.dispatch, ports.now);
  let served: ServedEndpoint<never, unknown> | null = null;
  ports.declare(name);
  return {
    ...readiness,
    serve<Request, Frame>(
      handler: Handler<Request, Frame>,
      options: ServeOptions = {},
    ): ServedEndpoint<Request, Frame> {
      if (typeof handler !== 'function') throw invalid(`endpoint ${name}: handler`, 'a function', handler);
      rejectUnknown(`option of endpoint ${name}`, options, SERVE_KEYS);
      if (served !== null) {
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `endpoint ${name} is served already; close() the other first`,
        );
      }
      let isClosed = false;
      const close = (): void => {
        if (isClosed) return;
        isClosed = true;
        served = null;
        ports.canaries?.remove(name);
        readiness.notReady();
      };
      const endpoint: ServedEndpoint<Request, Frame> = {
        name,
        call: (request, callOptions = {}) =>
          createCall(callPorts, {
            endpoint: name,
            handler,
            request,
            serve: options,
            options: callOptions,
            isClosed: () => isClosed,
          }),
        cancel: (id, level, reason) => ports.scopes.cancel(id, level, reason),
        close,
        [Symbol.dispose]: close,
      };
      served = endpoint;
      if (options.ready !== false) readiness.ready();
      ports.canaries?.add(endpoint, options.canaryPayload ?? null);
      return endpoint;
    },
  };
}
