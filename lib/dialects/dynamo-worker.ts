import type { Reason } from '../status/verdict.js';
import { timestamp } from './digits.js';
import { JSON_TYPE, OK, TEXT_TYPE, UNAVAILABLE } from './status-lines.js';
import { jsonTemplate, slot } from './template.js';
import type { Reply, Route, Routes, View } from './view.js';

export interface DynamoRoutesOptions {
  /** Default `/health` and `/live`. `/ready` is always there. */
  readonly paths?: { readonly health: string; readonly live: string };
  /** `documented` (default): `/live` as `/health`. `shallow`: 503 only for what a restart cures. */
  readonly liveMode?: 'documented' | 'shallow';
}

/**
 * The system status server of Dynamo's workers: three paths with one answer. The keys are in the order of the documents'
 * examples, and the type is theirs too, although the body is JSON; who accepts JSON gets that type, and the reasons.
 */
export function dynamoWorker({ paths, liveMode }: DynamoRoutesOptions = {}): Routes {
  const health = routeOf(({ verdict }) => verdict.workerReady);
  const live = liveMode === 'shallow' ? routeOf(({ verdict }) => verdict.live) : health;
  return { [paths?.health ?? '/health']: health, [paths?.live ?? '/live']: live, '/ready': health };
}

function routeOf(passes: (view: View) => boolean): Route {
  const reply = (view: View, contentType: string, reasons: boolean): Reply => ({
    statusLine: passes(view) ? OK : UNAVAILABLE,
    contentType,
    body: jsonTemplate(documentOf(view, reasons)),
  });
  return {
    dependsOn: 'verdict',
    render: (view) => reply(view, TEXT_TYPE, false),
    verbose: (view) => reply(view, TEXT_TYPE, true),
    json: (view) => reply(view, JSON_TYPE, true),
  };
}

function documentOf({ verdict, startedAtMs, unixOffsetMs }: View, withReasons: boolean): object {
  const { phase, endpoints, workerReady, workerGating } = verdict;
  // The documents' first step of a shutdown: endpoints are invalidated at once.
  const isOver = phase === 'draining' || phase === 'stopped' || phase === 'failed';
  return {
    endpoints: Object.fromEntries(endpoints.map(({ name, status }) => [name, isOver ? 'notready' : status])),
    ...(withReasons ? { reasons: workerGating.map((reason) => reasonOf(reason, unixOffsetMs)) } : {}),
    status: workerReady ? 'ready' : 'notready',
    uptime: { nanos: slot.nanosSince(startedAtMs), secs: slot.secondsSince(startedAtMs) },
  };
}

function reasonOf(
  { component, code, message, sinceMs, action, restartHelps }: Reason,
  unixOffsetMs: number,
): object {
  return {
    component,
    code,
    message,
    since: timestamp(sinceMs + unixOffsetMs),
    ...(action === undefined ? {} : { action, restart_helps: restartHelps }),
  };
}
