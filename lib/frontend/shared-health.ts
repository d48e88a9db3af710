import type { FrontendHealth } from '../dialects/dynamo-frontend.js';
import type { Sharing } from './sharing.js';

/** Tells the other processes of the same port which instances this one sees. */
export function withSharing(health: FrontendHealth, sharing: Sharing | null): FrontendHealth {
  if (sharing === null) return health;
  return {
    get mode() {
      return health.mode;
    },
    get stage() {
      return health.stage;
    },
    setStage: health.setStage,
    health: health.health,
    live: health.live,
    set(key, instance) {
      health.set(key, instance);
      sharing.instance(key, instance);
    },
    delete(key) {
      health.delete(key);
      sharing.instance(key, null);
    },
  };
}
