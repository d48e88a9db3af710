/** Where the API answers what; the defaults are OpenAI's and the documents'. */
export interface FrontendPaths {
  readonly health: string;
  readonly live: string;
  readonly metrics: string;
  readonly models: string;
  readonly chat: string;
  readonly completions: string;
}

export const FRONTEND_PATHS: FrontendPaths = {
  health: '/health',
  live: '/live',
  metrics: '/metrics',
  models: '/v1/models',
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
};

/** Dynamo's, and only with an admin token. */
export const BUSY_THRESHOLD = '/busy_threshold';
