/** What a frontend's `/health` lists of the workers it sees. */
import { createHash } from 'node:crypto';
import type { FrontendHealth } from '../dialects/dynamo-frontend.js';
import type { MemberView } from './member-view.js';

/** Takes a worker up, or out; to be called with every change of a member. */
export function createRegister(documented: FrontendHealth): (member: MemberView) => void {
  return ({ url, ref, state }) => {
    if (state === 'gone' || ref === null) documented.delete(url);
    else
      documented.set(url, {
        namespace: 'dynamo',
        component: 'backend',
        endpoint: 'generate',
        instanceId: instanceId(ref.incarnation),
        transport: { http: url },
      });
  };
}

/** 64 bits of a worker's incarnation: a new one with each of its lives, as an instance id should be. */
function instanceId(incarnation: string): bigint {
  return createHash('sha256').update(incarnation).digest().readBigUInt64BE(0);
}
