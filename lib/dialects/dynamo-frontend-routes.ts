import {
  createFrontendHealth,
  type FrontendAnswer,
  type FrontendStage,
  liveAnswer,
  notReady,
} from './dynamo-frontend.js';
import type { DynamoRoutesOptions } from './dynamo-worker.js';
import { JSON_TYPE, OK, UNAVAILABLE } from './status-lines.js';
import type { Reply, Route, Routes, View } from './view.js';

/** Before a frontend has said anything, or where there is none. */
const NOBODY = createFrontendHealth('documented').health();

/** `/health` and `/live` of Dynamo's frontends on a probe listener: the bytes that the frontend has rendered. */
export function dynamoFrontend({ paths }: DynamoRoutesOptions = {}): Routes {
  return {
    [paths?.health ?? '/health']: routeOf(healthOf),
    [paths?.live ?? '/live']: routeOf((view) => liveAnswer(stageOf(view))),
  };
}

function healthOf(view: View): FrontendAnswer | { readonly status: number; readonly body: Uint8Array } {
  const { frontend } = view;
  if (frontend === undefined || frontend === null) return NOBODY;
  const stage = stageOf(view);
  return frontend.mode !== 'documented' && stage !== 'ready' ? notReady(stage) : frontend;
}

/** A signal shows here before the frontend's own thread has turned. */
function stageOf({ frontend, verdict: { phase } }: View): FrontendStage {
  if (phase === 'stopped' || phase === 'failed' || frontend?.stage === 'stopping') return 'stopping';
  return phase === 'draining' ? 'draining' : (frontend?.stage ?? 'ready');
}

function routeOf(answerOf: (view: View) => { readonly status: number; readonly body: Uint8Array }): Route {
  return {
    dependsOn: 'verdict',
    render(view): Reply {
      const { status, body } = answerOf(view);
      return { statusLine: status === 200 ? OK : UNAVAILABLE, contentType: JSON_TYPE, body: fixed(body) };
    },
  };
}

function fixed(bytes: Uint8Array): Reply['body'] {
  return {
    capacity: bytes.length,
    render(out) {
      out.set(bytes);
      return bytes.length;
    },
  };
}
