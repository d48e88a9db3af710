import { DIALECT_NAMES, type DialectName, type DialectOptions, routesOf } from '../dialects/index.js';
import { OK, TEXT_TYPE } from '../dialects/status-lines.js';
import type { Moment, Template } from '../dialects/template.js';
import type { Details, Reply, Route } from '../dialects/view.js';
import type { Evaluator } from './evaluator.js';
import type { ProbeReply, ProbeRequest, ProbeRoute, ProbeRoutes } from './server.js';

export const ALLOW = 'GET, HEAD, OPTIONS';
export const METRICS_PATH = '/metrics';

export interface RoutesOptions extends DialectOptions {
  readonly evaluator: Evaluator;
  readonly dialect: DialectName;
  readonly details: Details;
  readonly metrics: ProbeRoute;
  /** Fills the request counters of `moment.live`; called before a document is answered. */
  readonly refreshLive: (moment: Moment) => void;
  readonly observe?: ProbeRoutes['observe'];
}

/** Label values of the probe counters, in the order of their slots; the last takes everything else. */
export const PROBE_ROUTE_LABELS: readonly string[] = [
  ...new Set([...DIALECT_NAMES.flatMap((dialect) => Object.keys(routesOf(dialect))), METRICS_PATH]),
  'other',
];
const LABEL_INDEX = new Map(PROBE_ROUTE_LABELS.map((label, index) => [label, index]));

/** Index into {@link PROBE_ROUTE_LABELS}: the default path of a custom one; what is not a path of ours counts as the last. */
export function routeIndex(path: string, custom: DialectOptions['paths'] = undefined): number {
  const label = path === custom?.health ? '/health' : path === custom?.live ? '/live' : path;
  return LABEL_INDEX.get(label) ?? PROBE_ROUTE_LABELS.length - 1;
}

/** The routes of one listener, each with its rendered template. */
export function probeRoutes(options: RoutesOptions): ProbeRoutes {
  const paths = new Map<string, ProbeRoute>();
  for (const [path, route] of Object.entries(routesOf(options.dialect, options)))
    paths.set(path, cachedRoute(route, options));
  paths.set(METRICS_PATH, options.metrics);
  const isDynamo = options.dialect !== 'bitnet';
  return {
    paths,
    notFound: fixedRoute('404 Not Found', isDynamo ? 'Route not found' : 'Not Found\n'),
    methodNotAllowed: fixedRoute('405 Method Not Allowed', isDynamo ? null : 'Method Not Allowed\n', ALLOW),
    options: fixedRoute('204 No Content', null, ALLOW),
    ...(options.observe === undefined ? {} : { observe: options.observe }),
  };
}

export function emptyReply(): ProbeReply {
  return {
    statusLine: OK,
    contentType: null,
    allow: null,
    retryAfter: null,
    body: new Uint8Array(0),
    length: 0,
  };
}

/** Puts a rendered text into a reply. */
export function fillText(
  reply: ProbeReply,
  statusLine: string,
  contentType: string,
  text: string,
): ProbeReply {
  reply.statusLine = statusLine;
  reply.contentType = contentType;
  reply.body = new TextEncoder().encode(text);
  reply.length = reply.body.length;
  return reply;
}

function fixedRoute(statusLine: string, text: string | null, allow: string | null = null): ProbeRoute {
  const reply = emptyReply();
  if (text !== null) fillText(reply, statusLine, TEXT_TYPE, text);
  reply.statusLine = statusLine;
  reply.allow = allow;
  return () => reply;
}

/** Renders on change, fills the clock fields on every call; allocates nothing in between. */
function cachedRoute(route: Route, { evaluator, details, refreshLive }: RoutesOptions): ProbeRoute {
  const { moment } = evaluator;
  const reply = emptyReply();
  const isDocument = route.dependsOn === 'document';
  const generation = isDocument ? evaluator.documentGeneration : evaluator.verdictGeneration;
  let rendered = -1;
  let renderedAtMs = Number.NaN;
  let template: Template | null = null;

  function load(answer: Reply): Template {
    reply.statusLine = answer.statusLine;
    reply.contentType = answer.contentType;
    if (reply.body.length < answer.body.capacity) reply.body = new Uint8Array(answer.body.capacity);
    return answer.body;
  }

  return (request: ProbeRequest): ProbeReply => {
    evaluator.refresh();
    const special = specialOf(route, request);
    if (isDocument || special !== null) refreshLive(moment);
    if (special !== null) {
      // Rare and for people: rendered afresh, and the cached reply with it.
      rendered = -1;
      reply.length = load(special(evaluator.view(), details)).render(reply.body, moment);
      return reply;
    }
    if (template === null || rendered !== generation()) {
      template = load(route.render(evaluator.view(), details));
      rendered = generation();
    } else if (!isDocument && moment.monoMs === renderedAtMs) {
      return reply;
    }
    renderedAtMs = moment.monoMs;
    reply.length = template.render(reply.body, moment);
    return reply;
  };
}

function specialOf(route: Route, request: ProbeRequest): Route['render'] | null {
  if (route.json !== undefined && acceptsJson(request)) return route.json;
  return route.verbose !== undefined && wantsVerbose(request) ? route.verbose : null;
}

/** Asked for by name; what everybody sends, a star, does not count. */
function acceptsJson(request: ProbeRequest): boolean {
  return /\bapplication\/json\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/i.test(request.accept());
}

function wantsVerbose(request: ProbeRequest): boolean {
  const query = request.query();
  return query !== '' && /(^|&)verbose(=|&|$)/.test(query);
}
