import type { Admission } from '../admission/permit.js';
import type { HandlerOptions } from '../lifecycle/handler.js';
import type { Health } from '../lifecycle/health.js';

/** What the adapters need of a `Health` handle. */
export type HealthPort = Pick<Health, 'handler' | 'requests'> & Pick<Admission, 'admit'>;

/** Options of every framework adapter. */
export interface FrameworkOptions {
  /** Health on the application's own port, as `health.handler()`; `false` leaves it to the probe listener. Default: on. */
  routes?: HandlerOptions | false;
  /**
   * Which requests are counted and admitted, by method and path (without the query). Default: all but the health routes.
   * What `serve()` of an endpoint answers is counted and admitted there: leave it out here.
   */
  track?: boolean | ((method: string, path: string) => boolean);
  /**
   * Whether tracked requests pass `health.admit()`: they wait and are refused (503, `Retry-After`) by `limits`, and
   * refused while the process drains. Default true.
   */
  admit?: boolean;
}

/** `track` as a function. */
export function tracker({ track = true }: FrameworkOptions): (method: string, path: string) => boolean {
  return typeof track === 'function' ? track : () => track;
}

export function pathOf(url: string): string {
  const question = url.indexOf('?');
  return question < 0 ? url : url.slice(0, question);
}
